//! The public keys of an issuer, from a JSON Web Key Set.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use serde::Deserialize;

use super::jwt::Refusal;

/// Maximum size of a key set, in bytes.
pub(super) const MAX_JWKS: usize = 1 << 20;

/// The keys that can verify tokens.
#[derive(Debug)]
pub(super) struct KeySet(Vec<Key>);

/// A key. Its type fixes the one algorithm that it is used with.
#[derive(Debug)]
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    public: DecodingKey,
}

/// Why a key set cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeySetError {
    #[error("it is larger than 1 MiB")]
    TooLarge,
    #[error("it is not a JSON Web Key Set: {0}")]
    NotJson(serde_json::Error),
    #[error(
        "none of its keys is an RSA key from 2,048 to 8,192 bits, a P-256 key or an Ed25519 key for signatures"
    )]
    NoKeys,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// The keys of a document. Keys of other types and for other purposes are left out.
    pub(super) fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        if document.len() > MAX_JWKS {
            return Err(KeySetError::TooLarge);
        }
        let document: Document = serde_json::from_slice(document).map_err(KeySetError::NotJson)?;
        let keys: Vec<_> = document.keys.into_iter().filter_map(Key::read).collect();
        if keys.is_empty() { Err(KeySetError::NoKeys) } else { Ok(Self(keys)) }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The key of a token: the one that its `kid` names, or without it the only key for its algorithm.
    pub(super) fn select(&self, id: Option<&str>, algorithm: Algorithm) -> Result<&DecodingKey, Refusal> {
        let mut known = false;
        let mut fitting = self.0.iter().filter(|key| {
            let named = id.is_none_or(|id| key.id.as_deref() == Some(id));
            known |= named;
            named && key.algorithm == algorithm
        });
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(&key.public),
            (Some(_), Some(_)) => Err(Refusal::AmbiguousKey),
            (None, _) if known && id.is_some() => Err(Refusal::AlgorithmOfAnotherKey),
            (None, _) => Err(Refusal::UnknownKey),
        }
    }
}

impl Key {
    fn read(value: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let (algorithm, named) = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                (Algorithm::ES256, KeyAlgorithm::ES256)
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
            }
            _ => return None,
        };
        let common = jwk.common.clone();
        let is_for_signatures = common.public_key_use.is_none_or(|of| of == PublicKeyUse::Signature)
            && common.key_operations.is_none_or(|all| all.contains(&KeyOperations::Verify))
            && common.key_algorithm.is_none_or(|algorithm| algorithm == named);
        let public = DecodingKey::from_jwk(&jwk).ok()?;
        let has_its_size = match public.kind() {
            // ring checks the exact number of bits.
            DecodingKeyKind::RsaModulusExponent { n, .. } => (256..=1024).contains(&n.len()),
            DecodingKeyKind::SecretOrDer(point) => {
                point.len() == if algorithm == Algorithm::ES256 { 65 } else { 32 }
            }
        };
        (is_for_signatures && has_its_size).then_some(Self { id: common.key_id, algorithm, public })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const ED: &str = r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#;
    const EC: &str = r#""kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM""#;

    fn set(keys: &[String]) -> Result<KeySet, KeySetError> {
        KeySet::parse(format!("{{\"keys\":[{}]}}", keys.join(",")).as_bytes())
    }

    #[rstest]
    #[case::for_encryption(r#""use":"enc""#)]
    #[case::for_signing(r#""key_ops":["sign"]"#)]
    #[case::of_another_algorithm(r#""alg":"RS256""#)]
    #[case::of_an_unknown_algorithm(r#""alg":"X""#)]
    fn a_key_for_another_purpose_is_left_out(#[case] purpose: &str) {
        let other = format!("{{{ED},\"kid\":\"a\",{purpose}}}");
        assert!(matches!(set(std::slice::from_ref(&other)), Err(KeySetError::NoKeys)));
        let keys = set(&[other, format!("{{{EC},\"kid\":\"b\"}}")]).unwrap();
        assert_eq!(keys.len(), 1);
    }

    #[rstest]
    #[case::a_shared_secret(r#"{"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0"}"#)]
    #[case::another_curve(r#"{"kty":"EC","crv":"P-384","x":"AAAA","y":"AAAA"}"#)]
    #[case::a_short_point(r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#)]
    #[case::a_small_modulus(r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#)]
    #[case::an_unknown_type(r#"{"kty":"AKP","alg":"ML-DSA-44"}"#)]
    #[case::no_key("1")]
    fn an_unusable_key_is_left_out(#[case] key: &str) {
        assert!(matches!(set(&[key.to_owned()]), Err(KeySetError::NoKeys)));
        assert_eq!(set(&[key.to_owned(), format!("{{{ED}}}")]).unwrap().len(), 1);
    }

    #[test]
    fn a_document_that_is_no_key_set_or_too_large_is_refused() {
        for document in ["", "{}", "[]", "{\"keys\":1}", "<html>"] {
            assert!(matches!(KeySet::parse(document.as_bytes()), Err(KeySetError::NotJson(_))), "{document}");
        }
        let padding = " ".repeat(MAX_JWKS);
        assert!(matches!(
            KeySet::parse(format!("{{\"keys\":[]}}{padding}").as_bytes()),
            Err(KeySetError::TooLarge)
        ));
    }

    #[test]
    fn a_key_is_selected_by_its_id_or_by_its_algorithm_if_that_is_unambiguous() {
        let (a, b) = (format!("{{{ED},\"kid\":\"a\"}}"), format!("{{{EC},\"kid\":\"b\"}}"));
        let keys = set(&[a.clone(), b.clone()]).unwrap();
        let selected = |keys: &KeySet, id, algorithm, at: usize| {
            std::ptr::eq(keys.select(id, algorithm).unwrap(), &raw const keys.0[at].public)
        };
        assert!(selected(&keys, Some("a"), Algorithm::EdDSA, 0));
        assert!(selected(&keys, None, Algorithm::ES256, 1));
        let refusal = |keys: &KeySet, id, algorithm| keys.select(id, algorithm).unwrap_err();
        assert_eq!(refusal(&keys, Some("c"), Algorithm::EdDSA), Refusal::UnknownKey);
        assert_eq!(refusal(&keys, Some("a"), Algorithm::ES256), Refusal::AlgorithmOfAnotherKey);
        assert_eq!(refusal(&keys, None, Algorithm::RS256), Refusal::UnknownKey);
        let two = set(&[a.clone(), format!("{{{ED}}}")]).unwrap();
        assert_eq!(refusal(&two, None, Algorithm::EdDSA), Refusal::AmbiguousKey);
        assert!(selected(&two, Some("a"), Algorithm::EdDSA, 0), "a key without an id has no id of a token");
        let same = set(&[a.clone(), a]).unwrap();
        assert_eq!(refusal(&same, Some("a"), Algorithm::EdDSA), Refusal::AmbiguousKey);
    }
}
