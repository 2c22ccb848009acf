use std::hint::black_box;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::*;
use crate::config::{Grant, JwksSource, Pattern, Permission, Who};

/// Not a test of time: it prints what a JWT costs each call, when it was verified before and when not.
/// `cargo test --release -p prism-proxy --lib -- --ignored --nocapture a_jwt_costs`
#[tokio::test]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, reason = "a measurement")]
async fn a_jwt_costs() {
    let encode = |text: &[u8]| URL_SAFE_NO_PAD.encode(text);
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let key = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let x = encode(key.public_key().as_ref());
    std::fs::write(&file, format!("{{\"keys\":[{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"{x}\"}}]}}"))
        .unwrap();
    let message = format!(
        "{}.{}",
        encode(b"{\"alg\":\"EdDSA\"}"),
        encode(b"{\"iss\":\"https://login.example\",\"aud\":\"prism\",\"sub\":\"svc:orders-1\",\"exp\":2000000000}")
    );
    let token = format!("{message}.{}", encode(key.sign(message.as_bytes()).as_ref()));
    let who = Who::Subject { subject: Pattern::Prefix("svc:".to_owned()), issuer: None };
    let state = AuthState::new(&Auth {
        jwt: vec![JwtIssuer {
            issuer: "https://login.example".to_owned(),
            audience: "prism".to_owned(),
            jwks: JwksSource::File(file),
            leeway: Duration::ZERO,
        }],
        grants: vec![Grant { who, namespaces: None, permissions: vec![Permission::Read] }],
        ..Auth::default()
    })
    .unwrap();
    let (rounds, now) = (10_000, Timestamp::from_micros(1_900_000_000_000_000).unwrap());
    let begun = Instant::now();
    for _ in 0..rounds {
        black_box(state.0.issuers[0].verify(black_box(&token)).unwrap());
    }
    let verified = begun.elapsed() / rounds;
    let begun = Instant::now();
    for _ in 0..rounds {
        assert!(state.caller(&Credentials::Bearer(black_box(&token)), now).is_ok());
    }
    println!("{verified:?} to verify it, {:?} once it is verified", begun.elapsed() / rounds);
}
