//! Raw gRPC calls, below the methods of an abstraction: messages as bytes, valid or not, that its store cannot express.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use super::Failure;

/// The messages of a response as bytes; the last may be a failure.
pub type RawMessages = BoxStream<'static, Result<Bytes, Failure>>;

/// An HTTP/2 request, sent unmodified except for the connection's credentials.
#[derive(Debug, Clone)]
pub struct RawRequest {
    /// The method; POST for a gRPC call.
    pub method: &'static str,
    /// The path, such as `/grpc.health.v1.Health/Check`.
    pub path: &'static str,
    /// The content type; `application/grpc` for a gRPC call. `None`: no header.
    pub content_type: Option<&'static str>,
    /// The compression in `grpc-encoding`; `None`: no header.
    pub encoding: Option<&'static str>,
    /// The deadline in `grpc-timeout`.
    pub deadline: Option<Duration>,
    /// The body, chunk by chunk. Each message has a prefix of five bytes: a flag and the message's length.
    pub body: Vec<Bytes>,
    /// Whether the body ends there. If not, it stays open until the response arrives or the call is cancelled.
    pub ends: bool,
}

/// An HTTP/2 response.
#[derive(Debug, Clone)]
pub struct RawResponse {
    /// The HTTP status; 200 for every gRPC response, whatever its gRPC status.
    pub http_status: u16,
    /// The outcome of the call, if the response is gRPC.
    pub outcome: Option<Result<(), Failure>>,
    /// The encoded `google.rpc.Status` of the trailer `grpc-status-details-bin`; empty: there was none.
    pub details: Bytes,
    /// The header `grpc-accept-encoding`.
    pub accept_encoding: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// Calls to any method of a server with any bytes.
#[async_trait]
pub trait RawCalls: Send + Sync {
    /// Calls `path`, such as `/grpc.health.v1.Health/Check`, with one message. `deadline` is sent to the server; dropping
    /// the messages cancels the call.
    async fn call(
        &self,
        path: &'static str,
        message: Bytes,
        deadline: Option<Duration>,
    ) -> Result<RawMessages, Failure>;

    /// Sends `request` and reads the whole response. Dropping the future resets the request.
    ///
    /// # Errors
    /// If no response arrived.
    async fn send(&self, request: RawRequest) -> Result<RawResponse, Failure>;
}
