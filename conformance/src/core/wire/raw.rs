//! Raw messages and requests as bytes, through tonic.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, Method, Uri};
use http_body::Frame;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::Service;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Status};

use super::failure::{failure_of, named};
use super::{Connection, Ledger, Record};
use crate::core::{Failure, RawCalls, RawMessages, RawRequest, RawResponse, StatusCode};

#[async_trait]
impl RawCalls for Connection {
    async fn call(
        &self,
        path: &'static str,
        message: Bytes,
        deadline: Option<Duration>,
    ) -> Result<RawMessages, Failure> {
        let tracked = self.track(path, &message);
        let mut request = self.request(stream::iter([message]));
        if let Some(deadline) = deadline {
            request.set_timeout(deadline);
        }
        let mut grpc = Grpc::new(self.channel()).max_decoding_message_size(usize::MAX);
        grpc.ready().await.map_err(|error| unavailable(path, &error))?;
        // A deadline beyond the range of an Instant never passes.
        let ends = deadline.and_then(|deadline| Instant::now().checked_add(deadline));
        let response = grpc.streaming(request, PathAndQuery::from_static(path), RawCodec).await;
        let response = response.map_err(|status| with_deadline(failure_of(path, &status), ends));
        if let (Some(tracked), Err(failure)) = (&tracked, &response) {
            tracked.completed(Some(failure));
        }
        let messages = response?.into_inner();
        Ok(messages
            .map(move |message| {
                let message = message.map_err(|status| with_deadline(failure_of(path, &status), ends));
                if let Some(tracked) = &tracked {
                    tracked.completed(message.as_ref().err());
                }
                message
            })
            .boxed())
    }

    async fn send(&self, request: RawRequest) -> Result<RawResponse, Failure> {
        let path = request.path;
        let ends = request.deadline.and_then(|deadline| Instant::now().checked_add(deadline));
        let tracked = framed(&request.body).and_then(|message| self.track(request.path, &message));
        // A tonic request provides the credentials, and encodes the deadline as gRPC does.
        let mut template = self.request(());
        if let Some(deadline) = request.deadline {
            template.set_timeout(deadline);
        }
        let mut http =
            http::Request::new(Body::new(Chunks { left: request.body.into(), ends: request.ends }));
        *http.method_mut() = Method::from_bytes(request.method.as_bytes()).unwrap_or_default();
        *http.uri_mut() = Uri::from_static(request.path);
        *http.headers_mut() = template.into_parts().0.into_headers();
        http.headers_mut().insert("te", HeaderValue::from_static("trailers"));
        if let Some(content_type) = request.content_type {
            http.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
        }
        if let Some(encoding) = request.encoding {
            http.headers_mut().insert("grpc-encoding", HeaderValue::from_static(encoding));
        }
        let mut channel = self.channel();
        poll_fn(|cx| channel.poll_ready(cx)).await.map_err(|error| unavailable(path, &error))?;
        let response = channel.call(http).await;
        let response = response
            .map_err(|error| with_deadline(failure_of(path, &Status::from_error(Box::new(error))), ends))?;
        let (head, body) = response.into_parts();
        let (mut body, mut read, mut status) = (pin!(body), BytesMut::new(), grpc_status(&head.headers));
        while let Some(frame) = poll_fn(|cx| http_body::Body::poll_frame(body.as_mut(), cx)).await {
            let frame = frame.map_err(|status| with_deadline(failure_of(path, &status), ends))?;
            status = status.or_else(|| frame.trailers_ref().and_then(grpc_status));
            if let Some(data) = frame.data_ref() {
                read.put_slice(data);
            }
        }
        let details = status.as_ref().map(|status| Bytes::copy_from_slice(status.details()));
        let accept_encoding = head.headers.get("grpc-accept-encoding").and_then(|value| value.to_str().ok());
        let outcome = status.map(|status| match status.code() {
            Code::Ok => Ok(()),
            _ => Err(with_deadline(failure_of(path, &status), ends)),
        });
        if let (Some(tracked), Some(outcome)) = (&tracked, &outcome) {
            tracked.completed(outcome.as_ref().err());
        }
        Ok(RawResponse {
            http_status: head.status.as_u16(),
            outcome,
            details: details.unwrap_or_default(),
            accept_encoding: accept_encoding.map(str::to_owned),
            body: read.freeze(),
        })
    }
}

/// The first message of a request's body, without its prefix; `None`: incomplete.
fn framed(body: &[Bytes]) -> Option<Bytes> {
    let mut body = Bytes::from(body.concat());
    let (_compressed, length) = (body.try_get_u8().ok()?, body.try_get_u32().ok()?);
    let length = usize::try_from(length).ok()?;
    (body.len() >= length).then(|| body.split_to(length))
}

/// The gRPC status in headers or trailers; `None` without `grpc-status`, where tonic would infer one.
fn grpc_status(headers: &HeaderMap) -> Option<Status> {
    headers.get("grpc-status").and_then(|_| Status::from_header_map(headers))
}

/// The failure of a call that no connection could take.
fn unavailable(path: &str, error: &tonic::transport::Error) -> Failure {
    Failure::new(StatusCode::Unavailable, named(path, &error.to_string()))
}

/// A request body of chunks.
struct Chunks {
    left: VecDeque<Bytes>,
    ends: bool,
}

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match self.left.pop_front() {
            Some(chunk) => Poll::Ready(Some(Ok(Frame::data(chunk)))),
            None if self.ends => Poll::Ready(None),
            // No waker is kept: this request ends when it is dropped.
            None => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ends && self.left.is_empty()
    }
}

/// A write that is tracked in a ledger.
pub(crate) struct TrackedWrite {
    ledger: Arc<Ledger>,
    records: Vec<Record>,
}

impl TrackedWrite {
    /// Records the outcome of the call.
    pub(crate) fn completed(&self, failure: Option<&Failure>) {
        for Record { namespace, id } in &self.records {
            self.ledger.completed(namespace, id, failure);
        }
    }
}

impl Connection {
    /// Tracks a message if it is a write. Bytes that cannot be decoded as a write cannot be applied either.
    fn track(&self, path: &str, message: &Bytes) -> Option<TrackedWrite> {
        let ledger = self.ledger()?;
        let records = ledger.track_message(path, message);
        Some(TrackedWrite { ledger: Arc::clone(ledger), records })
    }

    /// Tracks a write of these records before it is sent.
    pub(crate) fn track_all(&self, records: Vec<Record>) -> Option<TrackedWrite> {
        let ledger = self.ledger()?;
        for Record { namespace, id } in &records {
            ledger.track(namespace, id);
        }
        Some(TrackedWrite { ledger: Arc::clone(ledger), records })
    }
}

/// Applies the client-side deadline: once it has passed, the status is DEADLINE_EXCEEDED, although the server's transport
/// reports CANCELLED.
fn with_deadline(failure: Failure, ends: Option<Instant>) -> Failure {
    if failure.code == StatusCode::Cancelled && ends.is_some_and(|ends| ends <= Instant::now()) {
        return Failure::new(StatusCode::DeadlineExceeded, "the deadline passed before the server answered");
    }
    failure
}

/// A codec that passes messages through as bytes.
#[derive(Debug, Clone, Copy)]
struct RawCodec;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
        dst.put(item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(src.copy_to_bytes(src.remaining())))
    }
}
