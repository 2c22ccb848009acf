//! The callers of a server: static tokens, issuers of JWTs, and grants.

use std::borrow::Cow;
use std::sync::Arc;

use prism_contract::Timestamp;

use super::access::{Access, Rights};
use super::grants::Grants;
use super::jwks::{Jwks, JwksError};
use super::jwt::{Issuer, Refusal};
use super::verified::{KnownJwt, VerifiedTokens};
use crate::config::{Auth, Digest, JwtIssuer, Token};

/// The callers of a server. Clones share the state; the last one stops the loading of keys.
#[derive(Debug, Clone, Default)]
pub struct AuthState(Arc<State>);

#[derive(Debug, Default)]
struct State {
    tokens: Vec<Known>,
    issuers: Vec<Issuer>,
    verified: VerifiedTokens,
    grants: Grants,
    /// Whether names of certificates are callers.
    has_grants: bool,
}

/// A static token.
#[derive(Debug)]
struct Known {
    name: String,
    digest: Digest,
    rights: Rights,
}

/// Why callers cannot be known as configured.
#[derive(Debug, thiserror::Error)]
#[error("auth.jwt: the keys of {issuer}: {why}")]
pub struct AuthError {
    issuer: String,
    why: String,
}

/// A caller: its name for the log, and its rights.
pub(super) struct Caller<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) rights: Rights,
}

/// The credentials of a call.
pub(super) enum Credentials<'a> {
    /// A bearer token, which decides even if there is a certificate.
    Bearer(&'a str),
    /// The names of a certificate.
    Certificate(&'a [String]),
    /// An `authorization` header that holds no bearer token, or no credentials at all.
    None,
}

/// A token that was refused, and the keys that may make it valid once they are loaded again.
pub(super) struct Refused<'a> {
    pub(super) why: Option<Refusal>,
    pub(super) outdated: Option<&'a Jwks>,
}

impl AuthState {
    /// The callers of a configuration. Key sets in files are read here, those at URLs in the background; it must be called
    /// within a tokio runtime.
    pub fn new(auth: &Auth) -> Result<Self, AuthError> {
        if auth.is_open() {
            return Ok(Self::default());
        }
        let issuer = |jwt: &JwtIssuer| {
            let failed = |why: JwksError| AuthError { issuer: jwt.issuer.clone(), why: why.to_string() };
            Issuer::new(jwt).map_err(failed)
        };
        Ok(Self(Arc::new(State {
            tokens: auth.tokens.iter().map(Known::new).collect(),
            issuers: auth.jwt.iter().map(issuer).collect::<Result<_, _>>()?,
            verified: VerifiedTokens::default(),
            grants: Grants::new(&auth.grants),
            has_grants: !auth.grants.is_empty(),
        })))
    }

    /// Whether every client may do everything.
    pub fn is_open(&self) -> bool {
        self.0.tokens.is_empty() && self.0.issuers.is_empty() && !self.0.has_grants
    }

    /// Takes over keys of a predecessor that are still to be fetched here, so that no token is refused meanwhile.
    pub(crate) fn begin_with(&self, predecessor: &Self) {
        for issuer in &self.0.issuers {
            if let Some(before) = predecessor.0.issuers.iter().find(|before| before.name == issuer.name) {
                issuer.jwks.begin_with(&before.jwks);
            }
        }
    }

    /// The caller with these credentials.
    pub(super) fn caller(
        &self,
        credentials: &Credentials<'_>,
        now: Timestamp,
    ) -> Result<Caller<'_>, Refused<'_>> {
        match *credentials {
            Credentials::Bearer(token) => self.of_token(token, now),
            Credentials::Certificate(names) => {
                self.of_certificate(names).ok_or(Refused { why: None, outdated: None })
            }
            Credentials::None => Err(Refused { why: None, outdated: None }),
        }
    }

    /// The caller of a static token or of a JWT.
    fn of_token(&self, token: &str, now: Timestamp) -> Result<Caller<'_>, Refused<'_>> {
        let digest = Digest::of(token.as_bytes());
        // Compared with every token, so the time does not reveal which one matched.
        let known = self
            .0
            .tokens
            .iter()
            .fold(None, |found, known| if known.digest == digest { Some(known) } else { found });
        if let Some(known) = known {
            return Ok(Caller { name: known.name.as_str().into(), rights: known.rights.clone() });
        }
        let jwt = self.of_jwt(token, digest.bytes(), now)?;
        Ok(Caller { name: jwt.name.clone().into(), rights: jwt.rights.clone() })
    }

    fn of_jwt(&self, token: &str, digest: &[u8; 32], now: Timestamp) -> Result<Arc<KnownJwt>, Refused<'_>> {
        let State { issuers, grants, verified, .. } = &*self.0;
        let refused = |why| Refused { why: Some(why), outdated: None };
        if let Some(jwt) = verified.get(digest) {
            let issuer = &issuers[jwt.issuer];
            if issuer.still_verifies(&jwt.verified) {
                return issuer.check_time(&jwt.verified, now).map(|()| jwt).map_err(refused);
            }
        }
        let at = Issuer::of(issuers, token).map_err(refused)?;
        let issuer = &issuers[at];
        let jwt = issuer.verify(token).map_err(|why| Refused {
            why: Some(why),
            outdated: matches!(why, Refusal::UnknownKey | Refusal::NoKeys).then_some(&issuer.jwks),
        })?;
        issuer.check_time(&jwt, now).map_err(refused)?;
        let jwt = Arc::new(KnownJwt {
            // An issuer holds no `#`, so no other pair has this name.
            name: format!("jwt:{}#{}", issuer.name, jwt.subject),
            rights: grants.of_subject(&issuer.name, &jwt.subject),
            issuer: at,
            verified: jwt,
        });
        verified.insert(*digest, Arc::clone(&jwt));
        Ok(jwt)
    }

    /// The first name with a grant, or else the first name.
    fn of_certificate(&self, names: &[String]) -> Option<Caller<'static>> {
        if !self.0.has_grants {
            return None;
        }
        let caller =
            |name: &String| Caller { name: name.clone().into(), rights: self.0.grants.of_certificate(name) };
        let granted = names.iter().map(caller).find(|caller| !caller.rights.is_empty());
        granted.or_else(|| names.first().map(caller))
    }
}

impl From<Vec<Token>> for AuthState {
    fn from(tokens: Vec<Token>) -> Self {
        Self(Arc::new(State { tokens: tokens.iter().map(Known::new).collect(), ..State::default() }))
    }
}

impl Known {
    fn new(token: &Token) -> Self {
        let mut access = Access::default();
        access.add(&token.permissions, token.namespaces.as_deref());
        let rights = [Arc::new(access)].into_iter().collect();
        Self { name: token.name.clone(), digest: token.digest.clone(), rights }
    }
}
