//! Callers with JWTs and client certificates.

mod audit;
mod certificates;
mod keys;
mod namespaces;
mod reload;
mod rotation;
mod table;
mod time;

use std::collections::BTreeMap;

use bytes::Bytes;
use prism_contract::Timestamp;
use prism_proxy::config::{Auth, Grant, JwksSource, JwtIssuer, Pattern, Permission, Who};
use prism_wire::status::Decoded;
use serde_json::{Value, json};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::schema::{self, requests};
use crate::support::Server;

pub(crate) const ISSUER: &str = "https://login.example";
pub(crate) const AUDIENCE: &str = "prism";
/// The time of the servers, in seconds since 1970.
pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const READ: &[Permission] = &[Permission::Read];
pub(crate) const BOTH: &[Permission] = &[Permission::Read, Permission::Write];

/// Sets the server's clock to [`NOW`].
pub(crate) fn set_now(server: &Server) {
    server.clock.set(Timestamp::from_micros(NOW * 1_000_000).unwrap());
}

pub(crate) fn pattern(text: &str) -> Pattern {
    match text.strip_suffix('*') {
        Some(prefix) => Pattern::Prefix(prefix.to_owned()),
        None => Pattern::Exactly(text.to_owned()),
    }
}

/// A grant to the subjects of the only issuer, or to certificates if `who` begins with `uri:` or `dns:`.
pub(crate) fn grant(who: &str, namespaces: Option<&[&str]>, permissions: &[Permission]) -> Grant {
    let who = if who.starts_with("uri:") || who.starts_with("dns:") {
        Who::Certificate(pattern(who))
    } else {
        Who::Subject { subject: pattern(who), issuer: None }
    };
    let namespaces = namespaces.map(|rules| rules.iter().map(|rule| pattern(rule)).collect());
    Grant { who, namespaces, permissions: permissions.to_vec() }
}

pub(crate) fn issuer(jwks: JwksSource) -> JwtIssuer {
    JwtIssuer {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        jwks,
        leeway: std::time::Duration::from_secs(30),
    }
}

/// Callers with JWTs of [`ISSUER`], whose subjects that begin with `svc:` may read and write.
pub(crate) fn auth(jwks: JwksSource) -> Auth {
    Auth { jwt: vec![issuer(jwks)], grants: vec![grant("svc:*", None, BOTH)], ..Auth::default() }
}

/// The claims of a valid token.
pub(crate) fn claims(subject: &str) -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 600, "sub": subject})
}

/// The methods of all services in the schema, each with a valid request for the namespace `n`.
pub(crate) fn methods() -> BTreeMap<&'static str, Bytes> {
    prism_proto::options::all_methods().map(|(name, _)| (name, requests::valid(name).into())).collect()
}

/// Calls a method with `authorization`, and reads all of its answer.
pub(crate) async fn call(
    channel: &Channel,
    method: &str,
    message: Bytes,
    authorization: Option<&str>,
) -> Result<(), Status> {
    let headers = authorization.map(|value| ("authorization", value));
    schema::call::call(channel, method, message, headers.as_slice()).await.map(drop)
}

/// A Get with a bearer token: its code.
pub(crate) async fn get_with(channel: &Channel, token: &str) -> Code {
    get(channel, Some(&format!("Bearer {token}"))).await
}

/// A Get without a token: its code.
pub(crate) async fn get_without_token(channel: &Channel) -> Code {
    get(channel, None).await
}

async fn get(channel: &Channel, authorization: Option<&str>) -> Code {
    const GET: &str = "prism.keyvalue.v1.KeyValueService/Get";
    match call(channel, GET, methods()[GET].clone(), authorization).await {
        Ok(()) => Code::Ok,
        Err(status) => status.code(),
    }
}

/// Code and reason of a call.
pub(crate) fn outcome(answer: &Result<(), Status>) -> (Code, String) {
    match answer {
        Ok(()) => (Code::Ok, String::new()),
        Err(status) => (status.code(), Decoded::from_status(status).reason),
    }
}
