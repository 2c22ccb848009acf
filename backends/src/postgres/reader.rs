//! The connections that read: lent out one request at a time, or to many small Gets that ride together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prism_contract::keyvalue::{Error, Get, ItemPage};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::timeout;

use super::Options;
use super::error::{is_broken, translate};
use super::session::{Connector, Session};
use crate::queue::{closed, shed};
use crate::ride::{Carrier, Line, Ride, Rode, may_ride};

/// A bounded number of connections, and a bounded number of requests that wait for them.
pub(super) struct Readers {
    pool: Arc<Pool>,
    /// One permit for each request that is served or may wait for a connection of its own.
    waiting: Arc<Semaphore>,
    line: Line,
    wait: Duration,
}

/// The connections.
struct Pool {
    connector: Connector,
    idle: Arc<Mutex<Vec<Session>>>,
    /// One permit for each connection that may be lent.
    free: Arc<Semaphore>,
    count: usize,
}

/// A connection on loan. Dropped early, its statement is waited for elsewhere; see [`Lease::give_back`].
pub(super) struct Lease {
    idle: Arc<Mutex<Vec<Session>>>,
    /// The session and the right to have it, which travel together.
    lent: Option<(Session, OwnedSemaphorePermit)>,
    /// Whether the session was there before this request.
    used: bool,
    _waiting: Option<OwnedSemaphorePermit>,
}

impl Readers {
    /// Starts with one session; others are opened when they are needed.
    pub(super) fn new(connector: Connector, first: Session, options: &Options) -> Self {
        let room = options.readers.saturating_add(options.waiting_reads).min(Semaphore::MAX_PERMITS);
        let count = options.readers.min(Semaphore::MAX_PERMITS);
        let idle = Arc::new(Mutex::new(vec![first]));
        let pool = Arc::new(Pool { connector, idle, free: Arc::new(Semaphore::new(count)), count });
        let line = Line::new(Arc::clone(&pool), options.waiting_reads, options.read_wait);
        Self { pool, waiting: Arc::new(Semaphore::new(room)), line, wait: options.read_wait }
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

    /// Lends a connection; sheds the request if too many wait, or if it waits too long.
    pub(super) async fn lend(&self) -> Result<Lease, Error> {
        let waiting = Arc::clone(&self.waiting).try_acquire_owned().map_err(|refused| match refused {
            TryAcquireError::NoPermits => shed(),
            TryAcquireError::Closed => closed(),
        })?;
        let free = timeout(self.wait, Arc::clone(&self.pool.free).acquire_owned())
            .await
            .map_err(|_| shed())?
            .map_err(|_| closed())?;
        self.pool.lease(free, Some(waiting)).await.map_err(translate)
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
        let Ok(mut lease) = self.lease(right, None).await else { return ride.get_off() };
        let Ok(session) = lease.session() else { return ride.get_off() };
        match session.read(&mut ride).await {
            Ok(()) => {
                // First, so that whoever asks again meets a connection that is free.
                lease.give_back();
                ride.arrive();
            }
            Err(error) => {
                lease.failed(&error);
                ride.get_off();
            }
        }
    }
}

impl Pool {
    /// Whether nothing is being read.
    fn is_idle(&self) -> bool {
        self.free.available_permits() == self.count
    }

    /// A connection for whoever has the right to one.
    async fn lease(
        &self,
        free: OwnedSemaphorePermit,
        waiting: Option<OwnedSemaphorePermit>,
    ) -> Result<Lease, sqlx::Error> {
        let (session, used) = match self.awake().await {
            Some(session) => (session, true),
            None => (self.connector.open().await?, false),
        };
        Ok(Lease { idle: Arc::clone(&self.idle), lent: Some((session, free)), used, _waiting: waiting })
    }

    /// An idle connection that can be relied on; those that cannot are let go.
    async fn awake(&self) -> Option<Session> {
        loop {
            let mut session = lock(&self.idle).pop()?;
            if session.is_awake().await {
                return Some(session);
            }
            // The others have probably broken with it.
            lock(&self.idle).clear();
        }
    }

    async fn close(&self) {
        // Fails only where somebody else has closed them already.
        let all = self.free.acquire_many(u32::try_from(self.count).unwrap_or(u32::MAX)).await;
        self.free.close();
        drop(all);
        let idle = std::mem::take(&mut *lock(&self.idle));
        for session in idle {
            session.close().await;
        }
    }
}

/// A std mutex: nothing awaits while it is held, and no panic can leave the list half changed.
fn lock(idle: &Mutex<Vec<Session>>) -> MutexGuard<'_, Vec<Session>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lease {
    /// The session.
    pub(super) fn session(&mut self) -> Result<&mut Session, Error> {
        let lent = self.lent.as_mut().ok_or_else(|| Error::internal("a connection was given back twice"))?;
        Ok(&mut lent.0)
    }

    /// Gives a session back whose statement has ended.
    pub(super) fn give_back(mut self) {
        if let Some((session, _free)) = self.lent.take() {
            lock(&self.idle).push(session);
        }
    }

    /// Ends the loan after `error`. Answers whether a read may be tried once more: the connection was an old one, which can
    /// have broken long ago, and a read changes nothing.
    pub(super) fn failed(mut self, error: &sqlx::Error) -> bool {
        let lent = self.lent.take();
        if is_broken(error) {
            lock(&self.idle).clear();
            return self.used;
        }
        if let Some((session, _free)) = lent {
            lock(&self.idle).push(session);
        }
        false
    }
}

impl Drop for Lease {
    /// A statement that nobody waits for any more runs on until it ends or times out. Its connection comes back when it has:
    /// to open another would cost more than that, and an impatient client could then make the gateway do little else.
    fn drop(&mut self) {
        let Some((mut session, free)) = self.lent.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        let idle = Arc::clone(&self.idle);
        runtime.spawn(async move {
            if session.settle().await.is_ok() {
                lock(&idle).push(session);
            }
            drop(free);
        });
    }
}
