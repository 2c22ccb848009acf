//! Certificates and callers replaced while the server runs.

use prism_proxy::config::{Auth, Digest, Permission, Token};
use prism_proxy::server::{AuthState, Reload, TlsError, TlsPem};
use tonic::Code::{Ok as Accepted, PermissionDenied, Unauthenticated};
use tonic::transport::Channel;

use super::keys::{Key, jwks};
use super::rotation::Web;
use super::{READ, auth, claims, get_with, grant, set_now};
use crate::support::{Mode, Server, Steered};
use crate::tls::Authority;

fn tokens(secret: &str) -> AuthState {
    let digest = Digest::of(secret.as_bytes());
    vec![Token { name: "a".to_owned(), digest, permissions: vec![Permission::Read], namespaces: None }].into()
}

async fn server(tls: Option<TlsPem>, auth: AuthState) -> (Server, Reload) {
    let reload = Reload::default();
    let server = Server::start_with(Steered::new(Mode::Works), |options| {
        (options.tls, options.auth, options.reload) = (tls, auth, reload.clone());
    })
    .await;
    set_now(&server);
    (server, reload)
}

#[tokio::test]
async fn new_callers_apply_to_the_next_call_of_a_connection() {
    let (server, reload) = server(None, tokens("old")).await;
    let channel = server.channel().await;
    assert_eq!(
        (get_with(&channel, "old").await, get_with(&channel, "new").await),
        (Accepted, Unauthenticated)
    );
    reload.auth(tokens("new"));
    assert_eq!(
        (get_with(&channel, "old").await, get_with(&channel, "new").await),
        (Unauthenticated, Accepted)
    );
}

#[tokio::test]
async fn the_keys_of_a_url_are_kept_while_those_of_the_new_state_are_fetched() {
    let key = Key::ed("k");
    let web = Web::serving(&jwks(&[&key])).await;
    let before = auth(web.source.clone());
    let (server, reload) = server(None, AuthState::new(&before).unwrap()).await;
    let channel = server.channel().await;
    let token = key.token(&claims("svc:a"));
    assert_eq!(get_with(&channel, &token).await, Accepted);
    web.stop();
    let after = Auth { grants: vec![grant("other", None, READ)], ..before };
    reload.auth(AuthState::new(&after).unwrap());
    assert_eq!(get_with(&channel, &token).await, PermissionDenied, "the new grants, with the old keys");
}

fn pem(authority: &Authority, client_ca: Option<&Authority>) -> TlsPem {
    let (cert, key) = authority.issue("localhost");
    TlsPem { cert, key, client_ca: client_ca.map(Authority::pem) }
}

/// A new connection of a client that trusts `authority`; `None` if it is refused.
async fn connect(server: &Server, authority: &Authority, client: Option<&Authority>) -> Option<Channel> {
    let options = prism_wire::channel::Options {
        ca: Some(authority.pem()),
        identity: client.map(|client| client.issue("client")),
        server_name: Some("localhost".to_owned()),
        ..prism_wire::channel::Options::new(format!("https://{}", server.address))
    };
    let channel = options.endpoint().unwrap().connect().await.ok()?;
    // With TLS 1.3 a refused client only learns it from the first answer.
    (get_with(&channel, "x").await == Accepted).then_some(channel)
}

#[tokio::test]
async fn a_new_certificate_is_used_for_new_connections_and_old_ones_stay() {
    let (old, new) = (Authority::new(), Authority::new());
    let (server, reload) = server(Some(pem(&old, None)), AuthState::default()).await;
    let channel = connect(&server, &old, None).await.expect("the first certificate");
    reload.tls(&pem(&new, None)).unwrap();
    assert!(connect(&server, &new, None).await.is_some(), "the new certificate is not used");
    assert!(connect(&server, &old, None).await.is_none(), "the old certificate is still used");
    assert_eq!(get_with(&channel, "x").await, Accepted, "the old connection ended");
}

#[tokio::test]
async fn a_new_client_ca_is_required_of_new_connections() {
    let (authority, old, new) = (Authority::new(), Authority::new(), Authority::new());
    let (server, reload) = server(Some(pem(&authority, Some(&old))), AuthState::default()).await;
    connect(&server, &authority, Some(&old)).await.expect("the first client CA");
    reload.tls(&pem(&authority, Some(&new))).unwrap();
    assert!(connect(&server, &authority, Some(&old)).await.is_none(), "the old client CA is still trusted");
    assert!(connect(&server, &authority, Some(&new)).await.is_some(), "the new client CA is not trusted");
}

#[tokio::test]
async fn an_unusable_certificate_changes_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (server, reload) = server(Some(pem(&authority, None)), AuthState::default()).await;
    let usable = pem(&other, None);
    let (_, another_key) = other.issue("localhost");
    for unusable in [
        TlsPem { cert: Vec::new(), ..usable.clone() },
        TlsPem { key: b"no key".to_vec(), ..usable.clone() },
        TlsPem { key: another_key, ..usable.clone() },
        TlsPem { client_ca: Some(b"no certificate".to_vec()), ..usable },
    ] {
        reload.tls(&unusable).unwrap_err();
        connect(&server, &authority, None).await.expect("the first certificate");
    }
}

#[tokio::test]
async fn a_server_without_tls_cannot_change_to_tls() {
    let (server, reload) = server(None, AuthState::default()).await;
    assert_eq!(get_with(&server.channel().await, "x").await, Accepted);
    assert!(matches!(reload.tls(&pem(&Authority::new(), None)), Err(TlsError::NotServed)));
    assert_eq!(get_with(&server.channel().await, "x").await, Accepted);
}
