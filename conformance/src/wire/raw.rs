//! Messages as bytes, through tonic.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::{Buf, BufMut, Bytes};
use futures::{StreamExt, stream};
use tonic::Status;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;

use super::Connection;
use super::failure::failure;
use crate::{Failure, RawCalls, RawMessages, StatusCode};

#[async_trait]
impl RawCalls for Connection {
    async fn call(
        &self,
        path: &'static str,
        message: Bytes,
        deadline: Option<Duration>,
    ) -> Result<RawMessages, Failure> {
        let mut request = self.request(stream::iter([message]));
        if let Some(deadline) = deadline {
            request.set_timeout(deadline);
        }
        let mut grpc = Grpc::new(self.channel()).max_decoding_message_size(usize::MAX);
        grpc.ready().await.map_err(|error| Failure::new(StatusCode::Unavailable, error.to_string()))?;
        // A deadline too far away to be a moment never passes.
        let ends = deadline.and_then(|deadline| Instant::now().checked_add(deadline));
        let answer = grpc.streaming(request, PathAndQuery::from_static(path), Plain).await;
        let messages = answer.map_err(|status| by_the_clock(failure(&status), ends))?.into_inner();
        Ok(messages
            .map(move |message| message.map_err(|status| by_the_clock(failure(&status), ends)))
            .boxed())
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
