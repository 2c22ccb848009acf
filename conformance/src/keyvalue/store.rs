//! What is tested: a store as its clients see it, whether it runs in this process or behind a socket.

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use prism_contract::keyvalue::request::{
    DeleteRequest, DeleteResponse, DescribeRequest, DescribeResponse, GetRequest, GetResponse, PutRequest,
    PutResponse, ScanRequest, ScanResponse,
};

use crate::core::Failure;

/// The five operations, with requests as a client may say them, right or wrong.
#[async_trait]
pub trait Store: Send + Sync {
    /// Writes items.
    async fn put(&self, request: PutRequest) -> Result<PutResponse, Failure>;

    /// Reads a page of a record.
    async fn get(&self, request: GetRequest) -> Result<GetResponse, Failure>;

    /// Removes items.
    async fn delete(&self, request: DeleteRequest) -> Result<DeleteResponse, Failure>;

    /// Reads a stream to its end, or lets go of it after `messages` messages. A stream that fails after some messages is
    /// a failure.
    async fn scan(&self, request: ScanRequest, messages: Option<usize>)
    -> Result<Vec<ScanResponse>, Failure>;

    /// Reads a stream message by message, as its reader asks for them; the default reads all of it beforehand.
    async fn scan_messages(
        &self,
        request: ScanRequest,
    ) -> Result<BoxStream<'static, Result<ScanResponse, Failure>>, Failure> {
        Ok(stream::iter(self.scan(request, None).await?.into_iter().map(Ok)).boxed())
    }

    /// Asks what the store offers.
    async fn describe(&self, request: DescribeRequest) -> Result<DescribeResponse, Failure>;
}

/// A request to a KeyValue store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Items are written.
    Put(PutRequest),
    /// A page is read.
    Get(GetRequest),
    /// Items are removed.
    Delete(DeleteRequest),
    /// A stream is read, to its end or for so many messages.
    Scan(ScanRequest, Option<usize>),
    /// The store is asked what it offers.
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
