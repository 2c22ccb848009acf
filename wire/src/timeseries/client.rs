//! The client of TimeSeries, with the contract's types.

use std::time::Duration;

use prism_contract::timeseries::Limits;
use prism_contract::timeseries::request::{
    AppendRequest, AppendResponse, DeleteEventsRequest, DeleteEventsResponse, DescribeRequest,
    DescribeResponse, HistogramRequest, HistogramResponse, ListSeriesRequest, QueryRequest, TailRequest,
};
use prism_proto::timeseries::v1 as pb;
use prism_proto::timeseries::v1::time_series_service_client::TimeSeriesServiceClient;
use tonic::Streaming;
use tonic::transport::Channel;

use super::query::{ListSeriesCall, ListSeriesMessages, QueryCall, QueryMessages};
use super::tail::{TailCall, TailMessages};
use crate::channel::{CallError, ConnectError, Connection, Options, read};
use crate::message::{Unreadable, WireRequest, WireResponse};
use crate::resume::{Messages, Resume};

/// A client of one server. Clones share its connection.
#[derive(Debug, Clone)]
pub struct Client {
    inner: TimeSeriesServiceClient<Channel>,
    connection: Connection,
}

impl Client {
    /// Connects according to `options`.
    ///
    /// # Errors
    /// The fault of the options, or of the connection.
    pub async fn connect(options: &Options) -> Result<Self, ConnectError> {
        Connection::open(options).await.map(Self::new)
    }

    /// A client on `connection`. It reads responses of any size: the server limits messages.
    pub fn new(connection: Connection) -> Self {
        let inner = TimeSeriesServiceClient::new(connection.channel()).max_decoding_message_size(usize::MAX);
        Self { inner, connection }
    }

    /// A client on an existing channel; it sends no credentials and no deadline.
    pub fn from_channel(channel: Channel) -> Self {
        Self::new(Connection::from_channel(channel))
    }

    /// The same connection with another deadline for each call but Tail, which has none; `None`: the server's.
    #[must_use]
    pub fn with_timeout(self, timeout: Option<Duration>) -> Self {
        Self { connection: self.connection.with_timeout(timeout), ..self }
    }

    /// Writes events.
    ///
    /// # Errors
    /// The server's status, or a response that cannot be read; likewise of the other calls.
    pub async fn append(&self, request: AppendRequest) -> Result<AppendResponse, CallError> {
        let request = self.connection.request(request.into_message());
        let mut client = self.inner.clone();
        read(self.connection.probed(client.append(request)).await)
    }

    /// Reads a series as a stream of messages, by time. The request is sent when the stream is first polled.
    pub fn query(&self, request: QueryRequest, resume: Resume) -> QueryMessages {
        Messages::new(QueryCall { client: self.clone(), request }, resume)
    }

    /// Reads a series or a namespace as a stream of messages, in append order and without end. The request is sent when the
    /// stream is first polled.
    pub fn tail(&self, request: TailRequest, resume: Resume) -> TailMessages {
        Messages::new(TailCall { client: self.clone(), request }, resume)
    }

    /// Lists series as a stream of messages. The request is sent when the stream is first polled.
    pub fn list_series(&self, request: ListSeriesRequest, resume: Resume) -> ListSeriesMessages {
        Messages::new(ListSeriesCall { client: self.clone(), request }, resume)
    }

    /// Counts events by time: all messages, at most 10,000 buckets together.
    pub async fn histogram(&self, request: HistogramRequest) -> Result<Vec<HistogramResponse>, CallError> {
        let request = self.connection.request(request.into_message());
        let mut client = self.inner.clone();
        let mut stream = self.connection.probed(client.histogram(request)).await?.into_inner();
        let (mut messages, mut left) = (Vec::new(), Limits::V1.buckets as usize);
        while let Some(message) = stream.message().await? {
            // A message without buckets is the only one.
            let count = message.buckets.len().max(usize::from(!messages.is_empty()));
            left = left
                .checked_sub(count)
                .ok_or_else(|| Unreadable::new("buckets", format!("are more than {}", Limits::V1.buckets)))?;
            messages.push(HistogramResponse::from_message(message)?);
        }
        Ok(messages)
    }

    /// Removes events.
    pub async fn delete_events(
        &self,
        request: DeleteEventsRequest,
    ) -> Result<DeleteEventsResponse, CallError> {
        let request = self.connection.request(request.into_message());
        let mut client = self.inner.clone();
        read(self.connection.probed(client.delete_events(request)).await)
    }

    /// Reads the server's version, capabilities and limits, and the namespace's policy.
    pub async fn describe(&self, request: DescribeRequest) -> Result<DescribeResponse, CallError> {
        let request = self.connection.request(request.into_message());
        let mut client = self.inner.clone();
        read(self.connection.probed(client.describe(request)).await)
    }

    /// Opens the stream of a Query.
    pub(super) async fn open_query(
        &self,
        request: QueryRequest,
    ) -> Result<Streaming<pb::QueryResponse>, CallError> {
        let request = self.connection.request(request.into_message());
        let mut client = self.inner.clone();
        Ok(self.connection.probed(client.query(request)).await?.into_inner())
    }

    /// Opens the stream of a Tail.
    pub(super) async fn open_tail(
        &self,
        request: TailRequest,
    ) -> Result<Streaming<pb::TailResponse>, CallError> {
        let request = self.connection.endless_request(request.into_message());
        let mut client = self.inner.clone();
        Ok(self.connection.probed(client.tail(request)).await?.into_inner())
    }

    /// Opens the stream of a list of series.
    pub(super) async fn open_list_series(
        &self,
        request: ListSeriesRequest,
    ) -> Result<Streaming<pb::ListSeriesResponse>, CallError> {
        let request = self.connection.request(request.into_message());
        let mut client = self.inner.clone();
        Ok(self.connection.probed(client.list_series(request)).await?.into_inner())
    }
}
