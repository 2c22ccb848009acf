//! Keys of issuers: key sets, and tokens signed with them, also in ways that a server must refuse.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use prism_proxy::config::JwksSource;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Value, json};

/// A key of an issuer.
pub(crate) struct Key {
    pub(crate) id: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

/// Keys of tests only. ring makes no RSA keys, so these were made by openssl.
const RSA: [&[u8]; 2] = [include_bytes!("rsa-1.pk8"), include_bytes!("rsa-2.pk8")];
/// The public key of the first, as openssl writes it.
const RSA_SPKI: &[u8] = include_bytes!("rsa-1.spki");

impl Key {
    /// One of two RSA keys.
    pub(crate) fn rsa(id: &'static str, number: usize) -> Self {
        Self { id, pair: Pair::Rsa(Box::new(RsaKeyPair::from_pkcs8(RSA[number]).unwrap())) }
    }

    pub(crate) fn ec(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random);
        Self { id, pair: Pair::Ec(pair.unwrap()) }
    }

    pub(crate) fn ed(id: &'static str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self { id, pair: Pair::Ed(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap()) }
    }

    pub(crate) fn jwk(&self) -> Value {
        match &self.pair {
            Pair::Rsa(pair) => {
                let RsaPublicKeyComponents { n, e } = components(pair);
                json!({"kty": "RSA", "kid": self.id, "use": "sig", "alg": "RS256", "n": encode(&n), "e": encode(&e)})
            }
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": self.id, "x": encode(x), "y": encode(y)})
            }
            Pair::Ed(pair) => {
                let x = pair.public_key().as_ref();
                json!({"kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": encode(x)})
            }
        }
    }

    fn algorithm(&self) -> &'static str {
        match &self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
            Pair::Ed(_) => "EdDSA",
        }
    }

    /// A token with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({"alg": self.algorithm(), "typ": "JWT", "kid": self.id}), claims)
    }

    /// A token whose header may contradict the key.
    pub(crate) fn token_with(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair) => pair.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", encode(&signature))
    }
}

fn components(pair: &RsaKeyPair) -> RsaPublicKeyComponents<Vec<u8>> {
    pair.public().into()
}

/// A token without a signature.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.", message(header, claims))
}

/// A token signed with HS256, whose secret is one of the forms of the first RSA public key.
pub(crate) fn confused(id: &str, claims: &Value, form: PublicKeyForm) -> String {
    let secret = match form {
        PublicKeyForm::Pem => {
            let base64 = STANDARD.encode(RSA_SPKI);
            let lines: Vec<_> =
                base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
            format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
                .into_bytes()
        }
        PublicKeyForm::Spki => RSA_SPKI.to_vec(),
        PublicKeyForm::Pkcs1 => RsaKeyPair::from_pkcs8(RSA[0]).unwrap().public().as_ref().to_vec(),
        PublicKeyForm::Modulus => components(&RsaKeyPair::from_pkcs8(RSA[0]).unwrap()).n,
    };
    let message = message(&json!({"alg": "HS256", "kid": id}), claims);
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), message.as_bytes());
    format!("{message}.{}", encode(signature.as_ref()))
}

/// What an attacker may know of a public key.
#[derive(Clone, Copy)]
pub(crate) enum PublicKeyForm {
    Pem,
    Spki,
    Pkcs1,
    Modulus,
}

fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()))
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The key set of `keys`.
pub(crate) fn jwks(keys: &[&Key]) -> String {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()}).to_string()
}

/// Writes a key set as a deployment would: a new file replaces the old one.
pub(crate) fn write_jwks(path: &Path, document: &str) -> JwksSource {
    let new = path.with_extension("new");
    std::fs::write(&new, document).unwrap();
    std::fs::rename(&new, path).unwrap();
    JwksSource::File(path.to_owned())
}
