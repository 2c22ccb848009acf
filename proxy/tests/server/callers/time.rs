//! Life of a token, and what the log says of a refused one.

use prism_contract::Timestamp;
use prism_proxy::server::AuthState;
use serde_json::json;
use tonic::Code;

use super::keys::{Key, jwks, write_jwks};
use super::{NOW, auth, claims, get_with, set_now};
use crate::log::Log;
use crate::support::{Mode, Server, Steered};

async fn server(key: &Key) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let source = write_jwks(&folder.path().join("jwks.json"), &jwks(&[key]));
    let state = AuthState::new(&auth(source)).unwrap();
    let server = Server::start_with(Steered::new(Mode::Works), |options| options.auth = state).await;
    set_now(&server);
    server
}

#[tokio::test]
async fn a_token_is_valid_from_nbf_until_exp_with_the_leeway_at_both_ends() {
    let key = Key::ed("k");
    let server = server(&key).await;
    let channel = server.channel().await;
    let mut claims = claims("svc:a");
    claims["nbf"] = json!(NOW);
    claims["exp"] = json!(1_800_000_060.5);
    let token = key.token(&claims);
    for (micros, code) in [
        (-30_000_001, Code::Unauthenticated),
        (-30_000_000, Code::Ok),
        (0, Code::Ok),
        (90_499_999, Code::Ok),
        (90_500_000, Code::Unauthenticated),
    ] {
        server.clock.set(Timestamp::from_micros(NOW * 1_000_000 + micros).unwrap());
        assert_eq!(get_with(&channel, &token).await, code, "{micros}");
    }
}

#[tokio::test]
async fn the_log_says_who_called_or_why_a_token_was_refused_and_never_the_token() {
    Log::capture();
    let key = Key::ed("the-kid");
    let server = server(&key).await;
    let channel = server.channel().await;
    let expired = {
        let mut claims = claims("svc:expired");
        claims["exp"] = json!(NOW - 31);
        key.token(&claims)
    };
    let tokens = [
        key.token(&claims("svc:a")),
        expired,
        Key::ed("the-kid").token(&claims("svc:forged")),
        Key::ed("another-kid").token(&claims("svc:unknown-key")),
        "the-secret".to_owned(),
    ];
    for token in &tokens {
        get_with(&channel, token).await;
    }
    let lines = Log::calls(tokens.len()).await;
    assert_eq!(lines[0]["caller"], "jwt:https://login.example#svc:a");
    let refusals: Vec<_> = lines.iter().map(|line| line["refusal"].as_str().unwrap_or_default()).collect();
    assert_eq!(
        refusals,
        [
            "",
            "the JWT has expired",
            "the signature of the JWT is not valid",
            "no key of the issuer has the JWT's kid, or its alg if it has no kid",
            "the token is neither a known token nor a JWT",
        ]
    );
    let text = Log::text();
    for token in &tokens {
        for part in token.split('.') {
            assert!(!text.contains(part), "{text}");
        }
    }
    for secret in ["svc:expired", "svc:forged", "another-kid"] {
        assert!(!text.contains(secret), "{text}");
    }
}
