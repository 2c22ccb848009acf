//! gRPC below the methods of an abstraction: messages as bytes, valid or not, for what its store cannot say.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use super::Failure;

/// The messages of an answer, each as its bytes; the last may be a failure.
pub type RawMessages = BoxStream<'static, Result<Bytes, Failure>>;

/// A request of HTTP/2, sent as it is; the connection's credentials are added.
#[derive(Debug, Clone)]
pub struct RawRequest {
    /// The method: a call of gRPC has POST.
    pub method: &'static str,
    /// The path, such as `/grpc.health.v1.Health/Check`.
    pub path: &'static str,
    /// The content type; a call of gRPC has `application/grpc`. `None`: the request has none.
    pub content_type: Option<&'static str>,
    /// What the server is told of the deadline, in `grpc-timeout`.
    pub deadline: Option<Duration>,
    /// The body, chunk by chunk. Before each message stand five bytes: a flag and the message's length.
    pub body: Vec<Bytes>,
    /// Whether the body ends there. If not, nothing more comes until the answer came or the call is given up.
    pub ends: bool,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct RawResponse {
    /// The status of HTTP; 200 for every answer of gRPC, whatever its own status.
    pub http_status: u16,
    /// How the call ended, where the answer is one of gRPC.
    pub outcome: Option<Result<(), Failure>>,
    /// The body.
    pub body: Bytes,
}

/// Calls any method of a server with any bytes.
#[async_trait]
pub trait RawCalls: Send + Sync {
    /// Calls `path`, such as `/grpc.health.v1.Health/Check`, with one message. The server is told `deadline`; dropping the
    /// messages cancels the call.
    async fn call(
        &self,
        path: &'static str,
        message: Bytes,
        deadline: Option<Duration>,
    ) -> Result<RawMessages, Failure>;

    /// Sends `request` and reads the answer to its end. Dropping the future resets the request.
    ///
    /// # Errors
    /// If no answer came.
    async fn send(&self, request: RawRequest) -> Result<RawResponse, Failure>;
}
