//! The read connections: one request acquires one at a time, and batched reads have connections reserved for them.

use std::sync::Arc;
use std::time::Duration;

use prism_contract::keyvalue::{Get, ItemPage};
use prism_contract::{Error, Namespace};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use super::Options;
use super::error::{is_broken, is_read_only, translate};
use super::pool::{Pool, Use};
use super::session::Session;
use crate::batched_read::{BatchQueue, BatchReader, BatchedRead, ReadOutcome};
use crate::slots::{Right, Slots};

/// A bounded number of connections, and a bounded number of requests that wait for them.
pub(super) struct Readers {
    sessions: Arc<Sessions>,
    batches: BatchQueue,
    wait: Duration,
}

/// The connections.
struct Sessions {
    pool: Arc<Pool>,
    /// One for each connection that may be acquired.
    slots: Slots,
}

/// An acquired connection. Dropped early, its statement is waited for elsewhere; see [`Lease::give_back`].
pub(super) struct Lease {
    pool: Arc<Pool>,
    /// The session and the right to have it, which travel together.
    acquired: Option<(Session, Right)>,
    /// Whether the session was there before this request.
    used: bool,
}

impl Readers {
    /// Sessions are opened when they are needed.
    pub(super) fn new(pool: Arc<Pool>, options: &Options) -> Self {
        let slots = Slots::new(options.readers, options.waiting_reads);
        let sessions = Arc::new(Sessions { pool, slots });
        let batches = BatchQueue::new(Arc::clone(&sessions), options.waiting_reads, options.read_wait);
        Self { sessions, batches, wait: options.read_wait }
    }

    /// A page of a record: read at once where it is the only read, and otherwise as part of a batched read if it can be.
    pub(super) async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        match self.batches.read(get, &self.sessions.slots).await? {
            ReadOutcome::Page(page) => Ok(page),
            ReadOutcome::Alone => self.get_alone(get).await,
        }
    }

    /// Lends a connection; sheds the request if too many wait, or if it waits too long.
    pub(super) async fn acquire(&self, namespace: &Namespace) -> Result<Lease, Error> {
        let slot = self.sessions.slots.take(namespace, self.wait).await?;
        self.sessions.lease(Right::Slot(slot)).await.map_err(translate)
    }

    /// Waits for what is being read.
    pub(super) async fn close(&self) {
        self.batches.close().await;
        self.sessions.slots.close().await;
    }
}

impl BatchReader for Sessions {
    async fn read_batch(&self, mut batch: BatchedRead, right: OwnedSemaphorePermit) {
        let Ok(mut lease) = self.lease(Right::Permit(right)).await else { return batch.read_alone() };
        let Ok(session) = lease.session() else { return batch.read_alone() };
        match session.read(&mut batch).await {
            Ok(()) => {
                // First, so that the callers' next requests find a free connection.
                lease.give_back();
                batch.finish();
            }
            Err(error) => {
                lease.failed(&error);
                batch.read_alone();
            }
        }
    }
}

impl Sessions {
    /// A connection for the holder of a permit.
    async fn lease(&self, right: Right) -> Result<Lease, sqlx::Error> {
        let (session, used) = self.pool.take(Use::Read).await?;
        Ok(Lease { pool: Arc::clone(&self.pool), acquired: Some((session, right)), used })
    }
}

impl Lease {
    /// The session.
    pub(super) fn session(&mut self) -> Result<&mut Session, Error> {
        let acquired =
            self.acquired.as_mut().ok_or_else(|| Error::internal("a connection was given back twice"))?;
        Ok(&mut acquired.0)
    }

    /// Gives a session back whose statement has ended.
    pub(super) fn give_back(mut self) {
        if let Some((session, _right)) = self.acquired.take() {
            self.pool.give_back(session, Use::Read);
        }
    }

    /// Ends the loan after `error`. Answers whether a read may be tried once more: the connection was an old one, which can
    /// have broken long ago, and a read changes nothing.
    pub(super) fn failed(mut self, error: &sqlx::Error) -> bool {
        let Some((session, _right)) = self.acquired.take() else { return false };
        if is_broken(error) || is_read_only(error) {
            session.give_up();
            return self.used;
        }
        self.pool.give_back(session, Use::Read);
        false
    }
}

impl Drop for Lease {
    /// A statement that no caller waits for any more runs on until it ends or times out. Its connection comes back when it has:
    /// to open another would cost more than that, and an impatient client could then make the gateway do little else.
    fn drop(&mut self) {
        let Some((mut session, right)) = self.acquired.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        let pool = Arc::clone(&self.pool);
        runtime.spawn(async move {
            if session.settle().await.is_ok() {
                pool.give_back(session, Use::Read);
            }
            drop(right);
        });
    }
}
