//! Services over a backend that a test can observe and control: on a port, and in process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use prism_contract::timeseries::request::{AppendRequest, EventInput, QueryRequest, TailFrom, TailRequest};
use prism_contract::timeseries::{
    Bucket, Edge, EventPage, Histogram, ListSeries, Memory, Policy, Query, SeriesPage, Tail, TailPage,
    TimeSeriesBackend,
};
use prism_contract::{Error, Lifecycle, TimeInput, Timestamp, forward};
use prism_wire::channel::Options;
use prism_wire::clock::ManualClock;
use prism_wire::layer::StatusesLayer;
use prism_wire::timeseries::{Client, Service};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;

/// The reference backend with a counter of pages, injected failures, and reads that never end.
#[derive(Default)]
pub(crate) struct Watched {
    /// The data.
    pub(crate) memory: Memory,
    /// Number of pages read, of any method.
    pub(crate) pages: AtomicUsize,
    /// Indices of the pages, counted from 0, that fail with UNAVAILABLE.
    pub(crate) unavailable_at: Vec<usize>,
    /// The first page, counted from 0, that is never read to its end.
    pub(crate) hangs_at: Option<usize>,
    /// A log without end of events that do not match: time to read each page of a Tail.
    pub(crate) never_matches: Option<Duration>,
    /// Answers a Histogram with this many buckets.
    pub(crate) buckets: Option<i64>,
}

impl Watched {
    async fn page(&self) -> Result<(), Error> {
        let number = self.pages.fetch_add(1, Ordering::SeqCst);
        if self.hangs_at.is_some_and(|first| number >= first) {
            std::future::pending::<()>().await;
        }
        if self.unavailable_at.contains(&number) {
            return Err(Error::unavailable("injected failure"));
        }
        Ok(())
    }
}

impl Lifecycle for Watched {
    forward!(Lifecycle: self => self.memory, [check, sweep, close]);
}

#[async_trait::async_trait]
impl TimeSeriesBackend for Watched {
    forward!(
        TimeSeriesBackend: self => self.memory,
        [capabilities, append, position, appended, delete_events, expire, repartitioned]
    );

    async fn query(&self, query: &Query) -> Result<EventPage, Error> {
        self.page().await?;
        self.memory.query(query).await
    }

    async fn tail(&self, tail: &Tail) -> Result<TailPage, Error> {
        self.page().await?;
        if let Some(takes) = self.never_matches {
            tokio::time::sleep(takes).await;
            return Ok(TailPage { events: Vec::new(), position: tail.after.clone(), more: true });
        }
        self.memory.tail(tail).await
    }

    async fn list_series(&self, list: &ListSeries) -> Result<SeriesPage, Error> {
        self.page().await?;
        self.memory.list_series(list).await
    }

    async fn histogram(&self, histogram: &Histogram) -> Result<Vec<Bucket>, Error> {
        let Some(count) = self.buckets else { return self.memory.histogram(histogram).await };
        let bucket = |at| Bucket { start: Timestamp::from_micros(at).unwrap(), count: 1, payload_bytes: 0 };
        Ok((0..count).map(bucket).collect())
    }
}

/// A directory of one backend.
pub(crate) type One = (Arc<dyn TimeSeriesBackend>, Arc<Policy>);

/// Second 1,000 of 1970, the time of every clock at its start.
pub(crate) fn start() -> Timestamp {
    Timestamp::from_micros(1_000_000_000).unwrap()
}

/// The edge of `backend`, whose Tails have a heartbeat of 5 s.
pub(crate) fn edge(backend: &Arc<Watched>) -> Edge<One> {
    let policy = Policy { retention: Some(Duration::from_secs(500)), ..Policy::default() };
    let backend: Arc<dyn TimeSeriesBackend> = Arc::clone(backend) as _;
    Edge::new((backend, Arc::new(policy)), "9.9.9")
}

/// A service over `backend`, in process.
pub(crate) fn service(backend: &Arc<Watched>) -> (Service<One, ManualClock>, ManualClock) {
    let clock = ManualClock::new(start());
    (Service::new(edge(backend), clock.clone()), clock)
}

/// Serves `service` until the test ends, and connects to it.
pub(crate) async fn serve(service: Service<One, ManualClock>) -> (Client, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder().layer(StatusesLayer).add_service(service.into_server());
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    (Client::connect(&Options::new(address.to_string())).await.unwrap(), address)
}

/// Serves `backend` until the test ends, and connects to it.
pub(crate) async fn serve_backend(backend: &Arc<Watched>) -> Client {
    serve(service(backend).0).await.0
}

/// A time of whole seconds.
pub(crate) fn second(seconds: i64) -> TimeInput {
    TimeInput { seconds, nanos: 0 }
}

/// An event at this second, whose id is its payload.
pub(crate) fn event(series: &str, seconds: i64, payload: impl Into<Bytes>) -> EventInput {
    let payload = payload.into();
    EventInput {
        series: series.to_owned(),
        time: Some(second(seconds)),
        id: payload.slice(..payload.len().min(8)),
        payload,
        ..EventInput::default()
    }
}

/// An Append to namespace `n`.
pub(crate) fn append(events: impl Into<Vec<EventInput>>) -> AppendRequest {
    AppendRequest { namespace: "n".to_owned(), events: events.into() }
}

/// A Query of series `s` of namespace `n` with a message for each event.
pub(crate) fn one_at_a_time() -> QueryRequest {
    QueryRequest {
        namespace: "n".to_owned(),
        series: "s".to_owned(),
        page_size_bytes: 1,
        ..QueryRequest::default()
    }
}

/// A Tail of series `s` of namespace `n`.
pub(crate) fn tail(from: TailFrom) -> TailRequest {
    TailRequest { namespace: "n".to_owned(), series: "s".to_owned(), from, ..TailRequest::default() }
}
