//! Catches panics: a call whose handler panics fails with INTERNAL, and the server keeps running (ERR-3).

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use prism_contract::Error;
use prism_wire::status::status;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

/// Catches panics of a service and of its response bodies.
#[derive(Debug, Clone)]
pub(super) struct Panics<S>(pub(super) S);

impl<S> Service<Request<Body>> for Panics<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // Unwind safe: the state of a panicked call is not used again.
        let answer = AssertUnwindSafe(self.0.call(request)).catch_unwind();
        Box::pin(async move {
            match answer.await {
                Ok(answer) => answer.map(|response| response.map(|body| Body::new(Caught(Some(body))))),
                Err(_) => Ok(bug().into_http()),
            }
        })
    }
}

/// The panic itself was logged by the panic hook, with its location.
fn bug() -> Status {
    status(&Error::internal("a handler panicked"))
}

/// A body that ends with INTERNAL if it panics.
struct Caught(Option<Body>);

impl http_body::Body for Caught {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx)));
        polled.unwrap_or_else(|_| {
            self.0 = None;
            Poll::Ready(Some(Ok(trailers(&bug()))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

/// The last frame of a response that failed after it began.
pub(super) fn trailers(status: &Status) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        trailers.insert(
            "grpc-status",
            tonic::Code::Internal.to_string().parse().unwrap_or(http::HeaderValue::from_static("13")),
        );
    }
    Frame::trailers(trailers)
}
