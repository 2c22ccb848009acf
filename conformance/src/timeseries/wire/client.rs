//! A server as a TimeSeries store: one attempt per call, with a timeout.

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{BoxStream, StreamExt};
use prism_contract::timeseries::request::{
    AppendRequest, AppendResponse, DeleteEventsRequest, DeleteEventsResponse, DescribeRequest,
    DescribeResponse, HistogramRequest, HistogramResponse, ListSeriesRequest, ListSeriesResponse,
    QueryRequest, QueryResponse, TailRequest, TailResponse,
};
use prism_proto::timeseries::v1 as pb;
use prism_proto::timeseries::v1::time_series_service_client::TimeSeriesServiceClient;
use prism_wire::message::{WireRequest, WireResponse};
use tonic::Streaming;
use tonic::transport::Channel;

use super::records;
use crate::core::wire::{CALL_TIMEOUT, CaughtUp, Connection, answer, malformed, with_timeout, within};
use crate::core::{Failure, StatusCode};
use crate::timeseries::{Store, TailMessages};

const APPEND: &str = "/prism.timeseries.v1.TimeSeriesService/Append";
const QUERY: &str = "/prism.timeseries.v1.TimeSeriesService/Query";
const TAIL: &str = "/prism.timeseries.v1.TimeSeriesService/Tail";
const LIST_SERIES: &str = "/prism.timeseries.v1.TimeSeriesService/ListSeries";
const HISTOGRAM: &str = "/prism.timeseries.v1.TimeSeriesService/Histogram";
const DELETE_EVENTS: &str = "/prism.timeseries.v1.TimeSeriesService/DeleteEvents";
const DESCRIBE: &str = "/prism.timeseries.v1.TimeSeriesService/Describe";

/// The bound of TAIL-8, and a margin for a busy machine: an event that is there arrives within this time.
const QUIET: Duration = Duration::from_millis(1_500);

fn client(connection: &Connection) -> TimeSeriesServiceClient<Channel> {
    TimeSeriesServiceClient::new(connection.channel())
        .max_decoding_message_size(usize::MAX)
        .max_encoding_message_size(usize::MAX)
}

/// The messages of a stream, each with a timeout.
fn messages<A: WireResponse + Send + 'static>(
    path: &'static str,
    stream: Streaming<A::Message>,
) -> BoxStream<'static, Result<A, Failure>>
where
    A::Message: Send + 'static,
{
    let messages = futures::stream::try_unfold(stream, move |mut stream| async move {
        let Some(message) = with_timeout(path, stream.message()).await? else { return Ok(None) };
        Ok(Some((A::from_message(message).map_err(malformed)?, stream)))
    });
    messages.boxed()
}

/// All messages of a stream, or the first `most`.
async fn read<A>(
    mut stream: BoxStream<'static, Result<A, Failure>>,
    most: Option<usize>,
) -> Result<Vec<A>, Failure> {
    let mut read = Vec::new();
    while most != Some(read.len()) {
        let Some(message) = stream.next().await else { break };
        read.push(message?);
    }
    Ok(read)
}

#[async_trait]
impl Store for Connection {
    async fn append(&self, request: AppendRequest) -> Result<AppendResponse, Failure> {
        let series = request.events.iter().map(|event| event.series.as_str());
        let tracked = self.track_all(records(&request.namespace, series));
        let answer = answer(APPEND, client(self).append(self.request(request.into_message()))).await;
        if let Some(tracked) = tracked {
            tracked.completed(answer.as_ref().err());
        }
        answer
    }

    async fn query(
        &self,
        request: QueryRequest,
        messages: Option<usize>,
    ) -> Result<Vec<QueryResponse>, Failure> {
        read(self.query_messages(request).await?, messages).await
    }

    async fn query_messages(
        &self,
        request: QueryRequest,
    ) -> Result<BoxStream<'static, Result<QueryResponse, Failure>>, Failure> {
        let mut client = client(self);
        let answer = with_timeout(QUERY, client.query(self.request(request.into_message()))).await?;
        Ok(messages(QUERY, answer.into_inner()))
    }

    async fn tail(&self, request: TailRequest) -> Result<Box<dyn TailMessages>, Failure> {
        let heartbeat = self.heartbeat(&request.namespace).await?;
        let mut client = client(self);
        let answer = with_timeout(TAIL, client.tail(self.request(request.into_message()))).await?;
        Ok(Box::new(Tail { stream: answer.into_inner(), heartbeat, caught_up: self.caught_up() }))
    }

    async fn list_series(
        &self,
        request: ListSeriesRequest,
        most: Option<usize>,
    ) -> Result<Vec<ListSeriesResponse>, Failure> {
        let mut client = client(self);
        let answer =
            with_timeout(LIST_SERIES, client.list_series(self.request(request.into_message()))).await?;
        read(messages(LIST_SERIES, answer.into_inner()), most).await
    }

    async fn histogram(&self, request: HistogramRequest) -> Result<Vec<HistogramResponse>, Failure> {
        let mut client = client(self);
        let answer = with_timeout(HISTOGRAM, client.histogram(self.request(request.into_message()))).await?;
        read(messages(HISTOGRAM, answer.into_inner()), None).await
    }

    async fn delete_events(&self, request: DeleteEventsRequest) -> Result<DeleteEventsResponse, Failure> {
        answer(DELETE_EVENTS, client(self).delete_events(self.request(request.into_message()))).await
    }

    async fn describe(&self, request: DescribeRequest) -> Result<DescribeResponse, Failure> {
        answer(DESCRIBE, client(self).describe(self.request(request.into_message()))).await
    }
}

impl Connection {
    /// The heartbeat interval, which a server has for all its namespaces. A refusal is left to the Tail itself.
    async fn heartbeat(&self, namespace: &str) -> Result<Duration, Failure> {
        if let Some(heartbeat) = self.silence().get() {
            return Ok(*heartbeat);
        }
        match Store::describe(self, DescribeRequest { namespace: namespace.to_owned() }).await {
            Ok(description) => Ok(*self.silence().get_or_init(|| description.heartbeat)),
            Err(failure) if failure.code == StatusCode::InvalidArgument => Ok(Duration::ZERO),
            Err(failure) => Err(failure),
        }
    }
}

/// A Tail of a server.
struct Tail {
    stream: Streaming<pb::TailResponse>,
    heartbeat: Duration,
    caught_up: CaughtUp,
}

impl Tail {
    async fn message(&mut self) -> Result<TailResponse, Failure> {
        let limit = self.heartbeat.saturating_add(CALL_TIMEOUT);
        let message = within(limit, TAIL, self.stream.message()).await?;
        // A Tail has no end: one that ends with OK ends too early.
        let ended = || Failure::new(StatusCode::Ok, format!("{TAIL}: the stream ended with OK"));
        TailResponse::from_message(message.ok_or_else(ended)?).map_err(malformed)
    }
}

#[async_trait]
impl TailMessages for Tail {
    async fn next(&mut self) -> Result<TailResponse, Failure> {
        self.message().await
    }

    fn max_idle_messages(&self) -> usize {
        // Messages may come faster than the interval.
        let heartbeat = self.heartbeat.as_millis().max(1);
        usize::try_from(QUIET.as_millis().div_ceil(heartbeat)).unwrap_or(usize::MAX).saturating_add(2)
    }

    fn min_idle(&self) -> Duration {
        QUIET
    }

    fn quiet(&self) -> Option<Duration> {
        match self.caught_up {
            CaughtUp::Quiet => Some(QUIET),
            CaughtUp::EmptyMessage => None,
        }
    }
}
