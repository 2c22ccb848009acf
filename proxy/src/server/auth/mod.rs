//! Authorization: finds the caller of each call, and checks the permissions that the schema requires of the method, and the
//! namespace.
//!
//! `state` is the callers: static tokens, JWTs (`jwt`, with the keys of `jwks`) and names of client certificates
//! (`certificate`). `grants` has the permissions of the latter two, and `access` decides.

mod access;
pub(super) mod certificate;

mod grants;
mod jwks;
mod jwt;
mod keys;
mod patterns;
mod signature;
mod state;
mod verified;

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, Either, Ready, ready};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};
use prism_contract::Error;
use prism_wire::call::NamespaceGuard;
use prism_wire::clock::Clock;
use prism_wire::status::status;
use tonic::body::Body;
use tower::Service;
use tower::layer::{LayerFn, layer_fn};

use self::access::Rights;
use self::jwks::Jwks;
use self::state::Credentials;
pub use self::state::{AuthError, AuthState};
use super::call::Call;
use super::methods::Method;
use super::reload::Reload;

/// Refuses calls that the current [`AuthState`] does not allow.
pub(super) fn layer<S>(reload: Reload, clock: Arc<dyn Clock>) -> LayerFn<impl Fn(S) -> Authorize<S> + Clone> {
    layer_fn(move |inner| Authorize { reload: reload.clone(), clock: Arc::clone(&clock), inner })
}

#[derive(Clone)]
pub(super) struct Authorize<S> {
    reload: Reload,
    clock: Arc<dyn Clock>,
    inner: S,
}

/// Why a call does not proceed.
enum Stopped<W> {
    Refused(Error),
    /// The key of its token is not known; it may be once this has completed.
    Waits(W),
}

impl<S> Service<Request<Body>> for Authorize<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<
        Either<Ready<Result<Response<Body>, S::Error>>, S::Future>,
        BoxFuture<'static, Result<Response<Body>, S::Error>>,
    >;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let loaded = match self.admit(&mut request, Jwks::reload) {
            Ok(()) => return Either::Left(Either::Right(self.inner.call(request))),
            Err(Stopped::Refused(error)) => {
                return Either::Left(Either::Left(ready(Ok(status(&error).into_http()))));
            }
            Err(Stopped::Waits(loaded)) => loaded,
        };
        // Every layer is always ready.
        let mut this = self.clone();
        Either::Right(Box::pin(async move {
            loaded.await;
            match this.admit(&mut request, |_| None::<()>) {
                Ok(()) => this.inner.call(request).await,
                Err(Stopped::Refused(error)) => Ok(status(&error).into_http()),
                Err(Stopped::Waits(())) => Ok(status(&Error::Unauthenticated).into_http()),
            }
        }))
    }
}

impl<S> Authorize<S> {
    /// Admits a call. `reload` loads the keys of an issuer again, unless it is too soon.
    fn admit<W>(
        &self,
        request: &mut Request<Body>,
        reload: impl Fn(&Jwks) -> Option<W>,
    ) -> Result<(), Stopped<W>> {
        let state = self.reload.auth_state();
        if state.is_open() {
            return Ok(());
        }
        // Health, reflection and unknown methods need no credentials.
        let call = Call::of(request);
        let Some(method) = call.method() else { return Ok(()) };
        if method.options.require_auth == Some(false) {
            return Ok(());
        }
        let caller = match state.caller(&credentials(request.headers(), &call), self.clock.now()) {
            Ok(caller) => caller,
            Err(refused) => {
                if let Some(loaded) = refused.outdated.and_then(&reload) {
                    return Err(Stopped::Waits(loaded));
                }
                if let Some(why) = refused.why {
                    call.set_refusal(why.to_string());
                }
                return Err(Stopped::Refused(Error::Unauthenticated));
            }
        };
        call.set_caller(&caller.name);
        let required = &method.options.required_permissions;
        if let Some(missing) = caller.rights.missing_anywhere(required) {
            return Err(Stopped::Refused(Error::PermissionDenied(missing.clone())));
        }
        if !caller.rights.are_unlimited(required) {
            request.extensions_mut().insert(guard(caller.rights, method));
        }
        Ok(())
    }
}

/// The credentials of a call: those of the `authorization` header if there is one, otherwise the certificate.
fn credentials<'a>(headers: &'a HeaderMap, call: &'a Call) -> Credentials<'a> {
    let Some(header) = headers.get(AUTHORIZATION) else {
        return match call.connection() {
            Some(connection) => Credentials::Certificate(connection.certificate_names()),
            None => Credentials::None,
        };
    };
    match header.to_str().ok().and_then(|header| header.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Credentials::Bearer(token.trim()),
        Some(_) | None => Credentials::None,
    }
}

/// Limits a caller to its namespaces, checked once the request is decoded. It is asked before the backend, and its answer
/// does not depend on whether the namespace exists.
fn guard(rights: Rights, method: &'static Method) -> NamespaceGuard {
    let required = &method.options.required_permissions;
    NamespaceGuard::new(move |namespace| {
        if rights.allow(required, namespace) {
            return Ok(());
        }
        Err(Error::PermissionDenied(format!("{} in this namespace", required.join(" and "))))
    })
}
