//! gRPC below the five operations: messages as bytes, right or wrong, for what a [`Store`](crate::Store) cannot say.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::Failure;

/// The messages of an answer, each as its bytes; the last may be a failure.
pub type RawMessages = BoxStream<'static, Result<Bytes, Failure>>;

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
}
