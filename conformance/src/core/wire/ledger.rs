//! The ledger of the records that a run writes to an external server, for counting and deleting them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use prism_wire::channel::Options;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Connection, Remote};
use crate::core::Failure;
use crate::core::run::namespace_prefix;

/// Maximum number of tracked records, some hundred bytes each: a run of hours writes more than could be deleted in a
/// reasonable time. Writes of further records are only counted.
const MAX_RECORDS: usize = 1_000_000;

/// Number of concurrent deletes.
const CONCURRENT_DELETES: usize = 8;

/// Time for cancelled calls to drop their connections before records are deleted.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A record: its namespace and its id in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// The namespace.
    pub namespace: String,
    /// The id in the namespace.
    pub id: String,
}

/// The records written by a run, by namespace and id.
#[derive(Debug)]
pub struct Ledger {
    written: Mutex<Written>,
    /// The records that a message writes.
    names: fn(&str, &Bytes) -> Vec<Record>,
    /// The beginnings of the suite's namespaces.
    namespaces: &'static [&'static str],
    counted: (&'static str, &'static str),
}

#[derive(Debug, Default)]
struct Written {
    /// Namespace, then id, then whether a write of the record may have been applied. A record with only pending writes is
    /// deleted, too, but not counted.
    namespaces: BTreeMap<String, BTreeMap<String, bool>>,
    tracked: usize,
    /// Writes of untracked records.
    beyond: usize,
}

/// The data that a run leaves in a server. Displayed as `1290 records in 320 namespaces named conformance-…-*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leftover {
    /// The number of namespaces.
    pub namespaces: usize,
    /// The number of records in them.
    pub records: usize,
    /// The number of writes of untracked records; 0: all are tracked.
    pub beyond: usize,
    /// The beginnings of the namespaces' names.
    beginnings: &'static [&'static str],
    counted: (&'static str, &'static str),
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespaces, records, beyond, beginnings, counted } = *self;
        let (prefix, plural) = (namespace_prefix(), if namespaces == 1 { "" } else { "s" });
        let counted = if records == 1 { counted.0 } else { counted.1 };
        let names: Vec<_> = beginnings.iter().map(|beginning| format!("{beginning}{prefix}*")).collect();
        let names = names.join(" or ");
        write!(f, "{records} {counted} in {namespaces} namespace{plural} named {names}")?;
        if beyond > 0 { write!(f, ", and {beyond} later writes that are not tracked") } else { Ok(()) }
    }
}

impl Ledger {
    /// An empty ledger for this abstraction's writes.
    pub fn new<A: Remote>() -> Self {
        let (namespaces, counted) = (A::NAMESPACES, A::COUNTED);
        Self { written: Mutex::default(), names: A::written, namespaces, counted }
    }

    /// Tracks a message before it is sent; returns the records that it writes.
    pub(super) fn track_message(&self, path: &str, message: &Bytes) -> Vec<Record> {
        let records = (self.names)(path, message);
        for Record { namespace, id } in &records {
            self.track(namespace, id);
        }
        records
    }

    /// Whether a namespace is one of this run's: others are not deleted. An invalid name in a case (too long, empty) is not.
    fn is_ours(&self, namespace: &str) -> bool {
        let rest = self.namespaces.iter().filter_map(|beginning| namespace.strip_prefix(beginning));
        rest.into_iter().any(|rest| rest.starts_with(namespace_prefix()))
    }

    /// Tracks a write of this record before it is sent.
    pub(crate) fn track(&self, namespace: &str, id: &str) {
        if !self.is_ours(namespace) {
            return;
        }
        let mut written = self.written();
        if written.namespaces.get(namespace).is_some_and(|ids| ids.contains_key(id)) {
            return;
        }
        if written.tracked >= MAX_RECORDS {
            written.beyond += 1;
            return;
        }
        written.tracked += 1;
        written.namespaces.entry(namespace.to_owned()).or_default().insert(id.to_owned(), false);
    }

    /// Records the outcome of a write: unless it was rejected, it may have been applied.
    pub(crate) fn completed(&self, namespace: &str, id: &str, failure: Option<&Failure>) {
        if failure.is_some_and(|failure| !failure.is_ambiguous()) {
            return;
        }
        if let Some(applied) = self.written().namespaces.get_mut(namespace).and_then(|ids| ids.get_mut(id)) {
            *applied = true;
        }
    }

    /// The records written and not deleted through the ledger. A case may have deleted some of its items itself.
    pub fn leftover(&self) -> Leftover {
        let written = self.written();
        let applied = written.namespaces.values().map(|ids| ids.values().filter(|applied| **applied).count());
        let applied: Vec<usize> = applied.filter(|count| *count > 0).collect();
        let (beginnings, counted) = (self.namespaces, self.counted);
        let (namespaces, records, beyond) = (applied.len(), applied.iter().sum(), written.beyond);
        Leftover { namespaces, records, beyond, beginnings, counted }
    }

    /// Deletes the records in the ledger, and nothing else, until `deadline`. Deleted records are removed from the ledger.
    /// What has expired is out of a client's reach: the server sweeps it.
    ///
    /// # Errors
    /// The first failure of a Delete, or a timeout.
    pub async fn clean<A: Remote>(
        self: &Arc<Self>,
        options: &Options,
        deadline: Instant,
    ) -> Result<(), String> {
        // Every connection of the run holds the ledger: a cancelled call may still be in flight.
        let drained = deadline.min(Instant::now() + DRAIN_TIMEOUT);
        while Arc::strong_count(self) > 1 && Instant::now() < drained {
            sleep(Duration::from_millis(10)).await;
        }
        let work = async {
            let connection = Connection::open(options).await.map_err(|error| error.to_string())?;
            let deletes = self.records().into_iter().map(|(namespace, id)| {
                let connection = &connection;
                async move {
                    let deleted = A::delete(connection, &namespace, &id).await;
                    let message = |failure: Failure| {
                        format!("a Delete in {namespace} failed with {}: {}", failure.code, failure.message)
                    };
                    deleted.map_err(message).map(|()| self.remove(&namespace, &id))
                }
            });
            let mut outcomes = stream::iter(deletes).buffer_unordered(CONCURRENT_DELETES);
            let mut outcome = Ok(());
            while let Some(one) = outcomes.next().await {
                outcome = outcome.and(one);
            }
            outcome
        };
        timeout_at(deadline, work).await.unwrap_or_else(|_| Err("it timed out".to_owned()))
    }

    fn records(&self) -> Vec<(String, String)> {
        let written = self.written();
        let of = |(namespace, ids): (&String, &BTreeMap<String, bool>)| {
            ids.keys().map(|id| (namespace.clone(), id.clone())).collect::<Vec<_>>()
        };
        written.namespaces.iter().flat_map(of).collect()
    }

    fn remove(&self, namespace: &str, id: &str) {
        let mut written = self.written();
        if let Some(ids) = written.namespaces.get_mut(namespace) {
            ids.remove(id);
        }
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
