//! The system under test: a store as seen by its clients, in this process or behind a socket.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use prism_contract::keyvalue::request::{
    DeleteRequest, DeleteResponse, DescribeRequest, DescribeResponse, GetRequest, GetResponse, PutRequest,
    PutResponse, ScanRequest, ScanResponse,
};

use crate::core::Failure;

/// The five operations, on client requests, valid or not.
#[async_trait]
pub trait Store: Send + Sync {
    /// Writes items.
    async fn put(&self, request: PutRequest) -> Result<PutResponse, Failure>;

    /// Reads a page of a record.
    async fn get(&self, request: GetRequest) -> Result<GetResponse, Failure>;

    /// Removes items.
    async fn delete(&self, request: DeleteRequest) -> Result<DeleteResponse, Failure>;

    /// Reads a stream to its end, or drops it after `messages` messages. A stream that fails midway is a failure.
    async fn scan(&self, request: ScanRequest, messages: Option<usize>)
    -> Result<Vec<ScanResponse>, Failure>;

    /// Reads a stream message by message, on demand; the default reads all of it up front.
    async fn scan_messages(
        &self,
        request: ScanRequest,
    ) -> Result<BoxStream<'static, Result<ScanResponse, Failure>>, Failure> {
        Ok(stream::iter(self.scan(request, None).await?.into_iter().map(Ok)).boxed())
    }

    /// Reads the store's capabilities and limits.
    async fn describe(&self, request: DescribeRequest) -> Result<DescribeResponse, Failure>;

    /// The details of a refusal (an encoded `google.rpc.Status`) as a server over this store sends them: unchanged, but for
    /// the broken servers that test the suite.
    #[doc(hidden)]
    fn sent_details(&self, details: Bytes) -> Bytes {
        details
    }
}

/// A request to a KeyValue store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Write items.
    Put(PutRequest),
    /// Read a page.
    Get(GetRequest),
    /// Delete items.
    Delete(DeleteRequest),
    /// Read a stream, to its end or up to this number of messages.
    Scan(ScanRequest, Option<usize>),
    /// Read the store's capabilities and limits.
    Describe(DescribeRequest),
}

/// The response to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// To a Put.
    Put(PutResponse),
    /// To a Get.
    Get(GetResponse),
    /// To a Delete.
    Delete(DeleteResponse),
    /// To a Scan, message by message.
    Scan(Vec<ScanResponse>),
    /// To a Describe.
    Describe(DescribeResponse),
}
