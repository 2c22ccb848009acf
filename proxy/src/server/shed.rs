//! Sheds load: more calls in flight than allowed are refused at once, before they cost anything.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use prism_contract::keyvalue::Error;
use prism_wire::status::status;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::methods;

/// What a refused client is told to wait.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// The calls in flight, of which there are at most so many.
#[derive(Clone)]
pub(super) struct InFlight {
    room: Arc<Semaphore>,
    most: usize,
}

impl InFlight {
    pub(super) fn at_most(most: usize) -> Self {
        Self { room: Arc::new(Semaphore::new(most)), most }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.most.saturating_sub(self.room.available_permits())
    }
}

/// Bounds the calls in flight. Health and reflection do not count: they must answer a server that is busy.
#[derive(Clone)]
pub(super) struct ShedLayer(Arc<Semaphore>);

impl ShedLayer {
    pub(super) fn new(calls: &InFlight) -> Self {
        Self(Arc::clone(&calls.room))
    }
}

impl<S> Layer<S> for ShedLayer {
    type Service = Shed<S>;

    fn layer(&self, inner: S) -> Shed<S> {
        Shed { room: Arc::clone(&self.0), inner }
    }
}

#[derive(Clone)]
pub(super) struct Shed<S> {
    room: Arc<Semaphore>,
    inner: S,
}

impl<S> Service<Request<Body>> for Shed<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Some(method) = methods::at(request.uri().path()) else {
            return Box::pin(self.inner.call(request));
        };
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            let refusal = status(&Error::ResourceExhausted(RETRY_AFTER)).into_http();
            return Box::pin(async { Ok(refusal) });
        };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await?;
            // A stream is in flight until it ends. A single answer is done when it is made: what then waits for a slow
            // client is bounded by the connection, and must not keep others from being served.
            Ok(if method.streams {
                response.map(|body| Body::new(Counted { body, _permit: permit }))
            } else {
                response
            })
        })
    }
}

/// A stream that is in flight as long as it is there.
struct Counted {
    body: Body,
    _permit: OwnedSemaphorePermit,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
