//! Messages and requests as bytes, through tonic.

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

use super::failure::failure;
use super::{Connection, Ledger};
use crate::core::{Failure, RawCalls, RawMessages, RawRequest, RawResponse, StatusCode};

#[async_trait]
impl RawCalls for Connection {
    async fn call(
        &self,
        path: &'static str,
        message: Bytes,
        deadline: Option<Duration>,
    ) -> Result<RawMessages, Failure> {
        let noted = self.noted(path, &message);
        let mut request = self.request(stream::iter([message]));
        if let Some(deadline) = deadline {
            request.set_timeout(deadline);
        }
        let mut grpc = Grpc::new(self.channel()).max_decoding_message_size(usize::MAX);
        grpc.ready().await.map_err(|error| Failure::new(StatusCode::Unavailable, error.to_string()))?;
        // A deadline too far away to be a moment never passes.
        let ends = deadline.and_then(|deadline| Instant::now().checked_add(deadline));
        let answer = grpc.streaming(request, PathAndQuery::from_static(path), Plain).await;
        let answer = answer.map_err(|status| by_the_clock(failure(&status), ends));
        if let (Some(noted), Err(failure)) = (&noted, &answer) {
            noted.answered(Some(failure));
        }
        let messages = answer?.into_inner();
        Ok(messages
            .map(move |message| {
                let message = message.map_err(|status| by_the_clock(failure(&status), ends));
                if let Some(noted) = &noted {
                    noted.answered(message.as_ref().err());
                }
                message
            })
            .boxed())
    }

    async fn send(&self, request: RawRequest) -> Result<RawResponse, Failure> {
        let away = |error: tonic::transport::Error| Failure::new(StatusCode::Unavailable, error.to_string());
        let ends = request.deadline.and_then(|deadline| Instant::now().checked_add(deadline));
        let noted = framed(&request.body).and_then(|message| self.noted(request.path, &message));
        // A request of tonic's brings the credentials, and writes the deadline as gRPC does.
        let mut own = self.request(());
        if let Some(deadline) = request.deadline {
            own.set_timeout(deadline);
        }
        let mut http =
            http::Request::new(Body::new(Chunks { left: request.body.into(), ends: request.ends }));
        *http.method_mut() = Method::from_bytes(request.method.as_bytes()).unwrap_or_default();
        *http.uri_mut() = Uri::from_static(request.path);
        *http.headers_mut() = own.into_parts().0.into_headers();
        http.headers_mut().insert("te", HeaderValue::from_static("trailers"));
        if let Some(content_type) = request.content_type {
            http.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
        }
        let mut channel = self.channel();
        poll_fn(|cx| channel.poll_ready(cx)).await.map_err(away)?;
        let answer = channel.call(http).await;
        let (head, body) = answer.map_err(|error| by_the_clock(lost(error), ends))?.into_parts();
        let (mut body, mut read, mut said) = (pin!(body), BytesMut::new(), grpc_status(&head.headers));
        while let Some(frame) = poll_fn(|cx| http_body::Body::poll_frame(body.as_mut(), cx)).await {
            let frame = frame.map_err(|status| by_the_clock(failure(&status), ends))?;
            said = said.or_else(|| frame.trailers_ref().and_then(grpc_status));
            if let Some(data) = frame.data_ref() {
                read.put_slice(data);
            }
        }
        let outcome = said.map(|status| match status.code() {
            Code::Ok => Ok(()),
            _ => Err(by_the_clock(failure(&status), ends)),
        });
        if let (Some(noted), Some(outcome)) = (&noted, &outcome) {
            noted.answered(outcome.as_ref().err());
        }
        Ok(RawResponse { http_status: head.status.as_u16(), outcome, body: read.freeze() })
    }
}

/// The first message of a request's body, without its prefix; `None`: it is not whole.
fn framed(body: &[Bytes]) -> Option<Bytes> {
    let mut body = Bytes::from(body.concat());
    let (_compressed, length) = (body.try_get_u8().ok()?, body.try_get_u32().ok()?);
    let length = usize::try_from(length).ok()?;
    (body.len() >= length).then(|| body.split_to(length))
}

/// The status among headers or trailers; a status of the suite's own reading is none.
fn grpc_status(headers: &HeaderMap) -> Option<Status> {
    headers.get("grpc-status").and_then(|_| Status::from_header_map(headers))
}

/// What the transport says of a request that got no answer.
fn lost(error: tonic::transport::Error) -> Failure {
    failure(&Status::from_error(Box::new(error)))
}

/// A request's body of these chunks.
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
            // No waker is kept: what ends this request is that it is dropped.
            None => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ends && self.left.is_empty()
    }
}

/// A write that was sent as bytes and stands in a ledger.
struct Noted {
    ledger: Arc<Ledger>,
    namespace: String,
    id: String,
}

impl Noted {
    fn answered(&self, failure: Option<&Failure>) {
        self.ledger.answered(&self.namespace, &self.id, failure);
    }
}

impl Connection {
    /// Notes a message as a write if it is one. Bytes that no server can read as a write are not applied by one either.
    fn noted(&self, path: &str, message: &Bytes) -> Option<Noted> {
        let ledger = self.ledger()?;
        let (namespace, id) = ledger.sends_message(path, message)?;
        Some(Noted { ledger: Arc::clone(ledger), namespace, id })
    }
}

/// Clients of gRPC keep a call's deadline by their own clock too: once it has passed, that is the status, although
/// the server's transport calls the same thing CANCELLED.
fn by_the_clock(failure: Failure, ends: Option<Instant>) -> Failure {
    if failure.code == StatusCode::Cancelled && ends.is_some_and(|ends| ends <= Instant::now()) {
        return Failure::new(StatusCode::DeadlineExceeded, "the deadline passed before the server answered");
    }
    failure
}

/// A codec that leaves messages as they are.
#[derive(Debug, Clone, Copy)]
struct Plain;

impl Codec for Plain {
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

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
        dst.put(item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(src.copy_to_bytes(src.remaining())))
    }
}
