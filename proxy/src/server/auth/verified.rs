//! Tokens that have been verified, so that a signature is verified once and not for each call.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::access::Rights;
use super::jwt::Verified;

/// Maximum tokens. Beyond it all are forgotten: each is then verified once more.
const MAX: usize = 4_096;

/// A caller whose token was verified.
#[derive(Debug)]
pub(super) struct KnownJwt {
    /// Its name for the log.
    pub(super) name: String,
    pub(super) rights: Rights,
    /// The position of its issuer.
    pub(super) issuer: usize,
    pub(super) verified: Verified,
}

/// Verified tokens by their SHA-256. Refused tokens are not among them, so no stranger can fill it.
#[derive(Debug, Default)]
pub(super) struct VerifiedTokens(RwLock<HashMap<[u8; 32], Arc<KnownJwt>>>);

impl VerifiedTokens {
    pub(super) fn get(&self, digest: &[u8; 32]) -> Option<Arc<KnownJwt>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    pub(super) fn insert(&self, digest: [u8; 32], known: Arc<KnownJwt>) {
        let mut tokens = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= MAX {
            tokens.clear();
        }
        tokens.insert(digest, known);
    }
}
