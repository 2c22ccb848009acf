//! Read connections: a request acquires one at a time; batched reads have reserved ones.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prism_contract::Error;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::Semaphore;

use super::error::translate;
use super::files::Files;
use super::settings::number;
use crate::engine::{Lease, ReadPermit, Source, closed};

/// Steps of SQLite's virtual machine between two checks whether a statement is still needed: about 20 microseconds.
const STEPS: i32 = 2_000;

/// Check budget of a batched read, after which it is interrupted: with 17 rows of about 35 steps per span, a third of it
/// suffices if few rows are dead. The rest covers some ten thousand dead rows, about a millisecond.
fn check_budget(spans: usize) -> i64 {
    i64::try_from(spans).map_or(i64::MAX, |spans| spans.saturating_add(4))
}

/// Row prefetch depth for small rows: a deeper buffer means fewer wake-ups of the reading task.
const PREFETCH: usize = 128;

/// The connections.
pub(in crate::sqlite) struct Connections {
    /// For rows of up to 1 MiB each.
    full: IdlePool,
    /// With [`PREFETCH`]: for rows that are all small, and for batched reads, which keep all rows that they read.
    prefetching: IdlePool,
    /// One permit: the check has a reserved connection.
    checks: Arc<Semaphore>,
    /// The statement of the check.
    check: &'static str,
}

/// Idle connections of one kind, and the options to open more.
struct IdlePool {
    connect: SqliteConnectOptions,
    prefetches: bool,
    files: Arc<Files>,
    idle: Mutex<Vec<Reader>>,
}

/// A connection, and the control to interrupt its statement.
pub(in crate::sqlite) struct Reader {
    connection: SqliteConnection,
    control: Arc<Control>,
    /// Its kind.
    prefetches: bool,
}

/// Interrupts a statement.
struct Control {
    /// Set when no caller waits for it any more.
    stop: AtomicBool,
    /// Remaining checks before it is interrupted.
    budget: AtomicI64,
}

impl Connections {
    /// Opens one connection, to verify that it works; the others are opened on demand. `check` is a statement that returns
    /// a number.
    pub(in crate::sqlite) async fn open(
        connect: SqliteConnectOptions,
        check: &'static str,
        files: Arc<Files>,
    ) -> Result<Self, sqlx::Error> {
        let first = Reader::open(&connect, false).await?;
        let prefetching =
            IdlePool::new(connect.clone().row_buffer_size(PREFETCH), true, Arc::clone(&files), vec![]);
        let full = IdlePool::new(connect, false, files, vec![first]);
        Ok(Self { full, prefetching, checks: Arc::new(Semaphore::new(1)), check })
    }

    /// A lease of a connection with this permit, from the prefetching pool if `prefetch`.
    pub(in crate::sqlite) async fn lease(
        self: &Arc<Self>,
        permit: ReadPermit,
        prefetch: bool,
    ) -> Result<Lease<Self>, Error> {
        let pool = if prefetch { &self.prefetching } else { &self.full };
        Ok(Lease::new(self, pool.take().await?, permit))
    }

    /// Exchanges a prefetching connection, whose statement met a large value, for one without prefetch.
    pub(in crate::sqlite) async fn switch_to_full(lease: &mut Lease<Self>) -> Result<(), Error> {
        if let Some((reader, permit)) = lease.take() {
            reader.stop();
            lease.source().give_back(reader);
            let reader = lease.source().full.take().await?;
            lease.hold(reader, permit);
        }
        Ok(())
    }

    /// Checks that the database answers a read, on a reserved connection.
    pub(in crate::sqlite) async fn check(self: &Arc<Self>) -> Result<(), Error> {
        let permit = Arc::clone(&self.checks).acquire_owned().await.map_err(|_| closed())?;
        let mut lease = self.lease(ReadPermit::Reserved(permit), false).await?;
        match number(lease.connection()?.connection(), self.check).await {
            Ok(_) => {
                lease.give_back();
                Ok(())
            }
            Err(error) => {
                discard(lease);
                Err(translate(error))
            }
        }
    }

    /// Refuses further checks.
    pub(in crate::sqlite) fn close_checks(&self) {
        self.checks.close();
    }

    /// Closes idle connections.
    pub(in crate::sqlite) async fn close(&self) {
        self.full.close().await;
        self.prefetching.close().await;
    }
}

impl Source for Connections {
    type Connection = Reader;

    fn give_back(&self, reader: Reader) {
        let pool = if reader.prefetches { &self.prefetching } else { &self.full };
        lock(&pool.idle).push(reader);
    }

    /// The statement is interrupted, so that the next request does not wait for it (ERR-4).
    fn abandon(self: &Arc<Self>, reader: Reader, _permit: ReadPermit) {
        reader.stop();
        self.give_back(reader);
    }
}

/// Drops a connection that failed.
pub(in crate::sqlite) fn discard(mut lease: Lease<Connections>) {
    if let Some((reader, _permit)) = lease.take() {
        reader.stop();
    }
}

impl IdlePool {
    fn new(connect: SqliteConnectOptions, prefetches: bool, files: Arc<Files>, idle: Vec<Reader>) -> Self {
        Self { connect, prefetches, files, idle: Mutex::new(idle) }
    }

    /// An idle connection, or a new one to the file that is already open.
    async fn take(&self) -> Result<Reader, Error> {
        let idle = lock(&self.idle).pop();
        if let Some(reader) = idle {
            return reader.ready().await.map_err(translate);
        }
        let reader = Reader::open(&self.connect, self.prefetches).await.map_err(translate)?;
        self.files.recheck()?;
        Ok(reader)
    }

    /// Closes idle connections.
    async fn close(&self) {
        let idle = std::mem::take(&mut *lock(&self.idle));
        for reader in idle {
            // A read-only connection has nothing to lose.
            let _ = reader.connection.close().await;
        }
    }
}

/// A std mutex: never held across an await, and no panic can leave the list half changed.
fn lock(idle: &Mutex<Vec<Reader>>) -> MutexGuard<'_, Vec<Reader>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reader {
    async fn open(connect: &SqliteConnectOptions, prefetches: bool) -> Result<Self, sqlx::Error> {
        let mut connection = connect.connect().await?;
        let control = Arc::new(Control { stop: AtomicBool::new(false), budget: AtomicI64::new(i64::MAX) });
        let handler = Arc::clone(&control);
        connection.lock_handle().await?.set_progress_handler(STEPS, move || handler.may_continue());
        Ok(Self { connection, control, prefetches })
    }

    /// The connection.
    pub(in crate::sqlite) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// The connection, for a batched read of `spans` spans: a statement that passes over many dead rows is interrupted.
    pub(in crate::sqlite) fn bounded(&mut self, spans: usize) -> &mut SqliteConnection {
        self.control.budget.store(check_budget(spans), Ordering::Relaxed);
        &mut self.connection
    }

    /// No caller waits for its statement any more.
    fn stop(&self) {
        self.control.stop.store(true, Ordering::Relaxed);
    }

    /// Waits until a statement that was abandoned on the connection has stopped.
    async fn ready(mut self) -> Result<Self, sqlx::Error> {
        if self.control.stop.load(Ordering::Relaxed) {
            // Commands are executed in order, so this returns after the statement has ended.
            self.connection.ping().await?;
            self.control.stop.store(false, Ordering::Relaxed);
        }
        self.control.budget.store(i64::MAX, Ordering::Relaxed);
        Ok(self)
    }
}

impl Control {
    /// Whether the running statement may continue.
    fn may_continue(&self) -> bool {
        !self.stop.load(Ordering::Relaxed) && self.budget.fetch_sub(1, Ordering::Relaxed) > 0
    }
}
