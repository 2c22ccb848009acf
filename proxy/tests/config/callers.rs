//! Issuers of JWTs and grants.

use std::path::PathBuf;
use std::time::Duration;

use prism_proxy::config::{AuthMode, Grant, JwksSource, JwtIssuer, Pattern, Permission, Who, load};

use crate::{of_environment, of_file, sources};

const CALLERS: &str = "server: {tls: {cert: c, key: k, client_ca: ca}}\nauth:\n  jwt:\n  - {issuer: 'https://login.example', audience: prism, jwks: 'https://login.example/jwks.json'}\n  - {issuer: ci, audience: prism, jwks: /etc/ci.json, leeway: 5s}\n  grants:\n  - {who: 'svc:orders-*', issuer: ci, namespaces: [orders-*, stock], permissions: [read, write]}\n  - {who: 'dns:Host.Example', permissions: [admin]}\n";

#[test]
fn issuers_and_grants_are_read_and_shown() {
    let config = of_file(CALLERS).unwrap();
    let url = "https://login.example/jwks.json".parse().unwrap();
    let issuer = |issuer: &str, jwks, leeway| JwtIssuer {
        issuer: issuer.to_owned(),
        audience: "prism".to_owned(),
        jwks,
        leeway: Duration::from_secs(leeway),
    };
    let file = JwksSource::File(PathBuf::from("/etc/ci.json"));
    let issuers = [issuer("https://login.example", JwksSource::Url(url), 30), issuer("ci", file, 5)];
    assert_eq!(config.auth.jwt, issuers);
    let grants = [
        Grant {
            who: Who::Subject {
                subject: Pattern::Prefix("svc:orders-".to_owned()),
                issuer: Some("ci".to_owned()),
            },
            namespaces: Some(vec![
                Pattern::Prefix("orders-".to_owned()),
                Pattern::Exactly("stock".to_owned()),
            ]),
            permissions: vec![Permission::Read, Permission::Write],
        },
        Grant {
            who: Who::Certificate(Pattern::Exactly("dns:host.example".to_owned())),
            namespaces: None,
            permissions: vec![Permission::Admin],
        },
    ];
    assert_eq!(config.auth.grants, grants);
    assert_eq!(of_file(&config.to_yaml()).as_ref(), Ok(&config), "{}", config.to_yaml());
    assert!(!config.auth.is_open());
}

#[test]
fn a_url_of_this_machine_may_be_plain_text() {
    for url in ["http://127.0.0.1:1/k", "http://localhost/k", "http://[::1]:1/k", "https://example.org/k"] {
        let jwt = format!("[{{issuer: i, audience: a, jwks: '{url}'}}]");
        let grants = "[{who: a, permissions: [read]}]";
        let config = of_environment(&[("PRISM_AUTH_JWT", &jwt), ("PRISM_AUTH_GRANTS", grants)]);
        assert!(matches!(config.unwrap().auth.jwt[0].jwks, JwksSource::Url(_)), "{url}");
    }
}

const JWT: &str = "[{issuer: i, audience: a, jwks: f}]";
const GRANTS: &str = "[{who: a, permissions: [read]}]";

#[test]
fn a_server_with_grants_needs_no_tokens() {
    let (jwt, grants) = (("PRISM_AUTH_JWT", JWT), ("PRISM_AUTH_GRANTS", GRANTS));
    let beyond = ("PRISM_SERVER_LISTEN", "0.0.0.0:1");
    let required = ("PRISM_AUTH_MODE", "required");
    assert_eq!(of_environment(&[jwt, grants, beyond, required]).unwrap().auth.mode, Some(AuthMode::Required));
    let tls = "server: {tls: {cert: c, key: k, client_ca: ca}}";
    let certificates = ("PRISM_AUTH_GRANTS", "[{who: 'uri:a', permissions: [read]}]");
    assert_eq!(load(&sources(tls, &[certificates, beyond, required])).unwrap().auth.grants.len(), 1);
    // A client CA alone says who may connect, and not who may do what.
    let problems = load(&sources(tls, &[beyond])).unwrap_err().0;
    assert!(problems[0].message.contains("there are no auth.tokens and no auth.grants"), "{problems:?}");
}

#[test]
fn an_empty_list_in_a_variable_drops_the_last_callers_only_in_insecure_mode() {
    let file = format!("auth: {{jwt: {JWT}, grants: {GRANTS}}}");
    let (no_jwt, no_grants) = (("PRISM_AUTH_JWT", "[]"), ("PRISM_AUTH_GRANTS", "[]"));
    let problems = load(&sources(&file, &[no_jwt, no_grants])).unwrap_err().0;
    assert_eq!(problems[0].place, "PRISM_AUTH_GRANTS", "{problems:?}");
    assert!(problems[0].message.contains("replaces the grants of another source"), "{problems:?}");
    let insecure = ("PRISM_AUTH_MODE", "insecure");
    assert!(load(&sources(&file, &[no_jwt, no_grants, insecure])).unwrap().auth.is_open());
    // With tokens left the server is not open.
    let token = ("PRISM_AUTH_TOKENS", "[{name: a, env: A, permissions: [read]}]");
    let config = load(&sources(&file, &[no_jwt, no_grants, token, ("A", "secret")])).unwrap();
    assert!(!config.auth.is_open() && config.auth.jwt.is_empty());
}

#[test]
fn unreadable_issuers_and_grants_are_reported_and_not_their_absence() {
    for (variable, value) in
        [("PRISM_AUTH_JWT", "[{issuer: i}]"), ("PRISM_AUTH_GRANTS", "[{who: a}]"), ("PRISM_AUTH_JWT", "[")]
    {
        let problems =
            of_environment(&[(variable, value), ("PRISM_SERVER_LISTEN", "0.0.0.0:1")]).unwrap_err();
        assert!(problems.iter().all(|problem| problem.place.starts_with(variable)), "{problems:?}");
    }
}

#[test]
fn ten_thousand_grants_fit_into_a_file() {
    let grant =
        |at| format!("  - {{who: 'svc:{at}', namespaces: [orders-{at}-*], permissions: [read, write]}}\n");
    let grants = (0..10_000).map(grant).collect::<Vec<_>>().concat();
    let config = of_file(&format!("auth:\n  jwt: {JWT}\n  grants:\n{grants}")).unwrap();
    assert_eq!(config.auth.grants.len(), 10_000);
}
