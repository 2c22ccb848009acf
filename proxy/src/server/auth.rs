//! Authorization: checks bearer tokens against the permissions that the schema requires of each method, and the namespace.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{Either, Ready, ready};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};
use prism_contract::Error;
use prism_wire::call::NamespaceGuard;
use prism_wire::status::status;
use tonic::body::Body;
use tower::Service;
use tower::layer::{LayerFn, layer_fn};

use super::call::Call;
use crate::config::{Digest, Permission, Token};

/// Refuses calls that the tokens do not allow. Without tokens everything is allowed.
pub(super) fn layer<S>(tokens: Vec<Token>) -> LayerFn<impl Fn(S) -> Auth<S> + Clone> {
    let tokens: Arc<[_]> = tokens.into_iter().map(Arc::new).collect();
    layer_fn(move |inner| Auth { tokens: Arc::clone(&tokens), inner })
}

#[derive(Clone)]
pub(super) struct Auth<S> {
    tokens: Arc<[Arc<Token>]>,
    inner: S,
}

impl<S> Service<Request<Body>> for Auth<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<Ready<Result<Response<Body>, S::Error>>, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.admit(&mut request) {
            Ok(()) => Either::Right(self.inner.call(request)),
            Err(error) => Either::Left(ready(Ok(status(&error).into_http()))),
        }
    }
}

impl<S> Auth<S> {
    fn admit(&self, request: &mut Request<Body>) -> Result<(), Error> {
        if self.tokens.is_empty() {
            return Ok(());
        }
        // Health, reflection and unknown methods need no token.
        let call = Call::of(request);
        let Some(method) = call.method() else { return Ok(()) };
        if !method.options.require_auth {
            return Ok(());
        }
        let token = self.caller(request.headers()).ok_or(Error::Unauthenticated)?;
        call.set_caller(&token.name);
        let lacks = |required: &&String| !holds(token, required);
        if let Some(missing) = method.options.required_permissions.iter().find(lacks) {
            return Err(Error::PermissionDenied(missing.clone()));
        }
        if token.namespaces.is_some() {
            request.extensions_mut().insert(guard(token, &method.options.required_permissions));
        }
        Ok(())
    }

    /// The token of the request. It is compared with every token, so the time does not reveal which one matched.
    fn caller(&self, headers: &HeaderMap) -> Option<&Arc<Token>> {
        let (scheme, secret) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let digest = Digest::of(secret.trim().as_bytes());
        self.tokens.iter().fold(None, |found, token| if token.digest == digest { Some(token) } else { found })
    }
}

fn holds(token: &Token, required: &str) -> bool {
    token.permissions.iter().any(|permission: &Permission| permission.name() == required)
}

/// Limits a token to its namespaces, checked once the request is decoded.
fn guard(token: &Arc<Token>, required: &[String]) -> NamespaceGuard {
    let (token, required) = (Arc::clone(token), required.join(" and "));
    NamespaceGuard::new(move |namespace| {
        let allowed = token.namespaces.iter().flatten().any(|rule| rule.allows(namespace));
        if allowed { Ok(()) } else { Err(Error::PermissionDenied(format!("{required} in this namespace"))) }
    })
}
