//! What a run writes to a server that outlives it: which records, so that they can be counted and deleted again.

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

/// Most records that a ledger remembers, some hundred bytes each: a run of hours writes more than any cleaning could delete
/// in a reasonable time. What comes after them is counted only.
const MOST_RECORDS: usize = 1_000_000;

/// How many records are deleted at once.
const AT_ONCE: usize = 8;

/// How long calls that were given up may take to let go of their connections before records are deleted.
const LET_GO: Duration = Duration::from_secs(5);

/// The records that a run has written, by namespace and id.
#[derive(Debug)]
pub struct Ledger {
    written: Mutex<Written>,
    /// The namespace and id of what a message writes.
    names: fn(&str, &Bytes) -> Option<(String, String)>,
}

#[derive(Debug, Default)]
struct Written {
    /// Namespace, then id, then whether a Put of the record may have been applied. One that is on its way is deleted like one
    /// that was, and not counted.
    namespaces: BTreeMap<String, BTreeMap<String, bool>>,
    remembered: usize,
    /// Puts of records that are not remembered.
    beyond: usize,
}

/// What a run leaves in a server. Displayed as the end of a sentence: `320 namespaces named conformance-…-*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leftover {
    /// Namespaces.
    pub namespaces: usize,
    /// Records in them.
    pub records: usize,
    /// Puts of records beyond those that a ledger remembers; 0: all are remembered.
    pub beyond: usize,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let Self { namespaces, records, beyond } = *self;
        let prefix = namespace_prefix();
        write!(
            f,
            "{records} record{} in {namespaces} namespace{} named {prefix}*",
            plural(records),
            plural(namespaces)
        )?;
        if beyond > 0 { write!(f, ", and {beyond} later writes that are not remembered") } else { Ok(()) }
    }
}

impl Ledger {
    /// An empty ledger of a run that writes by this abstraction's methods.
    pub fn new<A: Remote>() -> Self {
        Self { written: Mutex::default(), names: A::written }
    }

    /// A message is about to be sent; the namespace and id of what it writes, if it does.
    pub(super) fn sends_message(&self, path: &str, message: &Bytes) -> Option<(String, String)> {
        let (namespace, id) = (self.names)(path, message)?;
        self.sends(&namespace, &id);
        Some((namespace, id))
    }

    /// A Put of this record is about to be sent.
    pub(crate) fn sends(&self, namespace: &str, id: &str) {
        // A refused name of a case (too long, empty) is no namespace of the run's, and nothing else is deleted.
        if !namespace.starts_with(namespace_prefix()) {
            return;
        }
        let mut written = self.written();
        if written.namespaces.get(namespace).is_some_and(|ids| ids.contains_key(id)) {
            return;
        }
        if written.remembered >= MOST_RECORDS {
            written.beyond += 1;
            return;
        }
        written.remembered += 1;
        written.namespaces.entry(namespace.to_owned()).or_default().insert(id.to_owned(), false);
    }

    /// The Put was answered, or given up: unless it was refused, it may have been applied.
    pub(crate) fn answered(&self, namespace: &str, id: &str, failure: Option<&Failure>) {
        if failure.is_some_and(|failure| !failure.is_ambiguous()) {
            return;
        }
        if let Some(applied) = self.written().namespaces.get_mut(namespace).and_then(|ids| ids.get_mut(id)) {
            *applied = true;
        }
    }

    /// What the run has written and nothing in the ledger has deleted. A case may have deleted some of its items itself.
    pub fn leftover(&self) -> Leftover {
        let written = self.written();
        let applied = written.namespaces.values().map(|ids| ids.values().filter(|applied| **applied).count());
        let applied: Vec<usize> = applied.filter(|count| *count > 0).collect();
        Leftover { namespaces: applied.len(), records: applied.iter().sum(), beyond: written.beyond }
    }

    /// Deletes every item of every record in the ledger, and nothing else, until `deadline`. What is done leaves the ledger.
    /// What is expired and what is remembered of deleted items is out of a client's reach: the server sweeps it.
    ///
    /// # Errors
    /// What the server answered first to a Delete that failed, or that the time was up.
    pub async fn clean<A: Remote>(
        self: &Arc<Self>,
        options: &Options,
        deadline: Instant,
    ) -> Result<(), String> {
        // Every connection of the run holds the ledger: a call that was given up may still be on its way.
        let let_go = deadline.min(Instant::now() + LET_GO);
        while Arc::strong_count(self) > 1 && Instant::now() < let_go {
            sleep(Duration::from_millis(10)).await;
        }
        let work = async {
            let connection = Connection::open(options).await.map_err(|error| error.to_string())?;
            let deletes = self.records().into_iter().map(|(namespace, id)| {
                let connection = &connection;
                async move {
                    let deleted = A::delete(connection, &namespace, &id).await;
                    let told = |failure: Failure| {
                        format!("{} to a Delete in {namespace}: {}", failure.code, failure.message)
                    };
                    deleted.map_err(told).map(|()| self.forget(&namespace, &id))
                }
            });
            let mut outcomes = stream::iter(deletes).buffer_unordered(AT_ONCE);
            let mut outcome = Ok(());
            while let Some(one) = outcomes.next().await {
                outcome = outcome.and(one);
            }
            outcome
        };
        timeout_at(deadline, work).await.unwrap_or_else(|_| Err("the time for it was up".to_owned()))
    }

    fn records(&self) -> Vec<(String, String)> {
        let written = self.written();
        let of = |(namespace, ids): (&String, &BTreeMap<String, bool>)| {
            ids.keys().map(|id| (namespace.clone(), id.clone())).collect::<Vec<_>>()
        };
        written.namespaces.iter().flat_map(of).collect()
    }

    fn forget(&self, namespace: &str, id: &str) {
        let mut written = self.written();
        if let Some(ids) = written.namespaces.get_mut(namespace) {
            ids.remove(id);
        }
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
