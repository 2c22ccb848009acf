//! The connections that read: lent out one request at a time, or to many small Gets that ride together.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prism_contract::keyvalue::{Error, Get, ItemPage};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::timeout;

use super::Options;
use super::error::translate;
use super::settings::number;
use crate::queue::{closed, shed};
use crate::ride::{Carrier, Line, Ride, Rode, may_ride};

/// How many steps of SQLite's machine an abandoned statement may still take: well under a millisecond.
const STEPS: i32 = 10_000;

/// How many rows come before they are taken, where all of them are small: the more, the seldomer who reads them is woken.
const AHEAD: usize = 128;

/// How many pages are not tried in haste after one that had a large value.
const SLOW_PAGES: usize = 16;

/// A bounded number of connections, and a bounded number of requests that wait for them.
pub(super) struct Readers {
    pool: Arc<Pool>,
    /// One permit for each request that is served or may wait for a connection of its own.
    waiting: Arc<Semaphore>,
    line: Line,
    wait: Duration,
    /// How many pages are still not tried in haste.
    slow: AtomicUsize,
}

/// The connections.
struct Pool {
    /// For rows of which each may have 1 MiB.
    careful: Shelf,
    /// For rows that are all small, and for rides, which keep the rows that they ask for: [`AHEAD`] of them.
    hasty: Shelf,
    /// One permit for each connection that may be lent.
    free: Arc<Semaphore>,
    count: usize,
}

/// Connections of one kind that rest, and how further ones are opened.
struct Shelf {
    connect: SqliteConnectOptions,
    idle: Arc<Mutex<Vec<Reader>>>,
}

/// A connection, and the means to stop what it does.
struct Reader {
    connection: SqliteConnection,
    stop: Arc<AtomicBool>,
}

/// A connection on loan. Dropped early, it stops its statement; see [`Lease::give_back`].
pub(super) struct Lease {
    idle: Arc<Mutex<Vec<Reader>>>,
    reader: Option<Reader>,
    _free: OwnedSemaphorePermit,
    _waiting: Option<OwnedSemaphorePermit>,
}

impl Readers {
    /// Opens one connection, to see that it works; the others are opened when they are needed.
    pub(super) async fn open(connect: SqliteConnectOptions, options: &Options) -> Result<Self, sqlx::Error> {
        let first = Reader::open(&connect).await?;
        let room = options.readers.saturating_add(options.waiting_reads).min(Semaphore::MAX_PERMITS);
        let count = options.readers.min(Semaphore::MAX_PERMITS);
        let free = Arc::new(Semaphore::new(count));
        let hasty = Shelf::new(connect.clone().row_buffer_size(AHEAD), vec![]);
        let pool = Arc::new(Pool { careful: Shelf::new(connect, vec![first]), hasty, free, count });
        let line = Line::new(Arc::clone(&pool), options.waiting_reads, options.read_wait);
        Ok(Self {
            pool,
            waiting: Arc::new(Semaphore::new(room)),
            line,
            wait: options.read_wait,
            slow: AtomicUsize::new(0),
        })
    }

    /// A page of a record. Alone it is read at once; beside others it rides with them if it may.
    pub(super) async fn get(&self, get: Get) -> Result<ItemPage, Error> {
        if !may_ride(&get) || (self.pool.is_idle() && self.line.is_idle()) {
            return self.get_alone(&get).await;
        }
        match self.line.ride(get).await? {
            Rode::Arrived(page) => Ok(page),
            Rode::Alone(get) => self.get_alone(&get).await,
        }
    }

    /// Whether a page is worth a try in haste: its values are probably small.
    pub(super) fn is_haste_worth_it(&self) -> bool {
        self.slow.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
    }

    /// Lends a connection that is careful, or hasty; sheds the request if too many wait, or if it waits too long.
    pub(super) async fn lend(&self, haste: bool) -> Result<Lease, Error> {
        let waiting = Arc::clone(&self.waiting).try_acquire_owned().map_err(|refused| match refused {
            TryAcquireError::NoPermits => shed(),
            TryAcquireError::Closed => closed(),
        })?;
        let free = timeout(self.wait, Arc::clone(&self.pool.free).acquire_owned())
            .await
            .map_err(|_| shed())?
            .map_err(|_| closed())?;
        let shelf = if haste { &self.pool.hasty } else { &self.pool.careful };
        shelf.lease(free, Some(waiting)).await.map_err(translate)
    }

    /// Gives a careful connection for a hasty one, whose statement met a large value.
    pub(super) async fn slow_down(&self, lease: &mut Lease) -> Result<(), Error> {
        self.slow.store(SLOW_PAGES, Ordering::Relaxed);
        lease.lay_down();
        let careful = &self.pool.careful;
        lease.reader = Some(careful.take().await.map_err(translate)?);
        lease.idle = Arc::clone(&careful.idle);
        Ok(())
    }

    /// Whether the database answers a read.
    pub(super) async fn check(&self) -> Result<(), Error> {
        let mut lease = self.lend(false).await?;
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
        self.waiting.close();
        self.line.close().await;
        self.pool.close().await;
    }
}

impl Carrier for Pool {
    async fn carry(&self, mut ride: Ride, right: OwnedSemaphorePermit) {
        let Ok(mut lease) = self.hasty.lease(right, None).await else { return ride.get_off() };
        if lease.read(&mut ride).await.is_ok() {
            // First, so that whoever asks again meets a connection that is free.
            lease.give_back();
            ride.arrive();
        } else {
            lease.discard();
            ride.get_off();
        }
    }
}

impl Pool {
    /// Whether nothing is being read.
    fn is_idle(&self) -> bool {
        self.free.available_permits() == self.count
    }

    async fn close(&self) {
        // Fails only where somebody else has closed them already.
        let all = self.free.acquire_many(u32::try_from(self.count).unwrap_or(u32::MAX)).await;
        self.free.close();
        drop(all);
        self.careful.close().await;
        self.hasty.close().await;
    }
}

impl Shelf {
    fn new(connect: SqliteConnectOptions, idle: Vec<Reader>) -> Self {
        Self { connect, idle: Arc::new(Mutex::new(idle)) }
    }

    /// A connection for whoever has the right to one.
    async fn lease(
        &self,
        free: OwnedSemaphorePermit,
        waiting: Option<OwnedSemaphorePermit>,
    ) -> Result<Lease, sqlx::Error> {
        let reader = self.take().await?;
        Ok(Lease { idle: Arc::clone(&self.idle), reader: Some(reader), _free: free, _waiting: waiting })
    }

    /// One that rests, or a new one.
    async fn take(&self) -> Result<Reader, sqlx::Error> {
        let idle = lock(&self.idle).pop();
        match idle {
            Some(reader) => reader.rested().await,
            None => Reader::open(&self.connect).await,
        }
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
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        connection.lock_handle().await?.set_progress_handler(STEPS, move || !stopped.load(Ordering::Relaxed));
        Ok(Self { connection, stop })
    }

    /// The connection, once a statement that was abandoned on it has stopped.
    async fn rested(mut self) -> Result<Self, sqlx::Error> {
        if self.stop.load(Ordering::Relaxed) {
            // Commands are served in order, so this is answered after the statement has ended.
            self.connection.ping().await?;
            self.stop.store(false, Ordering::Relaxed);
        }
        Ok(self)
    }
}

impl Lease {
    /// The connection.
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, Error> {
        let reader =
            self.reader.as_mut().ok_or_else(|| Error::internal("a connection was given back twice"))?;
        Ok(&mut reader.connection)
    }

    /// Gives a connection back whose statement has ended.
    pub(super) fn give_back(mut self) {
        if let Some(reader) = self.reader.take() {
            lock(&self.idle).push(reader);
        }
    }

    /// Gives a connection back whose statement may still run: it is told to stop, so that whoever comes next does not wait for
    /// it (ERR-4).
    fn lay_down(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.stop.store(true, Ordering::Relaxed);
            lock(&self.idle).push(reader);
        }
    }

    /// Throws a connection away that failed.
    pub(super) fn discard(mut self) {
        if let Some(reader) = self.reader.take() {
            reader.stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.lay_down();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use futures::{StreamExt, pin_mut, poll};
    use prism_contract::keyvalue::{Namespace, Predicate, RecordId, Selection, Timestamp};

    use super::*;

    /// Counts for ever, and finds nothing.
    const ENDLESS: &str =
        "WITH RECURSIVE n (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT x FROM n WHERE x < 0";

    #[tokio::test]
    async fn reads_beyond_those_that_may_wait_are_shed() {
        let mut options = Options::new(Path::new("unused"));
        (options.readers, options.waiting_reads) = (1, 1);
        let readers = Readers::open(SqliteConnectOptions::new().in_memory(true), &options).await.unwrap();
        let served = readers.lend(false).await.unwrap();
        let waiting = readers.lend(false);
        pin_mut!(waiting);
        assert!(poll!(&mut waiting).is_pending());
        assert!(matches!(readers.lend(false).await, Err(Error::ResourceExhausted(_))));
        served.give_back();
        waiting.await.unwrap().give_back();
    }

    #[tokio::test]
    async fn a_read_that_waits_too_long_is_shed() {
        let mut options = Options::new(Path::new("unused"));
        (options.readers, options.read_wait) = (1, Duration::ZERO);
        let readers = Readers::open(SqliteConnectOptions::new().in_memory(true), &options).await.unwrap();
        let served = readers.lend(false).await.unwrap();
        assert!(matches!(readers.lend(false).await, Err(Error::ResourceExhausted(_))));
        served.give_back();
        readers.lend(false).await.unwrap().give_back();
    }

    #[tokio::test]
    async fn a_small_get_does_not_wait_for_a_connection_that_others_hold() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::new(folder.path().join("prism.db"));
        options.readers = 1;
        let opened = super::super::open::open(&options).await.unwrap();
        let held = opened.readers.lend(false).await.unwrap();
        let get = Get {
            namespace: Namespace::new("n").unwrap(),
            id: RecordId::new("r").unwrap(),
            predicate: Predicate::All,
            selection: Selection::default(),
            after: None,
            now: Timestamp::EPOCH,
        };
        assert_eq!(opened.readers.get(get).await.unwrap(), ItemPage::default());
        held.give_back();
    }

    #[tokio::test]
    async fn an_abandoned_read_is_stopped_and_its_connection_serves_the_next() {
        let mut options = Options::new(Path::new("unused"));
        options.readers = 1;
        let readers = Readers::open(SqliteConnectOptions::new().in_memory(true), &options).await.unwrap();
        let mut lease = readers.lend(false).await.unwrap();
        {
            let mut rows = sqlx::query(ENDLESS).fetch(lease.connection().unwrap());
            assert!(poll!(rows.next()).is_pending());
        }
        drop(lease);
        let next = timeout(Duration::from_mins(1), readers.lend(false)).await;
        let mut lease = next.expect("the statement was not stopped").unwrap();
        assert_eq!(number(lease.connection().unwrap(), "SELECT 1").await.unwrap(), 1);
        lease.give_back();
    }
}
