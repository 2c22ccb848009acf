//! The dispatcher of batched reads: each time a connection is free, it takes the pending reads for one statement.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prism_contract::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::fair::Waiting;
use super::queue::{closed, shed};
use super::slots::Slots;
use super::work::{Job, Work};

/// Batched reads that run at the same time, each on a connection reserved for them: small reads do not wait behind scans. More of
/// them would each read for fewer Gets.
const CONCURRENT_BATCHES: u32 = 2;

/// A read that can share a statement with others.
pub(crate) trait Batchable: Work<Answer = ReadOutcome<Self::Page>> + Clone {
    /// What it reads.
    type Page: Send + 'static;

    /// Whether it can share a statement.
    fn is_batchable(&self) -> bool;

    /// How much of a statement it takes.
    fn share(&self) -> usize;

    /// How much a statement has.
    const STATEMENT: usize;
}

/// The outcome of a pending read.
pub(crate) enum ReadOutcome<P> {
    /// What was read.
    Page(P),
    /// It is to be read by a statement for it alone.
    Alone,
}

/// A store that reads for pending reads.
pub(crate) trait BatchReader<R: Batchable>: Send + Sync + 'static {
    /// Reads for the pending reads, answers all of them, and returns the permit.
    fn read_batch(
        self: Arc<Self>,
        reads: Vec<Job<R>>,
        right: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send;
}

/// The queue of pending reads, and its dispatcher.
pub(crate) struct BatchQueue<R: Batchable> {
    pending: Arc<Waiting<Job<R>>>,
    /// One permit for each batched read that may run.
    batched_reads: Arc<Semaphore>,
    dispatcher: Mutex<Option<JoinHandle<()>>>,
    wait: Duration,
}

impl<R: Batchable> BatchQueue<R> {
    /// A queue of at most `length` reads, none of which waits longer than `wait`.
    pub(crate) fn new(reader: Arc<impl BatchReader<R>>, length: usize, wait: Duration) -> Self {
        let pending = Arc::new(Waiting::new(length, usize::MAX));
        let batched_reads = Arc::new(Semaphore::new(CONCURRENT_BATCHES as usize));
        let dispatcher = tokio::spawn(dispatch(reader, Arc::clone(&pending), Arc::clone(&batched_reads)));
        Self { pending, batched_reads, dispatcher: Mutex::new(Some(dispatcher)), wait }
    }

    /// Waits for a batched read, and for its answer; sheds the request if too many wait, or if it waits too long. One that cannot
    /// be batched, or that is the only read, with all of `slots` free, is to be read alone.
    pub(crate) async fn read(&self, read: &R, slots: &Slots) -> Result<R::Answer, Error> {
        if !read.is_batchable() || (slots.is_idle() && self.is_idle()) {
            return Ok(ReadOutcome::Alone);
        }
        let answered = self.pending.enter(read.clone(), 0, |job| job)?;
        timeout(self.wait, answered).await.map_err(|_| shed())?.unwrap_or_else(|_| Err(closed()))
    }

    /// Whether no read waits and no batched read runs.
    fn is_idle(&self) -> bool {
        self.batched_reads.available_permits() == CONCURRENT_BATCHES as usize && self.pending.is_empty()
    }

    /// Refuses further reads, and waits until those that are there have been answered.
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

impl<R: Batchable> Drop for BatchQueue<R> {
    fn drop(&mut self) {
        self.pending.abandon();
    }
}

/// Takes pending reads for one statement.
fn take<R: Batchable>(pending: &Waiting<Job<R>>) -> Vec<Job<R>> {
    let mut taken = 0;
    pending.take_while(|read| {
        taken += read.request.share();
        taken <= R::STATEMENT
    })
}

async fn dispatch<R: Batchable>(
    reader: Arc<impl BatchReader<R>>,
    pending: Arc<Waiting<Job<R>>>,
    batched_reads: Arc<Semaphore>,
) {
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
            tokio::spawn(async move { reader.read_batch(taken, right).await });
        }
    }
}
