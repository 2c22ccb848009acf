//! Client certificates as callers.

use prism_proxy::config::{Auth, Digest, Token};
use prism_proxy::server::{AuthState, TlsPem};
use rcgen::SanType;
use tonic::transport::Channel;

use super::keys::{Key, jwks, write_jwks};
use super::table::{Is, wanted};
use super::{BOTH, READ, auth, call, claims, grant, methods, outcome, set_now};
use crate::log::Log;
use crate::support::{Mode, Server, Steered, with_both};
use crate::tls::Authority;

pub(super) fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

async fn server(authority: &Authority, auth: Auth) -> Server {
    let (cert, key) = authority.issue("localhost");
    let state = AuthState::new(&auth).unwrap();
    let server = Server::start_with(with_both(Steered::new(Mode::Works)), |options| {
        options.tls = Some(TlsPem { cert, key, client_ca: Some(authority.pem()) });
        options.auth = state;
    })
    .await;
    set_now(&server);
    server
}

/// A connection with a certificate for `names`.
pub(super) async fn connect(server: &Server, authority: &Authority, names: Vec<SanType>) -> Channel {
    let options = prism_wire::channel::Options {
        ca: Some(authority.pem()),
        identity: Some(authority.issue_names(names)),
        server_name: Some("localhost".to_owned()),
        ..prism_wire::channel::Options::new(format!("https://{}", server.address))
    };
    options.endpoint().unwrap().connect().await.unwrap()
}

#[tokio::test]
async fn each_method_is_allowed_exactly_to_certificates_with_its_permissions() {
    let (authority, folder, key) = (Authority::new(), tempfile::tempdir().unwrap(), Key::ed("k"));
    let source = write_jwks(&folder.path().join("jwks.json"), &jwks(&[&key]));
    let auth = Auth {
        tokens: vec![Token {
            name: "reader".to_owned(),
            digest: Digest::of(b"reader-secret"),
            permissions: READ.to_vec(),
            namespaces: None,
        }],
        grants: vec![
            grant("uri:spiffe://example.org/orders/*", None, BOTH),
            grant("uri:spiffe://example.org/reports", None, READ),
            grant("dns:orders.example.org", None, BOTH),
            grant("svc:orders-*", None, BOTH),
        ],
        ..auth(source)
    };
    let server = server(&authority, auth).await;
    let bearer = |token: &str| Some(format!("Bearer {token}"));
    let orders = || vec![uri("spiffe://example.org/orders/1")];
    let rows: Vec<(&str, Vec<SanType>, Option<String>, Is)> = vec![
        ("a URI with a grant", orders(), None, Is::Known(BOTH)),
        ("a URI with read", vec![uri("spiffe://example.org/reports")], None, Is::Known(READ)),
        ("a URI without a grant", vec![uri("spiffe://example.org/reports/2")], None, Is::Known(&[])),
        ("a DNS name with a grant", vec![dns("Orders.example.org")], None, Is::Known(BOTH)),
        ("a DNS name without a grant", vec![dns("example.org")], None, Is::Known(&[])),
        ("a wildcard", vec![dns("*.example.org")], None, Is::Unknown),
        ("no names", vec![], None, Is::Unknown),
        // The URI comes first, and none of the permissions are of the other name.
        (
            "two names with grants",
            vec![dns("orders.example.org"), uri("spiffe://example.org/reports")],
            None,
            Is::Known(READ),
        ),
        (
            "a second name with a grant",
            vec![uri("spiffe://example.org/x"), dns("orders.example.org")],
            None,
            Is::Known(BOTH),
        ),
        ("a URI that is the subject of a grant", vec![uri("svc:orders-1")], None, Is::Known(&[])),
        ("a URI that begins like a DNS name", vec![uri("dns:orders.example.org")], None, Is::Known(&[])),
        ("a token beside a certificate", orders(), bearer("reader-secret"), Is::Known(READ)),
        ("a JWT beside a certificate", vec![], bearer(&key.token(&claims("svc:orders-1"))), Is::Known(BOTH)),
        (
            "a JWT without a grant beside a certificate",
            orders(),
            bearer(&key.token(&claims("svc:x"))),
            Is::Known(&[]),
        ),
        ("a wrong token beside a certificate", orders(), bearer("wrong"), Is::Unknown),
        ("another scheme beside a certificate", orders(), Some("Basic x".to_owned()), Is::Unknown),
        (
            "a JWT whose subject is the name of a certificate",
            vec![],
            bearer(&key.token(&claims("uri:spiffe://example.org/orders/1"))),
            Is::Known(&[]),
        ),
    ];
    for (row, names, authorization, caller) in rows {
        let channel = connect(&server, &authority, names).await;
        for (method, request) in methods() {
            let options = prism_proto::options::method_options(method).unwrap();
            let (code, reason) = outcome(&call(&channel, method, request, authorization.as_deref()).await);
            assert_eq!((code, reason.as_str()), wanted(options, caller), "{method} with {row}");
        }
    }
}

#[tokio::test]
async fn the_log_names_the_certificate() {
    Log::capture();
    let authority = Authority::new();
    let auth = Auth { grants: vec![grant("dns:*", None, READ)], ..Auth::default() };
    let server = server(&authority, auth).await;
    for names in [vec![uri("spiffe://x/a"), dns("a.example")], vec![uri("spiffe://x/a")], vec![]] {
        let channel = connect(&server, &authority, names).await;
        super::get_without_token(&channel).await;
    }
    let callers: Vec<_> = Log::calls(3).await.iter().map(|line| line["caller"].clone()).collect();
    // The name with a grant, otherwise the first.
    assert_eq!(callers, ["dns:a.example".into(), "uri:spiffe://x/a".into(), serde_json::Value::Null]);
}

#[tokio::test]
async fn without_grants_a_certificate_is_no_caller() {
    let authority = Authority::new();
    let token = Token {
        name: "a".to_owned(),
        digest: Digest::of(b"secret"),
        permissions: READ.to_vec(),
        namespaces: None,
    };
    let server = server(&authority, Auth { tokens: vec![token], ..Auth::default() }).await;
    let channel = connect(&server, &authority, vec![uri("spiffe://x/a")]).await;
    assert_eq!(super::get_without_token(&channel).await, tonic::Code::Unauthenticated);
    assert_eq!(super::get_with(&channel, "secret").await, tonic::Code::Ok);
}
