//! What outlives a flawed process: the reference backend, and what some flaws remember beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use prism_contract::Namespace;
use prism_contract::timeseries::{Event, EventKey, Memory, Position, Series, SeriesEvent};

use super::tokens::Binding;

/// An event's identity.
pub(super) type Identity = (Namespace, Series, EventKey);

/// The start of a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Boot {
    /// Its number: each process has another one.
    pub(super) number: u64,
    /// Its generation: all gateways of one store have the same.
    pub(super) generation: u64,
    /// Whether the store was stopped before.
    pub(super) is_again: bool,
    /// Whether it was killed then.
    pub(super) was_killed: bool,
}

/// The storage of one store. Its notes are used by single flaws only.
#[derive(Default)]
pub(super) struct Disk {
    memory: Mutex<Arc<Memory>>,
    notes: Mutex<Notes>,
}

#[derive(Default)]
pub(super) struct Notes {
    /// How many processes were started.
    boots: u64,
    /// How often the store was stopped and opened again.
    generation: u64,
    /// Whether it was stopped, and not opened since.
    is_stopped: bool,
    /// Whether it was closed before it was stopped.
    is_closed: bool,
    /// The events in the order of their Appends.
    pub(super) order: Vec<Identity>,
    /// The events that were appended behind a later one.
    pub(super) late: BTreeSet<(Series, EventKey)>,
    /// Contents that are read in place of those written.
    pub(super) contents: BTreeMap<(Series, EventKey), Event>,
    /// The events of the last Append.
    pub(super) last: Vec<Identity>,
    /// An event that the next Query does not see.
    pub(super) unseen: Option<EventKey>,
    /// Deleted events.
    pub(super) deleted: BTreeSet<(Series, EventKey)>,
    /// The end of a series' log when events of it were deleted.
    pub(super) deleted_before: BTreeMap<(Namespace, Series), u64>,
    /// What each token is bound to, by token.
    pub(super) tokens: BTreeMap<Bytes, Binding>,
    /// How many Queries and messages of Tails were answered.
    pub(super) reads: u64,
    /// How many Appends run, and where the log of each namespace ended when the oldest of them began.
    pub(super) running: usize,
    pub(super) behind: BTreeMap<Namespace, Position>,
    /// Events that are written and not visible yet.
    pub(super) hidden: BTreeSet<(Series, EventKey)>,
    /// The last event of the message with a token.
    pub(super) last_of_token: BTreeMap<Bytes, SeriesEvent>,
}

impl Disk {
    /// Starts a process.
    pub(super) fn boot(&self) -> Boot {
        let mut notes = self.notes();
        let (is_again, was_killed) = (notes.is_stopped, notes.is_stopped && !notes.is_closed);
        notes.boots += 1;
        if is_again {
            // What only the processes had.
            notes.running = 0;
            notes.behind.clear();
            notes.hidden.clear();
        }
        notes.generation += u64::from(is_again);
        (notes.is_stopped, notes.is_closed) = (false, false);
        Boot { number: notes.boots, generation: notes.generation, is_again, was_killed }
    }

    /// The processes are closed.
    pub(super) fn close(&self) {
        self.notes().is_closed = true;
    }

    /// The processes are stopped, closed or not.
    pub(super) fn stop(&self) {
        self.notes().is_stopped = true;
    }

    /// Whether a process of this generation still runs.
    pub(super) fn runs(&self, generation: u64) -> bool {
        let notes = self.notes();
        notes.generation == generation && !notes.is_stopped
    }

    pub(super) fn memory(&self) -> Arc<Memory> {
        Arc::clone(&self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn erase(&self) {
        *self.memory.lock().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }

    /// A std mutex: never held across an await.
    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
