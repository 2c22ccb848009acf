//! The system under test: a store as seen by its clients, in this process or behind a socket.

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use prism_contract::timeseries::request::{
    AppendRequest, AppendResponse, DeleteEventsRequest, DeleteEventsResponse, DescribeRequest,
    DescribeResponse, HistogramRequest, HistogramResponse, ListSeriesRequest, ListSeriesResponse,
    QueryRequest, QueryResponse, TailRequest, TailResponse,
};

use tokio::time::{Instant, timeout_at};

use crate::core::Failure;

/// The seven operations, on client requests, valid or not.
#[async_trait]
pub trait Store: Send + Sync {
    /// Writes events.
    async fn append(&self, request: AppendRequest) -> Result<AppendResponse, Failure>;

    /// Reads a stream to its end, or drops it after `messages` messages. A stream that fails midway is a failure.
    async fn query(
        &self,
        request: QueryRequest,
        messages: Option<usize>,
    ) -> Result<Vec<QueryResponse>, Failure>;

    /// Reads a stream message by message, on demand; the default reads all of it up front.
    async fn query_messages(
        &self,
        request: QueryRequest,
    ) -> Result<BoxStream<'static, Result<QueryResponse, Failure>>, Failure> {
        Ok(stream::iter(self.query(request, None).await?.into_iter().map(Ok)).boxed())
    }

    /// Begins an endless stream. A refusal may also be the outcome of the first message.
    async fn tail(&self, request: TailRequest) -> Result<Box<dyn TailMessages>, Failure>;

    /// Reads a stream to its end, or drops it after `messages` messages.
    async fn list_series(
        &self,
        request: ListSeriesRequest,
        messages: Option<usize>,
    ) -> Result<Vec<ListSeriesResponse>, Failure>;

    /// Counts events by time: all messages.
    async fn histogram(&self, request: HistogramRequest) -> Result<Vec<HistogramResponse>, Failure>;

    /// Removes events.
    async fn delete_events(&self, request: DeleteEventsRequest) -> Result<DeleteEventsResponse, Failure>;

    /// Reads the store's capabilities, limits and policy.
    async fn describe(&self, request: DescribeRequest) -> Result<DescribeResponse, Failure>;
}

/// The messages of a Tail.
#[async_trait]
pub trait TailMessages: Send {
    /// The next message. After a message without events it waits for an event, for at most a heartbeat interval, and then
    /// returns a message without events.
    async fn next(&mut self) -> Result<TailResponse, Failure>;

    /// How long no event may arrive until the Tail has caught up; `None`: a message without events shows that it has.
    fn quiet(&self) -> Option<Duration> {
        None
    }

    /// Consecutive messages without events after which no further event is expected: more than a second, the bound of TAIL-8.
    fn max_idle_messages(&self) -> usize;

    /// How long they must take at least: messages that were made while the Tail was not read arrive at once.
    fn min_idle(&self) -> Duration {
        Duration::ZERO
    }
}

/// Where the suite stops to read a Tail, which has no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TailUntil {
    /// Nothing more is there: see [`TailMessages::quiet`].
    CaughtUp,
    /// Nothing more is there, of which this number of events is known: after them a shorter wait shows that none follows.
    CaughtUpWith(usize),
    /// This many events have arrived, or none arrives for long.
    Events(usize),
    /// This many messages have arrived, with events or without.
    Messages(usize),
}

/// Maximum messages read of one Tail.
pub(super) const MAX_TAIL_MESSAGES: usize = 5_000;

/// How long a Tail that has brought all known events is read further.
const SETTLED: Duration = Duration::from_millis(100);

/// Reads messages. `is_new`: the first message is the one without events that starts a Tail.
pub(super) async fn read_tail(
    tail: &mut dyn TailMessages,
    is_new: bool,
    until: TailUntil,
) -> Result<Vec<TailResponse>, Failure> {
    let (mut read, mut events, mut idle) = (Vec::new(), 0, 0);
    let longest = tail.quiet();
    let quiet = |events: usize| match until {
        TailUntil::CaughtUpWith(known) if events >= known => longest.map(|longest| longest.min(SETTLED)),
        TailUntil::CaughtUp | TailUntil::CaughtUpWith(_) => longest,
        TailUntil::Events(_) | TailUntil::Messages(_) => None,
    };
    let mut last_event = Instant::now();
    while read.len() < MAX_TAIL_MESSAGES {
        let is_over = match until {
            TailUntil::CaughtUp | TailUntil::CaughtUpWith(_) => idle > 0 && longest.is_none(),
            TailUntil::Events(most) => {
                let waited = || last_event.elapsed() >= tail.min_idle();
                events >= most || (idle >= tail.max_idle_messages() && waited())
            }
            TailUntil::Messages(most) => read.len() >= most,
        };
        if is_over && !(is_new && read.is_empty()) {
            break;
        }
        let message = match quiet(events) {
            // The message that starts a Tail always comes.
            Some(quiet) if !(is_new && read.is_empty()) => {
                let Ok(message) = timeout_at(last_event + quiet, tail.next()).await else { break };
                message?
            }
            Some(_) | None => tail.next().await?,
        };
        if !message.events.is_empty() || read.is_empty() {
            last_event = Instant::now();
        }
        let is_idle = message.events.is_empty() && !(is_new && read.is_empty());
        idle = if is_idle { idle + 1 } else { 0 };
        events += message.events.len();
        read.push(message);
    }
    Ok(read)
}

/// A request to a TimeSeries store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Append events.
    Append(AppendRequest),
    /// Read a stream, to its end or up to this number of messages.
    Query(QueryRequest, Option<usize>),
    /// Begin a Tail, and read it up to there.
    Tail(TailRequest, TailUntil),
    /// Read an open Tail further, up to there.
    TailFurther(TailRequest, TailUntil),
    /// List series, to the end or up to this number of messages.
    ListSeries(ListSeriesRequest, Option<usize>),
    /// Count events by time.
    Histogram(HistogramRequest),
    /// Delete events.
    DeleteEvents(DeleteEventsRequest),
    /// Read the store's capabilities, limits and policy.
    Describe(DescribeRequest),
}

/// The response to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// To an Append.
    Append(AppendResponse),
    /// To a Query, message by message.
    Query(Vec<QueryResponse>),
    /// To a Tail, message by message.
    Tail(Vec<TailResponse>),
    /// To a ListSeries, message by message.
    ListSeries(Vec<ListSeriesResponse>),
    /// To a Histogram, message by message.
    Histogram(Vec<HistogramResponse>),
    /// To a DeleteEvents.
    DeleteEvents(DeleteEventsResponse),
    /// To a Describe.
    Describe(DescribeResponse),
}

#[cfg(test)]
mod tests {
    use prism_contract::Timestamp;
    use prism_contract::timeseries::{Event, EventId, Series, SeriesEvent, Tags};

    use super::*;

    /// A Tail with heartbeats that were made while it was not read, and then one each 50 ms, up to an event.
    struct Tail {
        waiting: usize,
        until_event: usize,
    }

    fn event() -> SeriesEvent {
        let event = Event {
            time: Timestamp::from_micros(0).unwrap(),
            id: EventId::new("e").unwrap(),
            payload: bytes::Bytes::new(),
            content_type: String::new(),
            tags: Tags::default(),
        };
        SeriesEvent { series: Series::new("s").unwrap(), event }
    }

    #[async_trait]
    impl TailMessages for Tail {
        async fn next(&mut self) -> Result<TailResponse, Failure> {
            match self.waiting.checked_sub(1) {
                Some(left) => self.waiting = left,
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
            let events = if self.until_event == 0 { vec![event()] } else { Vec::new() };
            self.until_event = self.until_event.saturating_sub(1);
            Ok(TailResponse { events, token: bytes::Bytes::from_static(b"t") })
        }

        fn max_idle_messages(&self) -> usize {
            32
        }

        fn min_idle(&self) -> Duration {
            Duration::from_millis(1_500)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn heartbeats_that_waited_for_the_reader_are_no_silence() {
        let mut tail = Tail { waiting: 100, until_event: 101 };
        let read = read_tail(&mut tail, false, TailUntil::Events(1)).await.unwrap();
        assert_eq!(read.len(), 102);
    }

    #[tokio::test(start_paused = true)]
    async fn a_tail_without_events_is_read_for_the_time_of_its_silence() {
        let (mut tail, began) = (Tail { waiting: 100, until_event: usize::MAX }, Instant::now());
        let read = read_tail(&mut tail, false, TailUntil::Events(1)).await.unwrap();
        assert_eq!((read.len(), began.elapsed()), (130, Duration::from_millis(1_500)));
    }
}
