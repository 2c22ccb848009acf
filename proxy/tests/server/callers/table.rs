//! Every method with every kind of credentials.

use prism_proto::options::MethodOptions;
use prism_proxy::config::{Auth, Digest, Permission, Token};
use prism_proxy::server::AuthState;
use serde_json::{Value, json};
use tonic::Code;

use super::keys::{Key, PublicKeyForm, confused, jwks, unsigned, write_jwks};
use super::{AUDIENCE, BOTH, ISSUER, NOW, READ, auth, call, claims, grant, methods, outcome, set_now};
use crate::support::{Mode, Server, Steered, with_both};

/// What a caller is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Is {
    Unknown,
    Known(&'static [Permission]),
}

/// The outcome of a call of a method with `options`, if its request is valid.
pub(crate) fn wanted(options: &MethodOptions, caller: Is) -> (Code, &'static str) {
    let Is::Known(permissions) = caller else {
        return if options.require_auth == Some(false) {
            (Code::Ok, "")
        } else {
            (Code::Unauthenticated, "UNAUTHENTICATED")
        };
    };
    let holds = |name: &String| permissions.iter().any(|permission| permission.name() == name);
    if options.require_auth == Some(false) || options.required_permissions.iter().all(holds) {
        return (Code::Ok, "");
    }
    (Code::PermissionDenied, "PERMISSION_DENIED")
}

fn token(name: &str, permissions: &[Permission]) -> Token {
    Token {
        name: name.to_owned(),
        digest: Digest::of(format!("{name}-secret").as_bytes()),
        permissions: permissions.to_vec(),
        namespaces: None,
    }
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name).unwrap();
    claims
}

#[tokio::test]
async fn each_method_is_allowed_exactly_to_callers_with_its_permissions() {
    let folder = tempfile::tempdir().unwrap();
    let (rsa, ec, ed) = (Key::rsa("rsa", 0), Key::ec("ec"), Key::ed("ed"));
    let other_rsa = Key::rsa("rsa", 1);
    let stranger = Key::ed("stranger");
    let source = write_jwks(&folder.path().join("jwks.json"), &jwks(&[&rsa, &ec, &ed]));
    let auth = Auth {
        tokens: vec![token("reader", READ), token("both", BOTH), token("admin", &[Permission::Admin])],
        grants: vec![
            grant("svc:orders-*", None, BOTH),
            grant("svc:reports", None, READ),
            grant("elsewhere", Some(&["m"]), BOTH),
        ],
        ..auth(source)
    };
    let server = Server::start_with(with_both(Steered::new(Mode::Works)), |options| {
        options.auth = AuthState::new(&auth).unwrap();
    })
    .await;
    set_now(&server);
    let channel = server.channel().await;

    let valid = || claims("svc:orders-1");
    let header = |alg: &str| json!({"alg": alg, "kid": "rsa"});
    let bearer = |token: String| Some(format!("Bearer {token}"));
    let mut forged = rsa.token(&valid());
    let at = forged.rfind('.').unwrap() + 1;
    let first = if forged.as_bytes()[at] == b'A' { "B" } else { "A" };
    forged.replace_range(at..=at, first);
    let swapped = {
        // The claims of one token with the signature of another.
        let (one, two) = (rsa.token(&claims("svc:nobody")), rsa.token(&valid()));
        format!("{}.{}", two.rsplit_once('.').unwrap().0, one.rsplit_once('.').unwrap().1)
    };
    let padded = with(valid(), "padding", json!("x".repeat(8 << 10)));
    let rows: Vec<(&str, Option<String>, Is)> = vec![
        ("no credentials", None, Is::Unknown),
        ("a wrong token", bearer("reader-secret2".to_owned()), Is::Unknown),
        ("an empty token", bearer(String::new()), Is::Unknown),
        ("a token in another scheme", Some("Basic both-secret".to_owned()), Is::Unknown),
        ("a JWT in another scheme", Some(format!("DPoP {}", rsa.token(&valid()))), Is::Unknown),
        (
            "a token with another permission",
            bearer("admin-secret".to_owned()),
            Is::Known(&[Permission::Admin]),
        ),
        ("a token with read", bearer("reader-secret".to_owned()), Is::Known(READ)),
        ("a token with both", bearer("both-secret".to_owned()), Is::Known(BOTH)),
        ("RS256 with both", bearer(rsa.token(&valid())), Is::Known(BOTH)),
        ("ES256 with both", bearer(ec.token(&valid())), Is::Known(BOTH)),
        ("EdDSA with both", bearer(ed.token(&valid())), Is::Known(BOTH)),
        ("a JWT with read", bearer(ed.token(&claims("svc:reports"))), Is::Known(READ)),
        ("a JWT without a grant", bearer(ed.token(&claims("svc:other"))), Is::Known(&[])),
        ("a JWT with a grant for a longer name", bearer(ed.token(&claims("svc:orders"))), Is::Known(&[])),
        ("a JWT with a grant elsewhere", bearer(ed.token(&claims("elsewhere"))), Is::Known(&[])),
        (
            "no kid, one key of the alg",
            bearer(rsa.token_with(&json!({"alg": "RS256"}), &valid())),
            Is::Known(BOTH),
        ),
        (
            "several audiences",
            bearer(ed.token(&with(valid(), "aud", json!(["x", AUDIENCE])))),
            Is::Known(BOTH),
        ),
        ("expired", bearer(rsa.token(&with(valid(), "exp", json!(NOW - 31)))), Is::Unknown),
        ("not yet valid", bearer(rsa.token(&with(valid(), "nbf", json!(NOW + 31)))), Is::Unknown),
        ("a wrong audience", bearer(rsa.token(&with(valid(), "aud", json!("other")))), Is::Unknown),
        ("no audience of several", bearer(rsa.token(&with(valid(), "aud", json!([])))), Is::Unknown),
        (
            "a wrong issuer",
            bearer(rsa.token(&with(valid(), "iss", json!("https://evil.example")))),
            Is::Unknown,
        ),
        ("several issuers", bearer(rsa.token(&with(valid(), "iss", json!([ISSUER])))), Is::Unknown),
        (
            "a part of the issuer",
            bearer(rsa.token(&with(valid(), "iss", json!("https://login")))),
            Is::Unknown,
        ),
        ("no issuer", bearer(rsa.token(&without(valid(), "iss"))), Is::Unknown),
        ("no audience", bearer(rsa.token(&without(valid(), "aud"))), Is::Unknown),
        ("no expiry", bearer(rsa.token(&without(valid(), "exp"))), Is::Unknown),
        ("no subject", bearer(rsa.token(&without(valid(), "sub"))), Is::Unknown),
        ("an empty subject", bearer(rsa.token(&claims(""))), Is::Unknown),
        ("a long subject", bearer(rsa.token(&claims(&"s".repeat(256)))), Is::Unknown),
        ("a subject of two lines", bearer(rsa.token(&claims("svc:orders-1\nx"))), Is::Unknown),
        (
            "an expiry that is no number",
            bearer(rsa.token(&with(valid(), "exp", json!("9999999999")))),
            Is::Unknown,
        ),
        ("an nbf that is no number", bearer(rsa.token(&with(valid(), "nbf", json!("1")))), Is::Unknown),
        ("alg none, no signature", bearer(unsigned(&header("none"), &valid())), Is::Unknown),
        ("alg None, no signature", bearer(unsigned(&header("None"), &valid())), Is::Unknown),
        ("alg none, signed", bearer(rsa.token_with(&header("none"), &valid())), Is::Unknown),
        ("alg RS256, no signature", bearer(unsigned(&header("RS256"), &valid())), Is::Unknown),
        ("HS256 with the key's PEM", bearer(confused("rsa", &valid(), PublicKeyForm::Pem)), Is::Unknown),
        ("HS256 with the key's DER", bearer(confused("rsa", &valid(), PublicKeyForm::Spki)), Is::Unknown),
        ("HS256 with the key's PKCS#1", bearer(confused("rsa", &valid(), PublicKeyForm::Pkcs1)), Is::Unknown),
        (
            "HS256 with the key's modulus",
            bearer(confused("rsa", &valid(), PublicKeyForm::Modulus)),
            Is::Unknown,
        ),
        ("another alg of the same key", bearer(rsa.token_with(&header("RS512"), &valid())), Is::Unknown),
        ("the alg of another key", bearer(rsa.token_with(&header("ES256"), &valid())), Is::Unknown),
        (
            "the kid of another key",
            bearer(ec.token_with(&json!({"alg": "ES256", "kid": "rsa"}), &valid())),
            Is::Unknown,
        ),
        ("a forged signature", bearer(forged), Is::Unknown),
        ("the signature of another token", bearer(swapped), Is::Unknown),
        ("another key with a known kid", bearer(other_rsa.token(&valid())), Is::Unknown),
        ("an unknown kid", bearer(stranger.token(&valid())), Is::Unknown),
        (
            "an embedded key",
            bearer(stranger.token_with(&json!({"alg": "EdDSA", "jwk": stranger.jwk()}), &valid())),
            Is::Unknown,
        ),
        (
            "an unknown critical header",
            bearer(rsa.token_with(&json!({"alg": "RS256", "kid": "rsa", "crit": ["x"], "x": 1}), &valid())),
            Is::Unknown,
        ),
        ("longer than 8 KiB", bearer(rsa.token(&padded)), Is::Unknown),
        ("two parts", bearer("a.b".to_owned()), Is::Unknown),
        ("three parts that are not base64", bearer("?.?.?".to_owned()), Is::Unknown),
        ("four parts", bearer(format!("{}.x", rsa.token(&valid()))), Is::Unknown),
    ];
    let mut refusals = Vec::new();
    for (row, authorization, caller) in &rows {
        for (method, request) in methods() {
            let options = prism_proto::options::method_options(method).unwrap();
            let answer = call(&channel, method, request, authorization.as_deref()).await;
            let (mut code, mut reason) = outcome(&answer);
            // Allowed, and refused for the state of the data: the namespace was deleted before.
            if matches!(code, Code::NotFound | Code::FailedPrecondition)
                && method.starts_with("prism.control.")
            {
                (code, reason) = (Code::Ok, String::new());
            }
            assert_eq!((code, reason.as_str()), wanted(options, *caller), "{method} with {row}");
            if let (Is::Unknown, Err(status)) = (caller, answer) {
                refusals.push((status.message().to_owned(), status.details().to_vec()));
            }
        }
    }
    assert!(refusals.len() > 30 * methods().len(), "{} refusals", refusals.len());
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "an answer says why the credentials were refused: {refusals:?}");
}
