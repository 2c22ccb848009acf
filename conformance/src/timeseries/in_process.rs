//! TimeSeries backends in this process: a [`TimeSeriesBackend`] behind the contract's edge, on a manual clock, with the
//! suite's policies.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use prism_contract::timeseries::request::{
    AppendRequest, AppendResponse, DeleteEventsRequest, DeleteEventsResponse, DescribeRequest,
    DescribeResponse, HistogramRequest, HistogramResponse, ListSeriesRequest, ListSeriesResponse,
    QueryRequest, QueryResponse, TailRequest, TailResponse,
};
use prism_contract::timeseries::{Capabilities, Edge, TailCursor, TimeSeriesBackend};
use prism_contract::{Error, Lifecycle, Swept, Timestamp, forward};

use super::policies::{Policies, PolicyDirectory};
use super::{InProcess, Store, TailMessages, TimeSeries};
use crate::core::{Failure, ManualClock, OpenError, Opener};

/// Time between two messages of a Tail in this process.
const HEARTBEAT: Duration = Duration::from_millis(1_500);

/// A backend with the policies of its namespaces: a sweep removes what has expired by them.
pub struct Governed<B> {
    backend: Arc<B>,
    policies: Arc<Policies>,
}

impl<B: TimeSeriesBackend> Governed<B> {
    /// `backend` with the suite's policies.
    pub fn new(backend: B) -> Self {
        Self { backend: Arc::new(backend), policies: Arc::default() }
    }

    /// `backend` with the suite's policies, where a side of a window that is open there has this bound.
    pub fn bounded(backend: B, bound: Duration) -> Self {
        Self { backend: Arc::new(backend), policies: Arc::new(Policies::bounded(bound)) }
    }

    /// Changes the retention of a namespace from now on.
    pub fn set_retention(&self, namespace: &str, retention: Duration) {
        self.policies.set_retention(namespace, retention);
    }

    /// The backend.
    pub fn backend(&self) -> &Arc<B> {
        &self.backend
    }
}

#[async_trait]
impl<B: TimeSeriesBackend> Lifecycle for Governed<B> {
    forward!(Lifecycle: self => self.backend, [check, close]);

    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        let policies = Arc::clone(&self.policies);
        let expired =
            self.backend.expire(&move |namespace| policies.of(namespace.as_str()).expired(now)).await?;
        Ok([expired, self.backend.sweep(now).await?].into_iter().sum())
    }
}

/// A backend behind the contract's edge, on a manual clock.
pub struct EdgeStore {
    edge: Edge<PolicyDirectory>,
    clock: Arc<ManualClock>,
}

impl EdgeStore {
    /// A governed backend on `clock`.
    pub fn new<B: TimeSeriesBackend>(governed: &Governed<B>, clock: Arc<ManualClock>) -> Self {
        let (backend, policies) = (Arc::clone(&governed.backend), Arc::clone(&governed.policies));
        let edge = Edge::new(PolicyDirectory { backend, policies }, "in-process").with_heartbeat(HEARTBEAT);
        Self { edge, clock }
    }
}

#[async_trait]
impl Store for EdgeStore {
    async fn append(&self, request: AppendRequest) -> Result<AppendResponse, Failure> {
        Ok(self.edge.append(self.clock.now(), request).await?)
    }

    async fn query(
        &self,
        request: QueryRequest,
        messages: Option<usize>,
    ) -> Result<Vec<QueryResponse>, Failure> {
        let mut cursor = self.edge.query(self.clock.now(), request)?;
        let mut read = Vec::new();
        while messages != Some(read.len()) {
            let Some(message) = cursor.next().await? else { break };
            read.push(message);
        }
        Ok(read)
    }

    async fn query_messages(
        &self,
        request: QueryRequest,
    ) -> Result<BoxStream<'static, Result<QueryResponse, Failure>>, Failure> {
        let cursor = self.edge.query(self.clock.now(), request)?;
        let messages = stream::try_unfold(cursor, |mut cursor| async move {
            let message = cursor.next().await?;
            Ok(message.map(|message| (message, cursor)))
        });
        Ok(messages.boxed())
    }

    async fn tail(&self, request: TailRequest) -> Result<Box<dyn TailMessages>, Failure> {
        let (cursor, clock) = (self.edge.tail(request)?, Arc::clone(&self.clock));
        Ok(Box::new(EdgeTail { cursor, clock, is_started: false, is_idle: false }))
    }

    async fn list_series(
        &self,
        request: ListSeriesRequest,
        messages: Option<usize>,
    ) -> Result<Vec<ListSeriesResponse>, Failure> {
        let mut cursor = self.edge.list_series(self.clock.now(), request)?;
        let mut read = Vec::new();
        while messages != Some(read.len()) {
            let Some(message) = cursor.next().await? else { break };
            read.push(message);
        }
        Ok(read)
    }

    async fn histogram(&self, request: HistogramRequest) -> Result<Vec<HistogramResponse>, Failure> {
        Ok(self.edge.histogram(self.clock.now(), request).await?)
    }

    async fn delete_events(&self, request: DeleteEventsRequest) -> Result<DeleteEventsResponse, Failure> {
        Ok(self.edge.delete_events(self.clock.now(), request).await?)
    }

    async fn describe(&self, request: DescribeRequest) -> Result<DescribeResponse, Failure> {
        Ok(self.edge.describe(&request)?)
    }
}

/// A Tail of an edge, read as a server reads it: it waits only where nothing is left.
struct EdgeTail {
    cursor: TailCursor<PolicyDirectory>,
    clock: Arc<ManualClock>,
    is_started: bool,
    is_idle: bool,
}

#[async_trait]
impl TailMessages for EdgeTail {
    async fn next(&mut self) -> Result<TailResponse, Failure> {
        if !self.is_started {
            self.is_started = true;
            return Ok(self.cursor.start(self.clock.now()).await?);
        }
        let heartbeat = tokio::time::Instant::now() + HEARTBEAT;
        loop {
            let waited_in_vain = self.is_idle && {
                let wait = self.cursor.wait(self.clock.now());
                tokio::time::timeout_at(heartbeat, wait).await.is_err()
            };
            let (message, more) = self.cursor.read(self.clock.now()).await?;
            let was_idle = std::mem::replace(&mut self.is_idle, message.events.is_empty() && !more);
            // A wait may end early: only one that lasted for the interval ends with a heartbeat.
            if !was_idle || !self.is_idle || waited_in_vain || tokio::time::Instant::now() >= heartbeat {
                return Ok(message);
            }
        }
    }

    fn max_idle_messages(&self) -> usize {
        2
    }
}

impl<B: TimeSeriesBackend> InProcess<(), B> {
    /// A backend without persistence; it declares every capability unless configured otherwise.
    ///
    /// ```
    /// # use prism_conformance::OpenError;
    /// # use prism_conformance::timeseries::InProcess;
    /// # use prism_contract::timeseries::Memory;
    /// let harness = InProcess::new("mine", || async { Ok::<_, OpenError>(Memory::default()) });
    /// ```
    pub fn new<F, O>(name: impl Into<String>, open: F) -> Self
    where
        F: Fn() -> O + Send + Sync + 'static,
        O: Future<Output = Result<B, OpenError>> + Send + 'static,
    {
        Self::opened(name, Capabilities::ALL, opener(|| Ok(()), move |_| open(), Governed::new))
            .with_policies(Governed::set_retention)
    }
}

impl<S: Send + Sync + 'static, B: TimeSeriesBackend> InProcess<S, B> {
    /// A backend with persistent storage: `location` creates a fresh location that cleans up on drop (a temporary folder), and
    /// `open` opens a backend there, and again after a restart or a crash.
    pub fn durable<P, F, O>(name: impl Into<String>, location: P, open: F) -> Self
    where
        P: Fn() -> Result<S, OpenError> + Send + Sync + 'static,
        F: Fn(Arc<S>) -> O + Send + Sync + 'static,
        O: Future<Output = Result<B, OpenError>> + Send + 'static,
    {
        Self::opened(name, Capabilities::ALL, opener(location, open, Governed::new))
            .with_policies(Governed::set_retention)
            .reopening()
    }

    /// As [`InProcess::durable`], for a store that needs a bound on both sides of an acceptance window: a side that the suite's
    /// policies leave open has this one, and the cases about open sides do not run.
    pub fn bounded<P, F, O>(name: impl Into<String>, bound: Duration, location: P, open: F) -> Self
    where
        P: Fn() -> Result<S, OpenError> + Send + Sync + 'static,
        F: Fn(Arc<S>) -> O + Send + Sync + 'static,
        O: Future<Output = Result<B, OpenError>> + Send + 'static,
    {
        let govern = move |backend| Governed::bounded(backend, bound);
        Self::opened(name, Capabilities::ALL, opener(location, open, govern))
            .with_policies(Governed::set_retention)
            .with_bounded_windows()
            .reopening()
    }
}

fn opener<S, B, P, F, O>(
    location: P,
    open: F,
    govern: impl Fn(B) -> Governed<B> + Send + Sync + 'static,
) -> Opener<TimeSeries, S, Governed<B>>
where
    B: TimeSeriesBackend,
    P: Fn() -> Result<S, OpenError> + Send + Sync + 'static,
    F: Fn(Arc<S>) -> O + Send + Sync + 'static,
    O: Future<Output = Result<B, OpenError>> + Send + 'static,
{
    let (open, govern) = (Arc::new(open), Arc::new(govern));
    Opener {
        location: Arc::new(location),
        open: Arc::new(move |location| {
            let (opened, govern) = (open(location), Arc::clone(&govern));
            Box::pin(async move { Ok(govern(opened.await?)) })
        }),
        store: |governed, clock| Arc::new(EdgeStore::new(&governed, clock)),
    }
}
