//! The pool of read connections: a request acquires one at a time; batched reads have reserved ones.

use std::sync::Arc;
use std::time::Duration;

use prism_contract::{Error, Namespace};
use tokio::sync::OwnedSemaphorePermit;

use super::dispatcher::{BatchQueue, BatchReader, Batchable, ReadOutcome};
use super::slots::{Slot, Slots};
use crate::observe::Load;

/// The permit to use a connection, returned on drop.
#[expect(dead_code, reason = "held for its Drop only")]
pub(crate) enum ReadPermit {
    /// One of [`Slots`].
    Slot(Slot),
    /// Of a semaphore: for a batched read, or for a check.
    Reserved(OwnedSemaphorePermit),
}

/// The owner of the connections.
pub(crate) trait Source: Sized + Send + Sync + 'static {
    /// A connection.
    type Connection: Send + 'static;

    /// Returns a connection whose statement has ended.
    fn give_back(&self, connection: Self::Connection);

    /// Returns a connection whose statement may still run, with its permit: no caller waits any more (ERR-4).
    fn abandon(self: &Arc<Self>, connection: Self::Connection, permit: ReadPermit);
}

/// An acquired connection. Dropped early, it is abandoned.
pub(crate) struct Lease<S: Source> {
    source: Arc<S>,
    /// The connection and its permit, which stay together.
    held: Option<(S::Connection, ReadPermit)>,
}

impl<S: Source> Lease<S> {
    /// A lease of a connection with its permit.
    pub(crate) fn new(source: &Arc<S>, connection: S::Connection, permit: ReadPermit) -> Self {
        Self { source: Arc::clone(source), held: Some((connection, permit)) }
    }

    /// The connection.
    pub(crate) fn connection(&mut self) -> Result<&mut S::Connection, Error> {
        let held = self.held.as_mut().ok_or_else(|| Error::internal("a connection was returned twice"))?;
        Ok(&mut held.0)
    }

    /// Returns a connection whose statement has ended.
    pub(crate) fn give_back(mut self) {
        if let Some((connection, _permit)) = self.held.take() {
            self.source.give_back(connection);
        }
    }

    /// The connection without its lease, and its permit.
    pub(crate) fn take(&mut self) -> Option<(S::Connection, ReadPermit)> {
        self.held.take()
    }

    /// Holds another connection with the same permit.
    #[cfg(feature = "sqlite")]
    pub(crate) fn hold(&mut self, connection: S::Connection, permit: ReadPermit) {
        self.held = Some((connection, permit));
    }

    /// The owner of the connection.
    pub(crate) fn source(&self) -> &S {
        &self.source
    }
}

impl<S: Source> Drop for Lease<S> {
    fn drop(&mut self) {
        if let Some((connection, permit)) = self.held.take() {
            self.source.abandon(connection, permit);
        }
    }
}

/// A bounded number of connections, and a bounded number of requests that wait for one.
pub(crate) struct ReadPool<S, R: Batchable> {
    pub(crate) source: Arc<S>,
    /// One per connection.
    slots: Slots,
    batches: BatchQueue<R>,
    wait: Duration,
}

impl<S: BatchReader<R>, R: Batchable> ReadPool<S, R> {
    /// At most `readers` connections at once. At most `waiting` requests wait for a connection, and as many for a batched
    /// read, each for at most `wait`.
    pub(crate) fn new(source: Arc<S>, readers: usize, waiting: usize, wait: Duration) -> Self {
        let batches = BatchQueue::new(Arc::clone(&source), waiting, wait);
        Self { source, slots: Slots::new(readers, waiting), batches, wait }
    }

    /// Reads as part of a batched read; [`ReadOutcome::Alone`] if it must be read alone, at once if it is the only read.
    pub(crate) async fn batched(&self, read: &R) -> Result<ReadOutcome<R::Page>, Error> {
        self.batches.read(read, &self.slots).await
    }

    /// A permit for a connection; sheds the request if too many wait, or if it waits too long.
    pub(crate) async fn permit(&self, namespace: &Namespace) -> Result<ReadPermit, Error> {
        Ok(ReadPermit::Slot(self.slots.take(namespace, self.wait).await?))
    }

    /// Adds the load of the connections and of the queues for them.
    pub(crate) fn load(&self, namespaces: usize, load: &mut Load) {
        let (pool, queue) = self.slots.load("read", namespaces);
        load.pools.push(pool);
        load.queues.push(queue);
        self.batches.load(namespaces, load);
    }

    /// Waits for running and waiting reads to end.
    pub(crate) async fn close(&self) {
        self.batches.close().await;
        self.slots.close().await;
    }
}
