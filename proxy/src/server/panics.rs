//! A net under panics: a handler that panics answers INTERNAL, and the server goes on (ERR-3).

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

/// Puts the net under a service and under the bodies that it answers.
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
        // What a panicking call leaves half done is its own: nothing of it is used again.
        let answer = AssertUnwindSafe(self.0.call(request)).catch_unwind();
        Box::pin(async move {
            match answer.await {
                Ok(answer) => answer.map(|response| response.map(|body| Body::new(Caught(Some(body))))),
                Err(_) => Ok(bug().into_http()),
            }
        })
    }
}

/// The panic itself was logged by the panic hook, with the place it happened at.
fn bug() -> Status {
    status(&Error::internal("a handler panicked"))
}

/// A body whose panic ends it with INTERNAL.
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

/// The last frame of an answer that failed after it began.
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
