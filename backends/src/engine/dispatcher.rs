//! The dispatcher of batched reads: whenever a connection is free, it takes the pending reads for one statement.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prism_contract::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::Instrument;

use super::fair::FairQueue;
use super::queue::{closed, shed};
use super::slots::Slots;
use super::work::{Entry, Job, Work};
use crate::observe::{BatchLoad, Histogram, Load, PoolLoad};
use crate::trace::begin_batch;

/// Concurrent batched reads, each on a reserved connection, so that small reads do not wait behind scans. With more of
/// them, each batch would have fewer Gets.
const CONCURRENT_BATCHES: u32 = 2;

/// The name of the queue and of its connections in metrics.
const BATCHED: &str = "batched_read";

/// A read that can share a statement with others.
pub(crate) trait Batchable: Work<Answer = ReadOutcome<Self::Page>> + Clone {
    /// Its result.
    type Page: Send + 'static;

    /// Whether it can share a statement.
    fn is_batchable(&self) -> bool;

    /// Its cost, in units of [`CAPACITY`](Self::CAPACITY).
    fn cost(&self) -> usize;

    /// The capacity of one statement.
    const CAPACITY: usize;
}

/// The outcome of a pending read.
pub(crate) enum ReadOutcome<P> {
    /// The result.
    Page(P),
    /// It must be read by a separate statement.
    Alone,
}

/// A store that executes batched reads.
pub(crate) trait BatchReader<R: Batchable>: Send + Sync + 'static {
    /// Executes the reads, answers all of them, and drops the permit.
    fn read_batch(
        self: Arc<Self>,
        reads: Vec<Job<R>>,
        permit: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send;
}

/// The queue of pending reads, and its dispatcher.
pub(crate) struct BatchQueue<R: Batchable> {
    pending: Arc<FairQueue<Job<R>>>,
    /// One permit for each batched read that may run.
    batched_reads: Arc<Semaphore>,
    dispatcher: Mutex<Option<JoinHandle<()>>>,
    wait: Duration,
    sizes: Arc<Histogram>,
}

impl<R: Batchable> BatchQueue<R> {
    /// A queue of at most `length` reads, each of which waits at most `wait`.
    pub(crate) fn new(reader: Arc<impl BatchReader<R>>, length: usize, wait: Duration) -> Self {
        let pending = Arc::new(FairQueue::new(length, usize::MAX));
        let batched_reads = Arc::new(Semaphore::new(CONCURRENT_BATCHES as usize));
        let sizes = Arc::new(Histogram::new(Histogram::SIZES));
        let dispatcher = tokio::spawn(dispatch(
            reader,
            Arc::clone(&pending),
            Arc::clone(&batched_reads),
            Arc::clone(&sizes),
        ));
        Self { pending, batched_reads, dispatcher: Mutex::new(Some(dispatcher)), wait, sizes }
    }

    /// Queues a read and waits for its answer; sheds it if the queue is full or the wait too long. Returns
    /// [`ReadOutcome::Alone`] if it cannot be batched, or if it is the only read and all of `slots` are free.
    pub(crate) async fn read(&self, read: &R, slots: &Slots) -> Result<R::Answer, Error> {
        if !read.is_batchable() || (slots.is_idle() && self.is_idle()) {
            return Ok(ReadOutcome::Alone);
        }
        let answered = self.pending.enqueue(read.clone(), 0, |job| job)?;
        let answered = timeout(self.wait, answered).await.map_err(|_| {
            self.pending.count_shed();
            shed()
        })?;
        answered.unwrap_or_else(|_| Err(closed()))
    }

    /// Adds the load of the queue and of its batched reads.
    pub(crate) fn load(&self, namespaces: usize, load: &mut Load) {
        load.queues.push(self.pending.load(BATCHED, namespaces));
        load.batches.push(BatchLoad { queue: BATCHED, sizes: self.sizes.distribution(), micros: None });
        let size = u64::from(CONCURRENT_BATCHES);
        let taken = size - self.batched_reads.available_permits() as u64;
        load.pools.push(PoolLoad { pool: BATCHED, size, taken });
    }

    /// Whether no read is pending and no batched read runs.
    fn is_idle(&self) -> bool {
        self.batched_reads.available_permits() == CONCURRENT_BATCHES as usize && self.pending.is_empty()
    }

    /// Refuses further reads, and waits until all pending reads have been answered.
    pub(crate) async fn close(&self) {
        self.pending.close();
        let dispatcher = self.dispatcher.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(dispatcher) = dispatcher {
            // A panicked dispatcher reads no more.
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
fn take<R: Batchable>(pending: &FairQueue<Job<R>>) -> Vec<Job<R>> {
    let mut taken = 0;
    pending.take_while(|read| {
        taken += read.request.cost();
        taken <= R::CAPACITY
    })
}

async fn dispatch<R: Batchable>(
    reader: Arc<impl BatchReader<R>>,
    pending: Arc<FairQueue<Job<R>>>,
    batched_reads: Arc<Semaphore>,
    sizes: Arc<Histogram>,
) {
    loop {
        // Read before `is_empty`, so that no read queued in between is missed.
        let closed = pending.is_closed();
        if pending.is_empty() {
            if closed {
                return;
            }
            pending.changed().await;
            continue;
        }
        let Ok(permit) = Arc::clone(&batched_reads).acquire_owned().await else { return };
        // Lets the callers that were just answered send their next request, so that it joins this batch and not the next.
        tokio::task::yield_now().await;
        let mut taken = take(&pending);
        if !taken.is_empty() {
            sizes.record(taken.len() as u64);
            let span = begin_batch(taken.iter_mut().map(Entry::wait));
            let reader = Arc::clone(&reader);
            tokio::spawn(async move { reader.read_batch(taken, permit).await }.instrument(span));
        }
    }
}
