//! The read connections: one request acquires one at a time, and batched reads have connections reserved for them.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prism_contract::keyvalue::{Get, ItemPage};
use prism_contract::{Error, Namespace};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Options;
use super::error::{Code, code, translate};
use super::files::Files;
use super::settings::number;
use crate::batched_read::{BatchQueue, BatchReader, BatchedRead, ReadOutcome};
use crate::queue::closed;
use crate::slots::{Right, Slots};

/// How many steps of SQLite's machine come between two looks at whether a statement is still wanted: some 20 microseconds.
const STEPS: i32 = 2_000;

/// How often a batched read is looked at before it is stopped: at 17 rows of some 35 steps for each span, a third of this is
/// enough where few rows are dead. What goes beyond, some ten thousand dead rows, is a millisecond or so.
fn looks(spans: usize) -> i64 {
    i64::try_from(spans).map_or(i64::MAX, |spans| spans.saturating_add(4))
}

/// Row prefetch depth for small rows: a deeper buffer means fewer wake-ups of the reading task.
const AHEAD: usize = 128;

/// Pages that are read without prefetch after one that had a large value.
const SLOW_PAGES: usize = 16;

/// A bounded number of connections, and a bounded number of requests that wait for them.
pub(super) struct Readers {
    pool: Arc<Pool>,
    batches: BatchQueue,
    /// One permit: the check has a connection that requests do not acquire.
    checks: Arc<Semaphore>,
    wait: Duration,
    /// Pages that are still to be read without prefetch.
    slow: AtomicUsize,
}

/// The connections.
struct Pool {
    /// For rows of which each may have 1 MiB.
    full: IdlePool,
    /// For rows that are all small, and for batched reads, which keep the rows that they ask for: [`AHEAD`] of them.
    prefetching: IdlePool,
    /// One for each connection that may be acquired.
    slots: Slots,
}

/// Connections of one kind that rest, and how further ones are opened.
struct IdlePool {
    connect: SqliteConnectOptions,
    files: Arc<Files>,
    idle: Arc<Mutex<Vec<Reader>>>,
}

/// A connection, and the means to stop what it does.
struct Reader {
    connection: SqliteConnection,
    control: Arc<Control>,
}

/// What stops a statement.
struct Control {
    /// No caller waits for it any more.
    stop: AtomicBool,
    /// How many more times it is found running and may go on.
    looks: AtomicI64,
}

/// An acquired connection. Dropped early, it stops its statement; see [`Lease::give_back`].
pub(super) struct Lease {
    idle: Arc<Mutex<Vec<Reader>>>,
    reader: Option<Reader>,
    _right: Right,
}

impl Readers {
    /// Opens one connection, to see that it works; the others are opened when they are needed.
    pub(super) async fn open(
        connect: SqliteConnectOptions,
        options: &Options,
        files: Arc<Files>,
    ) -> Result<Self, sqlx::Error> {
        let first = Reader::open(&connect).await?;
        let slots = Slots::new(options.readers, options.waiting_reads);
        let prefetching = IdlePool::new(connect.clone().row_buffer_size(AHEAD), Arc::clone(&files), vec![]);
        let full = IdlePool::new(connect, files, vec![first]);
        let pool = Arc::new(Pool { full, prefetching, slots });
        let batches = BatchQueue::new(Arc::clone(&pool), options.waiting_reads, options.read_wait);
        Ok(Self {
            pool,
            batches,
            checks: Arc::new(Semaphore::new(1)),
            wait: options.read_wait,
            slow: AtomicUsize::new(0),
        })
    }

    /// A page of a record: read at once where it is the only read, and otherwise as part of a batched read if it can be.
    pub(super) async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        match self.batches.read(get, &self.pool.slots).await? {
            ReadOutcome::Page(page) => Ok(page),
            ReadOutcome::Alone => self.get_alone(get).await,
        }
    }

    /// Whether a page is worth a try with prefetch: its values are probably small.
    pub(super) fn is_prefetch_worthwhile(&self) -> bool {
        self.slow.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
    }

    /// Acquires a connection that prefetches little, or much; sheds the request if too many wait, or if it waits too long.
    pub(super) async fn acquire(&self, namespace: &Namespace, prefetch: bool) -> Result<Lease, Error> {
        let slot = self.pool.slots.take(namespace, self.wait).await?;
        let pool = if prefetch { &self.pool.prefetching } else { &self.pool.full };
        pool.lease(Right::Slot(slot)).await
    }

    /// Exchanges a connection that prefetches much, whose statement met a large value, for one that prefetches little.
    pub(super) async fn slow_down(&self, lease: &mut Lease) -> Result<(), Error> {
        self.slow.store(SLOW_PAGES, Ordering::Relaxed);
        lease.return_running();
        let full = &self.pool.full;
        lease.reader = Some(full.take().await?);
        lease.idle = Arc::clone(&full.idle);
        Ok(())
    }

    /// Whether the database answers a read, on a connection that requests do not acquire.
    pub(super) async fn check(&self) -> Result<(), Error> {
        let permit = Arc::clone(&self.checks).acquire_owned().await.map_err(|_| closed())?;
        let mut lease = self.pool.full.lease(Right::Permit(permit)).await?;
        match number(lease.connection()?, "SELECT last FROM versions").await {
            Ok(_) => {
                lease.give_back();
                Ok(())
            }
            Err(error) => {
                lease.discard();
                Err(translate(error))
            }
        }
    }

    /// Waits for what is being read, then closes every connection.
    pub(super) async fn close(&self) {
        self.checks.close();
        self.batches.close().await;
        self.pool.close().await;
    }
}

impl BatchReader for Pool {
    async fn read_batch(&self, mut batch: BatchedRead, right: OwnedSemaphorePermit) {
        let Ok(mut lease) = self.prefetching.lease(Right::Permit(right)).await else {
            return batch.read_alone();
        };
        match lease.read(&mut batch).await {
            Ok(()) => {
                // First, so that the callers' next requests find a free connection.
                lease.give_back();
                batch.finish();
            }
            Err(error) if code(&error) == Some(Code::Interrupted) => {
                lease.read_one_by_one(batch).await;
            }
            Err(_) => {
                lease.discard();
                batch.read_alone();
            }
        }
    }
}

impl Pool {
    async fn close(&self) {
        self.slots.close().await;
        self.full.close().await;
        self.prefetching.close().await;
    }
}

impl IdlePool {
    fn new(connect: SqliteConnectOptions, files: Arc<Files>, idle: Vec<Reader>) -> Self {
        Self { connect, files, idle: Arc::new(Mutex::new(idle)) }
    }

    /// A connection for the holder of a permit.
    async fn lease(&self, right: Right) -> Result<Lease, Error> {
        let reader = self.take().await?;
        Ok(Lease { idle: Arc::clone(&self.idle), reader: Some(reader), _right: right })
    }

    /// One that rests, or a new one, to the file that is open already.
    async fn take(&self) -> Result<Reader, Error> {
        let idle = lock(&self.idle).pop();
        if let Some(reader) = idle {
            return reader.rested().await.map_err(translate);
        }
        let reader = Reader::open(&self.connect).await.map_err(translate)?;
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
    async fn open(connect: &SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        let mut connection = connect.connect().await?;
        let control = Arc::new(Control { stop: AtomicBool::new(false), looks: AtomicI64::new(i64::MAX) });
        let controls = Arc::clone(&control);
        connection.lock_handle().await?.set_progress_handler(STEPS, move || controls.goes_on());
        Ok(Self { connection, control })
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

impl Lease {
    /// The connection.
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, Error> {
        let reader =
            self.reader.as_mut().ok_or_else(|| Error::internal("a connection was given back twice"))?;
        Ok(&mut reader.connection)
    }

    /// The connection, for a batched read of so many spans: a statement that passes over many dead rows is interrupted.
    pub(super) fn bounded(&mut self, spans: usize) -> Result<&mut SqliteConnection, sqlx::Error> {
        let reader = self.reader.as_mut().ok_or(sqlx::Error::WorkerCrashed)?;
        reader.control.looks.store(looks(spans), Ordering::Relaxed);
        Ok(&mut reader.connection)
    }

    /// A batched read was interrupted. Gets that were read whole by then are answered; each of the others is read by a statement
    /// of the same bound, and one that goes beyond it as well is read alone, on a connection that its namespace waits for.
    async fn read_one_by_one(mut self, batch: BatchedRead) {
        let mut left = batch.interrupted().into_iter();
        for mut batch in left.by_ref() {
            match self.read(&mut batch).await {
                Ok(()) => batch.finish(),
                Err(error) if code(&error) == Some(Code::Interrupted) => batch.read_alone(),
                Err(_) => {
                    self.discard();
                    batch.read_alone();
                    return left.for_each(BatchedRead::read_alone);
                }
            }
        }
        self.give_back();
    }

    /// Gives a connection back whose statement has ended.
    pub(super) fn give_back(mut self) {
        if let Some(reader) = self.reader.take() {
            lock(&self.idle).push(reader);
        }
    }

    /// Gives a connection back whose statement may still run: it is stopped, so that the next request does not wait for
    /// it (ERR-4).
    fn return_running(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.control.stop.store(true, Ordering::Relaxed);
            lock(&self.idle).push(reader);
        }
    }

    /// Throws a connection away that failed.
    pub(super) fn discard(mut self) {
        if let Some(reader) = self.reader.take() {
            reader.control.stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.return_running();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use futures::{StreamExt, pin_mut, poll};
    use prism_contract::Timestamp;
    use prism_contract::keyvalue::{Predicate, RecordId, Selection};
    use tempfile::NamedTempFile;
    use tokio::time::timeout;

    use super::*;

    fn namespace() -> Namespace {
        Namespace::new("n").unwrap()
    }

    /// Readers of nothing.
    async fn readers(options: &Options) -> Readers {
        let file = NamedTempFile::new().unwrap();
        let files = Arc::new(Files::of(file.path()).unwrap());
        let readers =
            Readers::open(SqliteConnectOptions::new().in_memory(true), options, files).await.unwrap();
        // A connection that is opened later would find the file gone.
        std::mem::forget(file);
        readers
    }

    /// Counts for ever, and finds nothing.
    const ENDLESS: &str =
        "WITH RECURSIVE n (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT x FROM n WHERE x < 0";

    #[tokio::test]
    async fn reads_beyond_those_that_may_wait_are_shed() {
        let mut options = Options::new(Path::new("unused"));
        (options.readers, options.waiting_reads) = (1, 1);
        let readers = readers(&options).await;
        let served = readers.acquire(&namespace(), false).await.unwrap();
        let name = namespace();
        let waiting = readers.acquire(&name, false);
        pin_mut!(waiting);
        assert!(poll!(&mut waiting).is_pending());
        assert!(matches!(readers.acquire(&namespace(), false).await, Err(Error::ResourceExhausted(_))));
        served.give_back();
        waiting.await.unwrap().give_back();
    }

    #[tokio::test]
    async fn a_read_that_waits_too_long_is_shed() {
        let mut options = Options::new(Path::new("unused"));
        (options.readers, options.read_wait) = (1, Duration::ZERO);
        let readers = readers(&options).await;
        let served = readers.acquire(&namespace(), false).await.unwrap();
        assert!(matches!(readers.acquire(&namespace(), false).await, Err(Error::ResourceExhausted(_))));
        served.give_back();
        readers.acquire(&namespace(), false).await.unwrap().give_back();
    }

    #[tokio::test]
    async fn a_small_get_does_not_wait_for_a_connection_that_others_hold() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::new(folder.path().join("prism.db"));
        options.readers = 1;
        let opened = super::super::open::open(&options).await.unwrap();
        let held = opened.readers.acquire(&namespace(), false).await.unwrap();
        let get = Get {
            namespace: namespace(),
            id: RecordId::new("r").unwrap(),
            predicate: Predicate::All,
            selection: Selection::default(),
            after: None,
            now: Timestamp::EPOCH,
        };
        assert_eq!(opened.readers.get(&get).await.unwrap(), ItemPage::default());
        held.give_back();
    }

    #[tokio::test]
    async fn an_abandoned_read_is_stopped_and_its_connection_serves_the_next() {
        let mut options = Options::new(Path::new("unused"));
        options.readers = 1;
        let readers = readers(&options).await;
        let mut lease = readers.acquire(&namespace(), false).await.unwrap();
        {
            let mut rows = sqlx::query(ENDLESS).fetch(lease.connection().unwrap());
            assert!(poll!(rows.next()).is_pending());
        }
        drop(lease);
        let next = timeout(Duration::from_mins(1), readers.acquire(&namespace(), false)).await;
        let mut lease = next.expect("the statement was not stopped").unwrap();
        assert_eq!(number(lease.connection().unwrap(), "SELECT 1").await.unwrap(), 1);
        lease.give_back();
    }

    #[tokio::test]
    async fn a_batched_read_that_passes_over_too_many_rows_is_interrupted_and_its_connection_is_whole() {
        let mut options = Options::new(Path::new("unused"));
        options.readers = 1;
        let readers = readers(&options).await;
        let mut lease = readers.acquire(&namespace(), false).await.unwrap();
        let read = sqlx::query(ENDLESS).fetch_optional(lease.bounded(64).unwrap());
        let read = timeout(Duration::from_mins(1), read).await.expect("the statement was not interrupted");
        assert_eq!(read.err().and_then(|error| code(&error)), Some(Code::Interrupted));
        lease.give_back();
        let mut lease = readers.acquire(&namespace(), false).await.unwrap();
        assert_eq!(number(lease.connection().unwrap(), "SELECT 1").await.unwrap(), 1);
        lease.give_back();
    }

    #[tokio::test]
    async fn the_check_waits_for_no_connection_that_others_hold() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::new(folder.path().join("prism.db"));
        (options.readers, options.read_wait) = (1, Duration::ZERO);
        let opened = super::super::open::open(&options).await.unwrap();
        let held = opened.readers.acquire(&namespace(), false).await.unwrap();
        opened.readers.check().await.unwrap();
        held.give_back();
        opened.readers.close().await;
    }
}
