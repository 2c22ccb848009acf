//! What outlives a process of the flawed store, and how a process reaches it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use prism_contract::keyvalue::Key;
use prism_contract::{Error, Timestamp};
use tokio::sync::{Mutex, MutexGuard};

use super::Flawed;

/// A namespace and an id, as they are kept.
pub(super) type Place = (String, String);

/// The items of a record by the bytes they are kept under.
pub(super) type Record = BTreeMap<Vec<u8>, Cell>;

/// What is known of a key, live or dead.
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

/// All data. The fields after the first two are what single flaws remember; the correct store leaves them empty.
#[derive(Default)]
pub(super) struct State {
    pub(super) last_version: i64,
    pub(super) records: BTreeMap<Place, Record>,
    pub(super) stale: BTreeMap<Place, Record>,
    pub(super) unfinished: Option<(Place, Record)>,
    pub(super) undeleted: Vec<(Place, Cell)>,
    pub(super) offsets: HashMap<(Place, Vec<u8>), usize>,
}

/// The data, and whether the database is there to ask.
#[derive(Default)]
pub(in crate::keyvalue::mutants) struct Disk {
    // An async lock: some flaws let go of it in the middle of an operation, and the others keep it throughout.
    state: Mutex<State>,
    away: AtomicBool,
    boot: AtomicU64,
    arrivals: AtomicU64,
    /// Bytes of messages that were read and wait for their reader.
    ahead: AtomicU64,
    // A std lock: nothing awaits while it is held.
    locked: std::sync::Mutex<BTreeSet<Vec<u8>>>,
}

/// How long a flawed operation leaves its window open for another to come in: long enough for a request on a loopback
/// socket. Nearly always one comes in at once.
const PATIENCE: Duration = Duration::from_millis(2);

impl Disk {
    /// The number of the process that may serve it.
    pub(super) fn boot(&self) -> u64 {
        self.boot.load(Ordering::SeqCst)
    }

    /// Stops whichever process serves it.
    pub(in crate::keyvalue::mutants) fn stop(&self) {
        self.arrivals.fetch_add(1, Ordering::SeqCst);
        self.boot.fetch_add(1, Ordering::SeqCst);
    }

    /// Takes the database away, or brings it back.
    pub(in crate::keyvalue::mutants) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    /// Whether the database is away.
    pub(in crate::keyvalue::mutants) fn is_away(&self) -> bool {
        self.away.load(Ordering::SeqCst)
    }

    /// How many bytes wait for readers, in messages that were read before anybody asked for them.
    pub(in crate::keyvalue::mutants) fn ahead(&self) -> u64 {
        self.ahead.load(Ordering::SeqCst)
    }

    /// So many bytes more wait.
    pub(in crate::keyvalue::mutants) fn read_ahead(&self, bytes: u64) {
        self.ahead.fetch_add(bytes, Ordering::SeqCst);
    }

    /// So many bytes of them were handed on, or given up.
    pub(in crate::keyvalue::mutants) fn let_go(&self, bytes: u64) {
        self.ahead.fetch_sub(bytes, Ordering::SeqCst);
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, BTreeSet<Vec<u8>>> {
        self.locked.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) async fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().await
    }
}

impl State {
    /// The items of the record at `place`, live or dead.
    pub(super) fn record(&self, place: &Place) -> Record {
        self.records.get(place).cloned().unwrap_or_default()
    }
}

impl Flawed {
    /// The data, for as long as the answer is held; an error where the database is away or this process was stopped.
    pub(super) async fn reach(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.reach_again().await?;
        self.disk.arrivals.fetch_add(1, Ordering::SeqCst);
        Ok(state)
    }

    async fn reach_again(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.disk.lock().await;
        if self.disk.is_away() {
            return Err(Error::unavailable("connection refused: SELECT value FROM items"));
        }
        if self.disk.boot() != self.boot {
            return Err(Error::unavailable("this process was stopped"));
        }
        Ok(state)
    }

    /// Opens the window of a race: lets go of the data until another operation came in, or none did for a while.
    pub(super) async fn let_others_in<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
    ) -> Result<MutexGuard<'a, State>, Error> {
        let before = self.disk.arrivals.load(Ordering::SeqCst);
        drop(state);
        self.wait_for_another(before).await;
        self.reach_again().await
    }

    /// Waits until an operation arrives after `before` had, or none does for a while.
    async fn wait_for_another(&self, before: u64) {
        let started = Instant::now();
        while self.disk.arrivals.load(Ordering::SeqCst) == before && started.elapsed() < PATIENCE {
            step_aside().await;
        }
    }
}

/// Lets other tasks of this thread run, and other threads.
async fn step_aside() {
    tokio::task::yield_now().await;
    std::thread::yield_now();
}

/// Keys that one operation has locked; they are let go when it is dropped.
pub(super) struct KeyLocks<'a> {
    disk: &'a Disk,
    held: Vec<Vec<u8>>,
}

impl Flawed {
    /// Locks keys one by one, in the order of the request: what two requests of opposed orders deadlock on (LIN-5).
    pub(super) async fn lock_in_request_order(&self, keys: &[Key]) -> Result<KeyLocks<'_>, Error> {
        let before = self.disk.arrivals.fetch_add(1, Ordering::SeqCst) + 1;
        let mut locks = KeyLocks { disk: &self.disk, held: Vec::new() };
        for key in keys {
            let started = Instant::now();
            while !self.disk.locked().insert(key.to_vec()) {
                if started.elapsed() > PATIENCE / 2 {
                    return Err(Error::internal("deadlock detected"));
                }
                step_aside().await;
            }
            locks.held.push(key.to_vec());
            if locks.held.len() == 1 {
                self.wait_for_another(before).await;
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
