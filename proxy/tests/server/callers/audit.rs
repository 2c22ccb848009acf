//! The audit log names callers with JWTs and client certificates, by the same names as the log.

use std::fs;
use std::sync::Arc;

use prism_proxy::audit::Audit;
use prism_proxy::config;
use prism_proxy::server::{AuditOptions, AuthState, TlsPem};
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::Code;

use super::certificates::{connect, uri};
use super::keys::{Key, jwks, write_jwks};
use super::{READ, auth, claims, get_with, get_without_token, grant, set_now};
use crate::support::{Mode, Server, Steered};
use crate::tls::Authority;

#[tokio::test]
async fn a_line_names_the_subject_or_the_certificate_also_of_a_denied_call() {
    let (authority, folder, key) = (Authority::new(), TempDir::new().unwrap(), Key::ed("k"));
    let mut auth = auth(write_jwks(&folder.path().join("jwks.json"), &jwks(&[&key])));
    auth.grants.push(grant("uri:spiffe://x/*", None, READ));
    let (state, (cert, tls_key)) = (AuthState::new(&auth).unwrap(), authority.issue("localhost"));
    let path = folder.path().join("audit.jsonl");
    let log = Audit::open(&path, &config::Audit::default()).unwrap();
    let server = Server::start_with(Steered::new(Mode::Works), |options| {
        options.tls = Some(TlsPem { cert, key: tls_key, client_ca: Some(authority.pem()) });
        options.auth = state;
        options.audit = Some(AuditOptions { log, audits: Arc::new(|_| true) });
    })
    .await;
    set_now(&server);

    let granted = connect(&server, &authority, vec![uri("spiffe://x/a")]).await;
    let other = connect(&server, &authority, vec![uri("spiffe://y/a")]).await;
    assert_eq!(get_without_token(&granted).await, Code::Ok);
    assert_eq!(get_without_token(&other).await, Code::PermissionDenied);
    assert_eq!(get_with(&granted, &key.token(&claims("svc:orders-1"))).await, Code::Ok);
    assert_eq!(get_with(&granted, &key.token(&claims("x"))).await, Code::PermissionDenied);
    assert_eq!(get_with(&granted, "wrong").await, Code::Unauthenticated);

    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let calls = lines.filter(|line| line.get("method").is_some());
    let named: Vec<_> = calls.map(|call| json!([call["caller"], call["decision"]])).collect();
    let expected = [
        json!(["uri:spiffe://x/a", "allowed"]),
        json!(["uri:spiffe://y/a", "denied"]),
        json!(["jwt:https://login.example#svc:orders-1", "allowed"]),
        json!(["jwt:https://login.example#x", "denied"]),
        json!([null, "denied"]),
    ];
    assert_eq!(named, expected);
}
