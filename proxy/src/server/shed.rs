//! Load shedding: gives each call its admission to a slot, and refuses calls of a connection with too many open streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{Either, Ready, ready};
use http::{Request, Response};
use prism_contract::Error;
use prism_wire::slots::Slots;
use prism_wire::status::status;
use tonic::body::Body;
use tower::Service;
use tower::layer::{LayerFn, layer_fn};

use super::call::Call;

/// Retry delay sent to a refused client.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Limits the calls being executed ([`Slots`]), except health and reflection, which must work on a busy server; and the open
/// streams of a connection.
/// Calls that are refused for a connection's open streams are counted in `refused`.
pub(super) fn layer<S>(
    slots: &Slots,
    refused: &Arc<AtomicU64>,
) -> LayerFn<impl Fn(S) -> Shed<S> + Clone + use<S>> {
    let (slots, refused) = (slots.clone(), Arc::clone(refused));
    layer_fn(move |inner| Shed { slots: slots.clone(), refused: Arc::clone(&refused), inner })
}

#[derive(Clone)]
pub(super) struct Shed<S> {
    slots: Slots,
    refused: Arc<AtomicU64>,
    inner: S,
}

impl<S> Service<Request<Body>> for Shed<S>
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
        let call = Call::of(&request);
        if call.connection().is_some_and(|connection| connection.streams.are_too_many()) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Either::Left(ready(Ok(status(&Error::ResourceExhausted(RETRY_AFTER)).into_http())));
        }
        if call.method().is_some() {
            let admission = match call.caller() {
                Some(name) => self.slots.admission(name),
                None => self.slots.admission(call.peer().map(|peer| peer.ip())),
            };
            request.extensions_mut().insert(admission);
        }
        Either::Right(self.inner.call(request))
    }
}
