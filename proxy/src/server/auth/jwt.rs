//! JWTs: signature, issuer, audience and time.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use prism_contract::Timestamp;
use serde::Deserialize;

use super::jwks::{Jwks, JwksError};
use super::keys::KeySet;
use super::signature::{self, ALGORITHMS};
use crate::config::JwtIssuer;

/// Maximum length of a token, in bytes.
const MAX_TOKEN: usize = 8 << 10;
/// Maximum length of a subject, in bytes; that of OpenID Connect.
const MAX_SUBJECT: usize = 255;

/// Why a token is refused. For the log only: the client learns nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the token is neither a known token nor a JWT")]
    NotAJwt,
    #[error("the JWT is longer than 8 KiB")]
    TooLong,
    #[error("the JWT is malformed, or its alg is not known")]
    Malformed,
    #[error("the alg of the JWT is not RS256, ES256 or EdDSA")]
    Algorithm,
    #[error("the issuer of the JWT is not one of auth.jwt")]
    Issuer,
    #[error("the keys of the JWT's issuer have not been loaded")]
    NoKeys,
    #[error("no key of the issuer has the JWT's kid, or its alg if it has no kid")]
    UnknownKey,
    #[error("several keys of the issuer fit the JWT")]
    AmbiguousKey,
    #[error("the alg of the JWT is not that of the key with its kid")]
    AlgorithmOfAnotherKey,
    #[error("the signature of the JWT is not valid")]
    Signature,
    #[error("the JWT lacks one of the claims iss, aud, exp and sub")]
    MissingClaim,
    #[error("the audience of the JWT is another one")]
    Audience,
    #[error("the JWT has expired")]
    Expired,
    #[error("the JWT is not valid yet")]
    NotYetValid,
    #[error("the subject of the JWT is empty, longer than 255 bytes or holds control characters")]
    Subject,
}

/// An issuer and its keys.
#[derive(Debug)]
pub(super) struct Issuer {
    pub(super) name: String,
    audience: String,
    leeway: Duration,
    pub(super) jwks: Jwks,
}

/// A token whose signature and audience are valid. Its time is checked at each call.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) subject: String,
    expires: f64,
    begins: Option<f64>,
    /// The keys of which one verified it.
    keys: Arc<KeySet>,
}

/// The claims that are not checked by the crate.
#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    exp: Option<f64>,
    nbf: Option<f64>,
}

#[derive(Deserialize)]
struct Origin {
    iss: Option<String>,
}

impl Issuer {
    /// An issuer whose keys are kept up to date until it is dropped.
    pub(super) fn new(issuer: &JwtIssuer) -> Result<Self, JwksError> {
        signature::install();
        Ok(Self {
            name: issuer.issuer.clone(),
            audience: issuer.audience.clone(),
            leeway: issuer.leeway,
            jwks: Jwks::start(&issuer.issuer, issuer.jwks.clone())?,
        })
    }

    /// The position of the issuer that a token claims to be of. Nothing is verified yet.
    pub(super) fn of(issuers: &[Self], token: &str) -> Result<usize, Refusal> {
        if token.len() > MAX_TOKEN {
            return Err(Refusal::TooLong);
        }
        if issuers.is_empty() || token.bytes().filter(|byte| *byte == b'.').count() != 2 {
            return Err(Refusal::NotAJwt);
        }
        let origin: Origin = insecure_decode_claims(token).map_err(|_| Refusal::Malformed)?;
        let name = origin.iss.ok_or(Refusal::MissingClaim)?;
        issuers.iter().position(|issuer| issuer.name == name).ok_or(Refusal::Issuer)
    }

    /// Verifies all of a token of this issuer but its time.
    pub(super) fn verify(&self, token: &str) -> Result<Verified, Refusal> {
        let header = decode_header(token).map_err(|_| Refusal::Malformed)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(Refusal::Algorithm);
        }
        let keys = self.jwks.keys().ok_or(Refusal::NoKeys)?;
        let key = keys.select(header.kid.as_deref(), header.alg)?;
        let mut validation = Validation::new(header.alg);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        validation.set_issuer(&[&self.name]);
        validation.set_audience(&[&self.audience]);
        // The crate reads the machine's clock; the server has another in tests.
        validation.validate_exp = false;
        let claims = decode::<Claims>(token, key, &validation).map_err(|error| refusal(error.kind()))?.claims;
        let (Some(subject), Some(expires)) = (claims.sub, claims.exp) else {
            return Err(Refusal::MissingClaim);
        };
        if !(1..=MAX_SUBJECT).contains(&subject.len()) || subject.contains(char::is_control) {
            return Err(Refusal::Subject);
        }
        Ok(Verified { subject, expires, begins: claims.nbf, keys })
    }

    /// Whether a token would be verified again: its issuer still has the same keys.
    pub(super) fn still_verifies(&self, verified: &Verified) -> bool {
        self.jwks.keys().is_some_and(|keys| Arc::ptr_eq(&keys, &verified.keys))
    }

    /// Checks `exp` and `nbf`.
    pub(super) fn check_time(&self, verified: &Verified, now: Timestamp) -> Result<(), Refusal> {
        #[expect(clippy::cast_precision_loss, reason = "exact for the microseconds of the next 200 years")]
        let now = now.as_micros() as f64 / 1e6;
        let leeway = self.leeway.as_secs_f64();
        if now >= verified.expires + leeway {
            return Err(Refusal::Expired);
        }
        match verified.begins {
            Some(begins) if now < begins - leeway => Err(Refusal::NotYetValid),
            Some(_) | None => Ok(()),
        }
    }
}

fn refusal(error: &ErrorKind) -> Refusal {
    match error {
        ErrorKind::InvalidSignature => Refusal::Signature,
        ErrorKind::InvalidAudience => Refusal::Audience,
        ErrorKind::InvalidIssuer => Refusal::Issuer,
        ErrorKind::InvalidAlgorithm => Refusal::Algorithm,
        ErrorKind::MissingRequiredClaim(_) => Refusal::MissingClaim,
        // Not decodable, or a claim of the wrong type.
        _ => Refusal::Malformed,
    }
}
