//! The read connections: one request acquires one at a time, and batched reads have connections reserved for them.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prism_contract::Error;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::Semaphore;

use super::error::translate;
use super::files::Files;
use super::settings::number;
use crate::engine::{Lease, Right, Source, closed};

/// How many steps of SQLite's machine come between two looks at whether a statement is still wanted: some 20 microseconds.
const STEPS: i32 = 2_000;

/// How often a batched read is looked at before it is stopped: at 17 rows of some 35 steps for each span, a third of this is
/// enough where few rows are dead. What goes beyond, some ten thousand dead rows, is a millisecond or so.
fn looks(spans: usize) -> i64 {
    i64::try_from(spans).map_or(i64::MAX, |spans| spans.saturating_add(4))
}

/// Row prefetch depth for small rows: a deeper buffer means fewer wake-ups of the reading task.
const AHEAD: usize = 128;

/// The connections.
pub(in crate::sqlite) struct Connections {
    /// For rows of which each may have 1 MiB.
    full: IdlePool,
    /// For rows that are all small, and for batched reads, which keep the rows that they ask for: [`AHEAD`] of them.
    prefetching: IdlePool,
    /// One permit: the check has a connection that requests do not acquire.
    checks: Arc<Semaphore>,
    /// What the check reads.
    check: &'static str,
}

/// Connections of one kind that rest, and how further ones are opened.
struct IdlePool {
    connect: SqliteConnectOptions,
    prefetches: bool,
    files: Arc<Files>,
    idle: Mutex<Vec<Reader>>,
}

/// A connection, and the means to stop what it does.
pub(in crate::sqlite) struct Reader {
    connection: SqliteConnection,
    control: Arc<Control>,
    /// Which kind it is.
    prefetches: bool,
}

/// What stops a statement.
struct Control {
    /// No caller waits for it any more.
    stop: AtomicBool,
    /// How many more times it is found running and may go on.
    looks: AtomicI64,
}

impl Connections {
    /// Opens one connection, to see that it works; the others are opened when they are needed. `check` reads a number.
    pub(in crate::sqlite) async fn open(
        connect: SqliteConnectOptions,
        check: &'static str,
        files: Arc<Files>,
    ) -> Result<Self, sqlx::Error> {
        let first = Reader::open(&connect, false).await?;
        let prefetching =
            IdlePool::new(connect.clone().row_buffer_size(AHEAD), true, Arc::clone(&files), vec![]);
        let full = IdlePool::new(connect, false, files, vec![first]);
        Ok(Self { full, prefetching, checks: Arc::new(Semaphore::new(1)), check })
    }

    /// A connection for the holder of a right, which prefetches little, or much.
    pub(in crate::sqlite) async fn lease(
        self: &Arc<Self>,
        right: Right,
        prefetch: bool,
    ) -> Result<Lease<Self>, Error> {
        let pool = if prefetch { &self.prefetching } else { &self.full };
        Ok(Lease::new(self, pool.take().await?, right))
    }

    /// Exchanges a connection that prefetches much, whose statement met a large value, for one that prefetches little.
    pub(in crate::sqlite) async fn slow_down(lease: &mut Lease<Self>) -> Result<(), Error> {
        if let Some((reader, right)) = lease.take() {
            reader.stop();
            lease.source().give_back(reader);
            let reader = lease.source().full.take().await?;
            lease.hold(reader, right);
        }
        Ok(())
    }

    /// Whether the database answers a read, on a connection that requests do not acquire.
    pub(in crate::sqlite) async fn check(self: &Arc<Self>) -> Result<(), Error> {
        let permit = Arc::clone(&self.checks).acquire_owned().await.map_err(|_| closed())?;
        let mut lease = self.lease(Right::Permit(permit), false).await?;
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

    /// Lets no check in any more.
    pub(in crate::sqlite) fn close_checks(&self) {
        self.checks.close();
    }

    /// Closes those that rest.
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

    /// The statement is stopped, so that the next request does not wait for it (ERR-4).
    fn abandon(self: &Arc<Self>, reader: Reader, _right: Right) {
        reader.stop();
        self.give_back(reader);
    }
}

/// Throws a connection away that failed.
pub(in crate::sqlite) fn discard(mut lease: Lease<Connections>) {
    if let Some((reader, _right)) = lease.take() {
        reader.stop();
    }
}

impl IdlePool {
    fn new(connect: SqliteConnectOptions, prefetches: bool, files: Arc<Files>, idle: Vec<Reader>) -> Self {
        Self { connect, prefetches, files, idle: Mutex::new(idle) }
    }

    /// One that rests, or a new one, to the file that is open already.
    async fn take(&self) -> Result<Reader, Error> {
        let idle = lock(&self.idle).pop();
        if let Some(reader) = idle {
            return reader.rested().await.map_err(translate);
        }
        let reader = Reader::open(&self.connect, self.prefetches).await.map_err(translate)?;
        self.files.look()?;
        Ok(reader)
    }

    /// Closes those that rest.
    async fn close(&self) {
        let idle = std::mem::take(&mut *lock(&self.idle));
        for reader in idle {
            // A connection that only read has nothing to lose.
            let _ = reader.connection.close().await;
        }
    }
}

/// A std mutex: nothing awaits while it is held, and no panic can leave the list half changed.
fn lock(idle: &Mutex<Vec<Reader>>) -> MutexGuard<'_, Vec<Reader>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reader {
    async fn open(connect: &SqliteConnectOptions, prefetches: bool) -> Result<Self, sqlx::Error> {
        let mut connection = connect.connect().await?;
        let control = Arc::new(Control { stop: AtomicBool::new(false), looks: AtomicI64::new(i64::MAX) });
        let controls = Arc::clone(&control);
        connection.lock_handle().await?.set_progress_handler(STEPS, move || controls.goes_on());
        Ok(Self { connection, control, prefetches })
    }

    /// The connection.
    pub(in crate::sqlite) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// The connection, for a batched read of so many spans: a statement that passes over many dead rows is interrupted.
    pub(in crate::sqlite) fn bounded(&mut self, spans: usize) -> &mut SqliteConnection {
        self.control.looks.store(looks(spans), Ordering::Relaxed);
        &mut self.connection
    }

    /// No caller waits for its statement any more.
    fn stop(&self) {
        self.control.stop.store(true, Ordering::Relaxed);
    }

    /// The connection, once a statement that was abandoned on it has stopped.
    async fn rested(mut self) -> Result<Self, sqlx::Error> {
        if self.control.stop.load(Ordering::Relaxed) {
            // Commands are served in order, so this is answered after the statement has ended.
            self.connection.ping().await?;
            self.control.stop.store(false, Ordering::Relaxed);
        }
        self.control.looks.store(i64::MAX, Ordering::Relaxed);
        Ok(self)
    }
}

impl Control {
    /// Whether the statement that runs is still wanted.
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed) && self.looks.fetch_sub(1, Ordering::Relaxed) > 0
    }
}
