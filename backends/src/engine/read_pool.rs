//! The connections that reads acquire: one request one at a time, and batched reads those that are reserved for them.

use std::sync::Arc;
use std::time::Duration;

use prism_contract::{Error, Namespace};
use tokio::sync::OwnedSemaphorePermit;

use super::dispatcher::{BatchQueue, BatchReader, Batchable, ReadOutcome};
use super::slots::{Slot, Slots};

/// The right to use a connection, given back when it is dropped.
#[expect(dead_code, reason = "it is held, and never looked at")]
pub(crate) enum Right {
    /// One of [`Slots`].
    Slot(Slot),
    /// One of a semaphore's: a batched read's, or a check's.
    Permit(OwnedSemaphorePermit),
}

/// Where connections come from, and where they go.
pub(crate) trait Source: Sized + Send + Sync + 'static {
    /// A connection.
    type Connection: Send + 'static;

    /// Takes back a connection whose statement has ended.
    fn give_back(&self, connection: Self::Connection);

    /// Takes back a connection whose statement may still run, with the right to it: no caller waits any more (ERR-4).
    fn abandon(self: &Arc<Self>, connection: Self::Connection, right: Right);
}

/// An acquired connection. Dropped early, it is abandoned.
pub(crate) struct Lease<S: Source> {
    source: Arc<S>,
    /// The connection and the right to have it, which travel together.
    held: Option<(S::Connection, Right)>,
}

impl<S: Source> Lease<S> {
    /// A connection for the holder of a right.
    pub(crate) fn new(source: &Arc<S>, connection: S::Connection, right: Right) -> Self {
        Self { source: Arc::clone(source), held: Some((connection, right)) }
    }

    /// The connection.
    pub(crate) fn connection(&mut self) -> Result<&mut S::Connection, Error> {
        let held = self.held.as_mut().ok_or_else(|| Error::internal("a connection was given back twice"))?;
        Ok(&mut held.0)
    }

    /// Gives a connection back whose statement has ended.
    pub(crate) fn give_back(mut self) {
        if let Some((connection, _right)) = self.held.take() {
            self.source.give_back(connection);
        }
    }

    /// The connection without its lease, and the right to it.
    pub(crate) fn take(&mut self) -> Option<(S::Connection, Right)> {
        self.held.take()
    }

    /// Holds another connection by the same right.
    #[cfg(feature = "sqlite")]
    pub(crate) fn hold(&mut self, connection: S::Connection, right: Right) {
        self.held = Some((connection, right));
    }

    /// Where the connection came from.
    pub(crate) fn source(&self) -> &S {
        &self.source
    }
}

impl<S: Source> Drop for Lease<S> {
    fn drop(&mut self) {
        if let Some((connection, right)) = self.held.take() {
            self.source.abandon(connection, right);
        }
    }
}

/// A bounded number of connections, and a bounded number of requests that wait for them.
pub(crate) struct ReadPool<S, R: Batchable> {
    pub(crate) source: Arc<S>,
    /// One for each connection that may be acquired.
    slots: Slots,
    batches: BatchQueue<R>,
    wait: Duration,
}

impl<S: BatchReader<R>, R: Batchable> ReadPool<S, R> {
    /// At most `readers` connections at once, for each of which, and for batched reads, at most `waiting` requests wait, and no
    /// longer than `wait`.
    pub(crate) fn new(source: Arc<S>, readers: usize, waiting: usize, wait: Duration) -> Self {
        let batches = BatchQueue::new(Arc::clone(&source), waiting, wait);
        Self { source, slots: Slots::new(readers, waiting), batches, wait }
    }

    /// Reads as part of a batched read, or tells that it is to be read alone: at once where it is the only read.
    pub(crate) async fn batched(&self, read: &R) -> Result<ReadOutcome<R::Page>, Error> {
        self.batches.read(read, &self.slots).await
    }

    /// The right to a connection; sheds the request if too many wait, or if it waits too long.
    pub(crate) async fn right(&self, namespace: &Namespace) -> Result<Right, Error> {
        Ok(Right::Slot(self.slots.take(namespace, self.wait).await?))
    }

    /// Waits for what is being read.
    pub(crate) async fn close(&self) {
        self.batches.close().await;
        self.slots.close().await;
    }
}
