//! A tower layer that makes the framework's own failures follow the contract's table of statuses (ERR-1).
//!
//! Every status of Prism's own carries details. One that carries none comes from the framework: a message too large, or
//! bytes that are not protobuf, or a method that there is not. Those are the client's mistakes, and this says so.

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
use crate::one_message::BROKEN;
use crate::status::{foreign, framework};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
/// Sent beside the UNIMPLEMENTED of a compressed request that the server does not read.
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// A body whose trailers follow the table.
pub type Normalized<B> = Filtered<B, NormalizeTrailers>;

/// Puts [`Statuses`] around a service.
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
            // A status in the headers: the request never reached its handler, or the handler refused it.
            normalize(response.headers_mut(), of_a_request);
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
                    normalize(trailers, of_an_answer);
                }
                frame
            })
        })
    }
}

/// Replaces a failure without details; leaves all other headers alone.
fn normalize(headers: &mut HeaderMap, table: fn(&Status, &HeaderMap) -> Status) {
    // Most calls succeed, and reading a whole status costs more than all else here.
    if headers.get(&STATUS).is_none_or(|code| code == "0") || headers.contains_key(&DETAILS) {
        return;
    }
    let Some(status) = Status::from_header_map(headers).filter(|status| status.code() != Code::Ok) else {
        return;
    };
    let status = table(&status, headers);
    if let Err(status) = status.add_header(headers) {
        // Only a byte that no header may hold could do this, and add_header escapes those.
        debug_assert!(false, "a status that is no header: {status}");
    }
}

/// What a failure before or instead of an answer means.
fn of_a_request(status: &Status, headers: &HeaderMap) -> Status {
    match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => framework(
            Code::InvalidArgument,
            ErrorReason::MessageTooLarge,
            format!(
                "the request message is too large; at most {MAX_REQUEST_BYTES} bytes are read, and a Put may hold \
                 4194304 bytes of keys and values"
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
            "this server does not read requests in that compression; grpc-accept-encoding lists those it does",
        ),
        Code::Unimplemented => framework(
            Code::Unimplemented,
            ErrorReason::MethodNotFound,
            "this server has no such service or method; reflection lists those it has",
        ),
        Code::DeadlineExceeded | Code::Cancelled | Code::Unknown => of_an_answer(status, headers),
        // Nothing was done, and the client that went away reads no answer; what the log says of the call is this.
        code if (code, status.message()) == BROKEN => given_up(),
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => foreign(status.code(), status.message().to_owned()),
    }
}

/// What a failure after an answer began means: nothing in it is the client's mistake.
fn of_an_answer(status: &Status, _: &HeaderMap) -> Status {
    match status.code() {
        Code::DeadlineExceeded => framework(
            Code::DeadlineExceeded,
            ErrorReason::DeadlineExceeded,
            "the deadline passed before the operation was done",
        ),
        Code::Cancelled => given_up(),
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
        | Code::Unauthenticated => foreign(status.code(), status.message().to_owned()),
    }
}

fn given_up() -> Status {
    framework(Code::Cancelled, ErrorReason::Cancelled, "the call was given up")
}
