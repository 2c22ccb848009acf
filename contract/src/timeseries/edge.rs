//! The edge: validates client requests into operations, and turns a backend's pages into answers with tokens.

use std::sync::Arc;
use std::time::Duration;

use super::cursor::{QueryCursor, SeriesCursor};
use super::request::{
    AppendRequest, AppendResponse, AppendResult, DeleteEventsRequest, DeleteEventsResponse, DescribeRequest,
    DescribeResponse, HistogramRequest, HistogramResponse, ListSeriesRequest, QueryRequest, TailFrom,
    TailRequest,
};
use super::tail::TailCursor;
use super::token::{QueryScope, SeriesScope, TailScope};
use super::{
    Append, CONTRACT_VERSION, Capability, DeleteEvents, Directory, Histogram, Limits, ListSeries, Policy,
    Query, Served, Start, TimeSeriesBackend,
};
use crate::common::Checks;
use crate::{Access, Error, Namespace, PageSize, Timestamp};

/// Validates requests in front of backends. It refuses, in this order: a request that the contract does not allow, a
/// namespace that is not served or has had too many calls, a capability that the backend does not declare, and an event outside
/// the acceptance window. A backend receives valid operations only.
///
/// It reads no clock: `now` is an argument.
#[derive(Clone)]
pub struct Edge<D> {
    server_version: Arc<str>,
    heartbeat: Duration,
    directory: D,
}

/// A namespace's backend and policy.
pub(super) struct Found {
    pub(super) backend: Arc<dyn TimeSeriesBackend>,
    pub(super) policy: Arc<Policy>,
}

impl Found {
    pub(super) fn of(
        directory: &impl Directory,
        namespace: &Namespace,
        access: Access,
    ) -> Result<Self, Error> {
        let Served { backend, policy } = directory.find(namespace, access)?;
        Ok(Self { backend, policy: policy.unwrap_or_default() })
    }

    /// Refuses a request that uses a capability which the backend does not declare (CAP-1).
    fn require(&self, namespace: &Namespace, capability: Capability, used: bool) -> Result<(), Error> {
        if used && !self.declares(namespace, capability) {
            return Err(Error::Unimplemented(capability.name()));
        }
        Ok(())
    }

    fn declares(&self, namespace: &Namespace, capability: Capability) -> bool {
        self.backend.capabilities(namespace).contains(capability)
    }
}

impl<D: Directory> Edge<D> {
    /// Time between two messages of a Tail, unless it is set.
    pub const HEARTBEAT: Duration = Duration::from_secs(5);

    /// An edge in front of the backends of `directory`; Describe returns `server_version`.
    pub fn new(directory: D, server_version: impl Into<Arc<str>>) -> Self {
        Self { server_version: server_version.into(), heartbeat: Self::HEARTBEAT, directory }
    }

    /// With this maximum time between two messages of a Tail, which Describe returns and the server has to keep (TAIL-4).
    #[must_use]
    pub fn with_heartbeat(self, heartbeat: Duration) -> Self {
        Self { heartbeat, ..self }
    }

    /// Maximum time between two messages of a Tail.
    pub fn heartbeat(&self) -> Duration {
        self.heartbeat
    }

    /// The directory of backends.
    pub fn directory(&self) -> &D {
        &self.directory
    }

    /// Writes events.
    pub async fn append(&self, now: Timestamp, request: AppendRequest) -> Result<AppendResponse, Error> {
        let mut checks = Checks::default();
        let namespace = checks.at("namespace", Namespace::new(&request.namespace));
        let events = checks.events(now, request.events);
        let namespace = checks.finish_with(namespace)?;
        let found = Found::of(&self.directory, &namespace, Access::Write)?;
        let (window, expired) = (found.policy.window, found.policy.expired(now));
        let partitions = found.policy.partitions;
        let detects = found.declares(&namespace, Capability::DetectsDuplicates);
        let append = Append { namespace, events, now, window, expired, partitions };
        if !detects {
            append.refuse(append.outside())?;
        }
        let keys: Vec<_> = append.events.iter().map(|event| event.event.key()).collect();
        let duplicates = found.backend.append(append).await?;
        if duplicates.len() != keys.len() {
            return Err(Error::internal("the backend did not answer each event of an Append"));
        }
        let results = keys.into_iter().zip(duplicates);
        let result = |(key, duplicate): (super::EventKey, _)| AppendResult {
            time: key.time,
            id: key.id.into_bytes(),
            duplicate,
        };
        Ok(AppendResponse { results: results.map(result).collect() })
    }

    /// Starts a Query at `now`; each [`QueryCursor::next`] reads one message.
    pub fn query(&self, now: Timestamp, request: QueryRequest) -> Result<QueryCursor, Error> {
        let mut checks = Checks::default();
        let names = checks.namespace_and_series(&request.namespace, &request.series);
        let range = checks.range(request.start, request.end);
        let tags = checks.tags(request.tags);
        let ((names, range), tags) = checks.finish_with(names.zip(range).zip(tags))?;
        let (namespace, series) = names;
        let scope = QueryScope::new(&namespace, &series, range, &tags, request.reverse);
        let resumed = scope.open(&request.resume_token);
        let resumed = resumed.map_err(|why| Error::invalid("resume_token", why.into_string()))?;
        let found = Found::of(&self.directory, &namespace, Access::Read)?;
        found.require(&namespace, Capability::Reverse, request.reverse)?;
        let (snapshot, after) = resumed.unzip();
        let tail_scope = TailScope::new(&namespace, Some(&series));
        let query = Query {
            namespace,
            series,
            range,
            tags,
            reverse: request.reverse,
            page: PageSize::new(0, request.page_size_bytes),
            without_payload: request.without_payload,
            snapshot,
            after,
            expired: found.policy.expired(now),
        };
        Ok(QueryCursor::new(found.backend, (scope, tail_scope), request.limit, query))
    }

    /// Starts a Tail. The first message is [`TailCursor::start`]'s.
    pub fn tail(&self, request: TailRequest) -> Result<TailCursor<D>, Error>
    where
        D: Clone,
    {
        let mut checks = Checks::default();
        let names = checks.namespace_and_any_series(&request.namespace, &request.series);
        let tags = checks.tags(request.tags);
        if request.from == TailFrom::Unset {
            checks.refuse("from", "is missing; set beginning, now or token");
        }
        let ((namespace, series), tags) = checks.finish_with(names.zip(tags))?;
        let scope = TailScope::new(&namespace, series.as_ref());
        let from = match request.from {
            TailFrom::Beginning => Err(Start::Beginning),
            TailFrom::Now | TailFrom::Unset => Err(Start::Now),
            TailFrom::Token(token) => {
                Ok(scope.open(&token).map_err(|why| Error::invalid("token", why.into_string()))?)
            }
        };
        let found = Found::of(&self.directory, &namespace, Access::Read)?;
        found.require(&namespace, Capability::NamespaceTail, series.is_none())?;
        let without_payload = request.without_payload;
        Ok(TailCursor::new(self.directory.clone(), scope, (namespace, series, tags, without_payload), from))
    }

    /// Starts a list of series at `now`; each [`SeriesCursor::next`] reads one message.
    pub fn list_series(&self, now: Timestamp, request: ListSeriesRequest) -> Result<SeriesCursor, Error> {
        let mut checks = Checks::default();
        let namespace = checks.at("namespace", Namespace::new(&request.namespace));
        let prefix = checks.prefix(request.prefix);
        let (namespace, prefix) = checks.finish_with(namespace.zip(prefix))?;
        let scope = SeriesScope::new(&namespace, &prefix);
        let after = scope.open(&request.resume_token);
        let after = after.map_err(|why| Error::invalid("resume_token", why.into_string()))?;
        let found = Found::of(&self.directory, &namespace, Access::Read)?;
        found.require(&namespace, Capability::ListSeries, true)?;
        let expired = found.policy.expired(now);
        let list = ListSeries { namespace, prefix, after, limit: Limits::MESSAGE_ENTRIES, expired };
        Ok(SeriesCursor::new(found.backend, scope, request.limit, list))
    }

    /// Counts events by time: the messages, of at most 1,000 buckets each, and always one.
    pub async fn histogram(
        &self,
        now: Timestamp,
        request: HistogramRequest,
    ) -> Result<Vec<HistogramResponse>, Error> {
        let mut checks = Checks::default();
        let names = checks.namespace_and_series(&request.namespace, &request.series);
        let buckets = checks.buckets(request.start, request.end, request.bucket);
        let tags = checks.tags(request.tags);
        let ((names, buckets), tags) = checks.finish_with(names.zip(buckets).zip(tags))?;
        let ((namespace, series), (range, bucket)) = (names, buckets);
        let found = Found::of(&self.directory, &namespace, Access::Read)?;
        found.require(&namespace, Capability::Histogram, true)?;
        let expired = found.policy.expired(now);
        let histogram = Histogram { namespace, series, range, bucket, tags, expired };
        let buckets = found.backend.histogram(&histogram).await?;
        if buckets.is_empty() {
            return Ok(vec![HistogramResponse::default()]);
        }
        let messages = buckets.chunks(Limits::MESSAGE_ENTRIES);
        Ok(messages.map(|buckets| HistogramResponse { buckets: buckets.to_vec() }).collect())
    }

    /// Removes events.
    pub async fn delete_events(
        &self,
        now: Timestamp,
        request: DeleteEventsRequest,
    ) -> Result<DeleteEventsResponse, Error> {
        let mut checks = Checks::default();
        let names = checks.namespace_and_series(&request.namespace, &request.series);
        let range = checks.range_or_all(request.start, request.end, request.all);
        let ((namespace, series), range) = checks.finish_with(names.zip(range))?;
        let found = Found::of(&self.directory, &namespace, Access::Write)?;
        found.require(&namespace, Capability::Delete, true)?;
        let expired = found.policy.expired(now);
        let deleted_count =
            found.backend.delete_events(DeleteEvents { namespace, series, range, expired }).await?;
        Ok(DeleteEventsResponse { deleted_count })
    }

    /// Describes the server, as it serves the namespace.
    pub fn describe(&self, request: &DescribeRequest) -> Result<DescribeResponse, Error> {
        let mut checks = Checks::default();
        let namespace = checks.at("namespace", Namespace::new(&request.namespace));
        let namespace = checks.finish_with(namespace)?;
        let found = Found::of(&self.directory, &namespace, Access::Describe)?;
        Ok(DescribeResponse {
            server_version: self.server_version.to_string(),
            contract_version: CONTRACT_VERSION.to_owned(),
            capabilities: found.backend.capabilities(&namespace),
            limits: Limits::V1,
            policy: Policy::clone(&found.policy),
            heartbeat: self.heartbeat,
        })
    }
}
