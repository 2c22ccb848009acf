//! Data that outlives a process of the flawed store, and a process's access to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use prism_contract::keyvalue::Key;
use prism_contract::{Error, Timestamp};
use tokio::sync::{Mutex, MutexGuard};

use super::Flawed;

/// A namespace and an id, as stored.
pub(super) type RecordPath = (String, String);

/// The items of a record by slot: the bytes they are stored under.
pub(super) type Record = BTreeMap<Vec<u8>, Cell>;

/// Stored state of a key, live or dead.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) key: Key,
    pub(super) value: Bytes,
    pub(super) content_type: String,
    pub(super) compression: i32,
    pub(super) version: i64,
    pub(super) token: i64,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) deleted_at: Option<Timestamp>,
}

/// All data. The fields after the first two belong to single flaws; the correct store leaves them empty.
#[derive(Default)]
pub(super) struct State {
    pub(super) last_version: i64,
    pub(super) records: BTreeMap<RecordPath, Record>,
    pub(super) stale: BTreeMap<RecordPath, Record>,
    pub(super) unfinished: Option<(RecordPath, Record)>,
    pub(super) undeleted: Vec<(RecordPath, Cell)>,
    pub(super) offsets: HashMap<(RecordPath, Vec<u8>), usize>,
}

/// The data, and the availability of the database.
#[derive(Default)]
pub(in crate::keyvalue::mutants) struct Disk {
    // An async lock: some flaws release it in the middle of an operation, and the others hold it throughout.
    state: Mutex<State>,
    unavailable: AtomicBool,
    boot: AtomicU64,
    arrivals: AtomicU64,
    /// Bytes of prefetched messages that their reader has not taken yet.
    prefetched: AtomicU64,
    // A std lock: it is never held across an await.
    locked: std::sync::Mutex<BTreeSet<Vec<u8>>>,
}

/// Length of a flawed operation's race window: long enough for a request on a loopback socket. Nearly always another
/// operation arrives at once.
const RACE_WINDOW: Duration = Duration::from_millis(2);

impl Disk {
    /// Boot number of the processes that may serve it.
    pub(super) fn boot(&self) -> u64 {
        self.boot.load(Ordering::SeqCst)
    }

    /// Stops the processes that serve it.
    pub(in crate::keyvalue::mutants) fn stop(&self) {
        self.arrivals.fetch_add(1, Ordering::SeqCst);
        self.boot.fetch_add(1, Ordering::SeqCst);
    }

    /// Makes the database unavailable, or available again.
    pub(in crate::keyvalue::mutants) fn set_unavailable(&self, unavailable: bool) {
        self.unavailable.store(unavailable, Ordering::SeqCst);
    }

    /// Whether the database is unavailable.
    pub(in crate::keyvalue::mutants) fn is_unavailable(&self) -> bool {
        self.unavailable.load(Ordering::SeqCst)
    }

    /// Bytes of all prefetched messages that their readers have not taken yet.
    pub(in crate::keyvalue::mutants) fn prefetched_bytes(&self) -> u64 {
        self.prefetched.load(Ordering::SeqCst)
    }

    /// Counts prefetched bytes.
    pub(in crate::keyvalue::mutants) fn add_prefetched(&self, bytes: u64) {
        self.prefetched.fetch_add(bytes, Ordering::SeqCst);
    }

    /// Uncounts prefetched bytes that were delivered or dropped.
    pub(in crate::keyvalue::mutants) fn release_prefetched(&self, bytes: u64) {
        self.prefetched.fetch_sub(bytes, Ordering::SeqCst);
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeSet<Vec<u8>>> {
        self.locked.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) async fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().await
    }
}

impl State {
    /// The items of the record at `path`, live or dead.
    pub(super) fn record(&self, path: &RecordPath) -> Record {
        self.records.get(path).cloned().unwrap_or_default()
    }
}

impl Flawed {
    /// Locks the data and counts the arrival; an error if the database is unavailable or this process was stopped.
    pub(super) async fn acquire(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.reacquire().await?;
        self.disk.arrivals.fetch_add(1, Ordering::SeqCst);
        Ok(state)
    }

    async fn reacquire(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.disk.lock().await;
        if self.disk.is_unavailable() {
            return Err(Error::unavailable("connection refused: SELECT value FROM items"));
        }
        if self.disk.boot() != self.boot {
            return Err(Error::unavailable("this process was stopped"));
        }
        Ok(state)
    }

    /// Opens a race window: unlocks the data until another operation arrives, for at most [`RACE_WINDOW`].
    pub(super) async fn open_race_window<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
    ) -> Result<MutexGuard<'a, State>, Error> {
        let before = self.disk.arrivals.load(Ordering::SeqCst);
        drop(state);
        self.wait_for_arrival(before).await;
        self.reacquire().await
    }

    /// Waits for an arrival after the first `before` ones, for at most [`RACE_WINDOW`].
    async fn wait_for_arrival(&self, before: u64) {
        let started = Instant::now();
        while self.disk.arrivals.load(Ordering::SeqCst) == before && started.elapsed() < RACE_WINDOW {
            yield_to_others().await;
        }
    }
}

/// Yields to other tasks of this thread, and to other threads.
async fn yield_to_others() {
    tokio::task::yield_now().await;
    std::thread::yield_now();
}

/// Keys locked by one operation; dropping it releases them.
pub(super) struct KeyLocks<'a> {
    disk: &'a Disk,
    held: Vec<Vec<u8>>,
}

impl Flawed {
    /// Locks keys one by one, in the order of the request: two requests with opposed orders deadlock (LIN-5).
    pub(super) async fn lock_in_request_order(&self, keys: &[Key]) -> Result<KeyLocks<'_>, Error> {
        let before = self.disk.arrivals.fetch_add(1, Ordering::SeqCst) + 1;
        let mut locks = KeyLocks { disk: &self.disk, held: Vec::new() };
        for key in keys {
            let started = Instant::now();
            while !self.disk.locked().insert(key.to_vec()) {
                if started.elapsed() > RACE_WINDOW / 2 {
                    return Err(Error::internal("deadlock detected"));
                }
                yield_to_others().await;
            }
            locks.held.push(key.to_vec());
            if locks.held.len() == 1 {
                self.wait_for_arrival(before).await;
            }
        }
        Ok(locks)
    }
}

impl Drop for KeyLocks<'_> {
    fn drop(&mut self) {
        let mut locked = self.disk.locked();
        for key in &self.held {
            locked.remove(key);
        }
    }
}
