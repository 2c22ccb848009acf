//! A tower layer that maps the framework's own failures to the contract's table of statuses (ERR-1).
//!
//! Every status made by Prism carries details. One without details comes from the framework: a message that is too large,
//! bytes that are not protobuf, or an unknown method. Those are the client's errors, and are reported as such.

use std::task::{Context, Poll};

use bytes::Bytes;
use futures::TryFutureExt;
use futures::future::MapOk;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body::Frame;
use prism_proto::common::ErrorReason;
use tonic::{Code, Status};
use tower::{Layer, Service};

use crate::MAX_REQUEST_BYTES;
use crate::body::{Filtered, FrameFilter};
use crate::one_message::TRUNCATED;
use crate::status::{framework, other_service};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
/// Sent with UNIMPLEMENTED for a request in an unsupported compression.
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// A body whose trailers follow the table.
pub type Normalized<B> = Filtered<B, NormalizeTrailers>;

/// Wraps a service in [`Statuses`].
#[derive(Debug, Clone, Copy, Default)]
pub struct StatusesLayer;

impl<S> Layer<S> for StatusesLayer {
    type Service = Statuses<S>;

    fn layer(&self, inner: S) -> Statuses<S> {
        Statuses(inner)
    }
}

/// A service whose every failure follows the table.
#[derive(Debug, Clone)]
pub struct Statuses<S>(S);

impl<S, I, O> Service<Request<I>> for Statuses<S>
where
    S: Service<Request<I>, Response = Response<O>>,
{
    type Response = Response<Normalized<O>>;
    type Error = S::Error;
    type Future = MapOk<S::Future, fn(Response<O>) -> Response<Normalized<O>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<I>) -> Self::Future {
        self.0.call(request).map_ok(|mut response| {
            // A status in the headers: the request did not reach its handler, or was refused by it.
            normalize(response.headers_mut(), map_request_failure);
            response.map(|body| Filtered::new(body, NormalizeTrailers))
        })
    }
}

/// Makes trailers follow the table.
#[derive(Debug)]
pub struct NormalizeTrailers;

impl<E> FrameFilter<E> for NormalizeTrailers {
    type Error = E;

    fn frame(
        &mut self,
        frame: Option<Result<Frame<Bytes>, E>>,
        _: impl FnOnce() -> bool,
    ) -> Option<Result<Frame<Bytes>, E>> {
        frame.map(|frame| {
            frame.map(|mut frame| {
                if let Some(trailers) = frame.trailers_mut() {
                    normalize(trailers, map_response_failure);
                }
                frame
            })
        })
    }
}

/// Replaces a failure without details; leaves other headers unchanged.
fn normalize(headers: &mut HeaderMap, table: fn(&Status, &HeaderMap) -> Status) {
    // Most calls succeed, and decoding a whole status costs more than everything else here.
    if headers.get(&STATUS).is_none_or(|code| code == "0") || headers.contains_key(&DETAILS) {
        return;
    }
    let Some(status) = Status::from_header_map(headers).filter(|status| status.code() != Code::Ok) else {
        return;
    };
    let status = table(&status, headers);
    if let Err(status) = status.add_header(headers) {
        // Only a byte that is illegal in headers could cause this, and add_header escapes those.
        debug_assert!(false, "a status that is not a header: {status}");
    }
}

/// Maps a failure before or instead of a response.
fn map_request_failure(status: &Status, headers: &HeaderMap) -> Status {
    match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => framework(
            Code::InvalidArgument,
            ErrorReason::MessageTooLarge,
            format!(
                "the request message is too large; at most {MAX_REQUEST_BYTES} bytes are read, and a write may hold \
                 4194304 bytes of data"
            ),
        ),
        Code::Internal => framework(
            Code::InvalidArgument,
            ErrorReason::MalformedMessage,
            "the request is not one gRPC message in the protobuf encoding of this method's request type",
        ),
        Code::Unimplemented if headers.contains_key(ACCEPT_ENCODING) => framework(
            Code::Unimplemented,
            ErrorReason::UnsupportedEncoding,
            "this server does not support that compression; grpc-accept-encoding lists the supported ones",
        ),
        Code::Unimplemented => framework(
            Code::Unimplemented,
            ErrorReason::MethodNotFound,
            "this server has no such service or method; reflection lists those it has",
        ),
        Code::DeadlineExceeded | Code::Cancelled | Code::Unknown => map_response_failure(status, headers),
        // Nothing was executed, and the client is gone; this status is for the log.
        code if (code, status.message()) == TRUNCATED => cancelled(),
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => other_service(status.code(), status.message().to_owned()),
    }
}

/// Maps a failure after the response began: none of these is the client's error.
fn map_response_failure(status: &Status, _: &HeaderMap) -> Status {
    match status.code() {
        Code::DeadlineExceeded => framework(
            Code::DeadlineExceeded,
            ErrorReason::DeadlineExceeded,
            "the deadline passed before the operation completed",
        ),
        Code::Cancelled => cancelled(),
        Code::OutOfRange | Code::ResourceExhausted | Code::Internal | Code::Unknown => {
            framework(Code::Internal, ErrorReason::Internal, "internal error; the server's log has the cause")
        }
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unimplemented
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => other_service(status.code(), status.message().to_owned()),
    }
}

fn cancelled() -> Status {
    framework(Code::Cancelled, ErrorReason::Cancelled, "call cancelled")
}
