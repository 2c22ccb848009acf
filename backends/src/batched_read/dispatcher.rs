//! The dispatcher of batched reads: each time a connection is free, it takes the pending Gets for one statement.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prism_contract::Error;
use prism_contract::keyvalue::Get;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{BatchedRead, PendingGets, ReadOutcome, is_batchable, take};
use crate::queue::{closed, shed};
use crate::slots::Slots;

/// Batched reads that run at the same time, each on a connection reserved for them: small reads do not wait behind scans. More of
/// them would each read for fewer Gets.
const CONCURRENT_BATCHES: u32 = 2;

/// A store that reads for pending Gets.
pub(crate) trait BatchReader: Send + Sync + 'static {
    /// Reads for the pending Gets, answers all of them, and returns the permit.
    fn read_batch(&self, batch: BatchedRead, right: OwnedSemaphorePermit) -> impl Future<Output = ()> + Send;
}

/// The queue of pending Gets, and its dispatcher.
pub(crate) struct BatchQueue {
    pending: Arc<PendingGets>,
    /// One permit for each batched read that may run.
    batched_reads: Arc<Semaphore>,
    dispatcher: Mutex<Option<JoinHandle<()>>>,
    wait: Duration,
}

impl BatchQueue {
    /// A queue of at most `length` Gets, none of which waits longer than `wait`.
    pub(crate) fn new(reader: Arc<impl BatchReader>, length: usize, wait: Duration) -> Self {
        let pending = Arc::new(PendingGets::new(length, usize::MAX));
        let batched_reads = Arc::new(Semaphore::new(CONCURRENT_BATCHES as usize));
        let dispatcher = tokio::spawn(dispatch(reader, Arc::clone(&pending), Arc::clone(&batched_reads)));
        Self { pending, batched_reads, dispatcher: Mutex::new(Some(dispatcher)), wait }
    }

    /// Waits for a batched read, and for its answer; sheds the request if too many wait, or if it waits too long. A Get that cannot
    /// be batched, or that is the only read, with all of `slots` free, is to be read alone.
    pub(crate) async fn read(&self, get: &Get, slots: &Slots) -> Result<ReadOutcome, Error> {
        if !is_batchable(get) || (slots.is_idle() && self.is_idle()) {
            return Ok(ReadOutcome::Alone);
        }
        let answered = self.pending.enter(&get.namespace, get.clone(), 0)?;
        timeout(self.wait, answered).await.map_err(|_| shed())?.unwrap_or_else(|_| Err(closed()))
    }

    /// Whether no Get waits and no batched read runs.
    fn is_idle(&self) -> bool {
        self.batched_reads.available_permits() == CONCURRENT_BATCHES as usize && self.pending.is_empty()
    }

    /// Refuses further Gets, and waits until those that are there have been answered.
    pub(crate) async fn close(&self) {
        self.pending.close();
        let dispatcher = self.dispatcher.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(dispatcher) = dispatcher {
            // One that panicked reads no more.
            let _ = dispatcher.await;
        }
        // This semaphore is never closed.
        let _all = self.batched_reads.acquire_many(CONCURRENT_BATCHES).await;
    }
}

impl Drop for BatchQueue {
    fn drop(&mut self) {
        self.pending.abandon();
    }
}

async fn dispatch(reader: Arc<impl BatchReader>, pending: Arc<PendingGets>, batched_reads: Arc<Semaphore>) {
    loop {
        // Asked first: what comes in between is seen.
        let closed = pending.is_closed();
        if pending.is_empty() {
            if closed {
                return;
            }
            pending.changed().await;
            continue;
        }
        let Ok(right) = Arc::clone(&batched_reads).acquire_owned().await else { return };
        // Callers that were just answered get a turn to ask again, so that they join this batch and not the next.
        tokio::task::yield_now().await;
        let taken = take(&pending);
        if !taken.is_empty() {
            let reader = Arc::clone(&reader);
            tokio::spawn(async move { reader.read_batch(BatchedRead::new(taken), right).await });
        }
    }
}
