//! The client of KeyValue, with the contract's types.

use std::time::Duration;

use prism_contract::keyvalue::request::{
    DeleteRequest, DeleteResponse, DescribeRequest, DescribeResponse, GetRequest, GetResponse, PutRequest,
    PutResponse, ScanRequest,
};
use prism_proto::keyvalue::v1 as pb;
use prism_proto::keyvalue::v1::key_value_service_client::KeyValueServiceClient;
use tonic::Streaming;
use tonic::transport::Channel;

use super::scan::{Messages, Scan};
use crate::channel::{CallError, ConnectError, Connection, Options, read};
use crate::message::WireRequest;
use crate::resume::Resume;

/// A client of one server. Clones share its connection.
#[derive(Debug, Clone)]
pub struct Client {
    inner: KeyValueServiceClient<Channel>,
    connection: Connection,
}

impl Client {
    /// Connects according to `options`.
    pub async fn connect(options: &Options) -> Result<Self, ConnectError> {
        Connection::open(options).await.map(Self::new)
    }

    /// A client on `connection`. It reads responses of any size: the server limits pages.
    pub fn new(connection: Connection) -> Self {
        let inner = KeyValueServiceClient::new(connection.channel()).max_decoding_message_size(usize::MAX);
        Self { inner, connection }
    }

    /// A client on an existing channel; it sends no credentials and no deadline.
    pub fn from_channel(channel: Channel) -> Self {
        Self::new(Connection::from_channel(channel))
    }

    /// The same connection with another deadline for each call; `None`: the server's.
    #[must_use]
    pub fn with_timeout(self, timeout: Option<Duration>) -> Self {
        Self { connection: self.connection.with_timeout(timeout), ..self }
    }

    /// Writes items.
    pub async fn put(&self, request: PutRequest) -> Result<PutResponse, CallError> {
        let request = self.connection.request(request.into_message());
        let mut client = self.inner.clone();
        read(self.connection.probed(client.put(request)).await)
    }

    /// Reads a page of a record.
    pub async fn get(&self, request: GetRequest) -> Result<GetResponse, CallError> {
        let request = self.connection.request(request.into_message());
        let mut client = self.inner.clone();
        read(self.connection.probed(client.get(request)).await)
    }

    /// Removes items.
    pub async fn delete(&self, request: DeleteRequest) -> Result<DeleteResponse, CallError> {
        let request = self.connection.request(request.into_message());
        let mut client = self.inner.clone();
        read(self.connection.probed(client.delete(request)).await)
    }

    /// Reads a namespace or a record as a stream of messages. The request is sent when the stream is first polled.
    pub fn scan(&self, request: ScanRequest, resume: Resume) -> Messages {
        Messages::new(Scan { client: self.clone(), request }, resume)
    }

    /// Reads the server's version, capabilities and limits.
    pub async fn describe(&self, request: DescribeRequest) -> Result<DescribeResponse, CallError> {
        let request = self.connection.request(request.into_message());
        let mut client = self.inner.clone();
        read(self.connection.probed(client.describe(request)).await)
    }

    /// Opens the stream of a scan.
    pub(super) async fn open_scan(
        &self,
        request: ScanRequest,
    ) -> Result<Streaming<pb::ScanResponse>, CallError> {
        let request = self.connection.request(request.into_message());
        let mut client = self.inner.clone();
        Ok(self.connection.probed(client.scan(request)).await?.into_inner())
    }
}
