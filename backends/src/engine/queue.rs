//! The queue in front of a writer: waiting requests are taken as groups (group commit).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prism_contract::Error;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::Span;

use super::fair::FairQueue;
use super::work::{Entry, Group, Job, Work};
use crate::observe::{BatchLoad, Histogram, Load, PoolLoad};
use crate::trace::begin_batch;

/// The retry delay sent to a client when load is shed.
pub(crate) const SHED_FOR: Duration = Duration::from_millis(50);

/// Maximum keys of one batch, up to one request more: it bounds a batch's memory and the time that other requests wait.
const BATCH_KEYS: usize = 4_096;
/// Maximum bytes of one batch, up to one request more.
const BATCH_BYTES: usize = 8 << 20;
/// Maximum waiting commands.
const COMMANDS: usize = 64;

/// The sending end of the queue.
pub(crate) struct Queue<G: Group, E> {
    writes: Arc<FairQueue<G::Entry>>,
    commands: mpsc::Sender<E>,
    batches: Arc<Batches>,
}

/// The batches of a queue, for metrics.
#[derive(Debug)]
pub(crate) struct Batches {
    sizes: Histogram,
    micros: Histogram,
    running: AtomicU64,
}

impl Batches {
    /// A batch is being committed until the returned guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> RunningBatch {
        self.running.fetch_add(1, Ordering::Relaxed);
        RunningBatch { batches: Arc::clone(self), began: Instant::now() }
    }
}

/// A batch that is being committed.
pub(crate) struct RunningBatch {
    batches: Arc<Batches>,
    began: Instant,
}

impl Drop for RunningBatch {
    fn drop(&mut self) {
        self.batches.micros.record_time(self.began.elapsed());
        self.batches.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The writer's next work.
pub(crate) enum Next<G, E> {
    /// Writes to commit together, never empty, and the span of the batch.
    Batch(G, Span),
    /// A command of the backend.
    Command(E),
}

/// The receiving end of the queue.
pub(crate) struct Intake<G: Group, E> {
    writes: Arc<FairQueue<G::Entry>>,
    commands: mpsc::Receiver<E>,
    pub(crate) batches: Arc<Batches>,
    max_batch: usize,
    /// Whether the last batch had more than one write.
    crowded: bool,
}

/// A queue of at most `length` requests of at most `bytes` in total, taken up to `max_batch` at a time.
pub(crate) fn queue<G: Group, E>(length: usize, bytes: u32, max_batch: usize) -> (Queue<G, E>, Intake<G, E>) {
    let writes = Arc::new(FairQueue::new(length, bytes as usize));
    let (sender, receiver) = mpsc::channel(COMMANDS);
    let batches = Arc::new(Batches {
        sizes: Histogram::new(Histogram::SIZES),
        micros: Histogram::new(Histogram::MICROS),
        running: AtomicU64::default(),
    });
    (
        Queue { writes: Arc::clone(&writes), commands: sender, batches: Arc::clone(&batches) },
        Intake { writes, commands: receiver, batches, max_batch, crowded: false },
    )
}

impl<G: Group, E> Queue<G, E> {
    /// Queues a write of this weight in bytes and waits for its answer. If the queue is full, a write is shed at once.
    pub(crate) async fn write<W: Work>(
        &self,
        write: W,
        weight: usize,
        entry: impl FnOnce(Job<W>) -> G::Entry,
    ) -> Result<W::Answer, Error> {
        let answered = self.writes.enqueue(write, weight, entry)?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Adds the load of the queue and of its writers, under this name.
    pub(crate) fn load(&self, queue: &'static str, writers: usize, namespaces: usize, load: &mut Load) {
        load.queues.push(self.writes.load(queue, namespaces));
        let (sizes, micros) = (self.batches.sizes.distribution(), self.batches.micros.distribution());
        load.batches.push(BatchLoad { queue, sizes, micros: Some(micros) });
        let taken = self.batches.running.load(Ordering::Relaxed);
        load.pools.push(PoolLoad { pool: queue, size: writers as u64, taken });
    }

    /// Queues a command; a full queue sheds it at once.
    pub(crate) fn try_command(&self, command: E) -> Result<(), Error> {
        self.commands.try_send(command).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => shed(),
            mpsc::error::TrySendError::Closed(_) => closed(),
        })
    }

    /// Queues a command, waiting for a slot; returns whether the writer is still running.
    pub(crate) async fn command(&self, command: E) -> bool {
        self.commands.send(command).await.is_ok()
    }
}

impl<G: Group, E> Drop for Queue<G, E> {
    fn drop(&mut self) {
        self.writes.close();
    }
}

impl<G: Group, E> Intake<G, E> {
    /// Waits for work; `None` once the queue is closed and empty. Commands come first: they are few, and each caller waits
    /// for its previous one.
    pub(crate) async fn next(&mut self) -> Option<Next<G, E>> {
        loop {
            if let Ok(command) = self.commands.try_recv() {
                return Some(Next::Command(command));
            }
            // Read before `is_empty`, so that no write queued in between is missed.
            let closed = self.writes.is_closed();
            if !self.writes.is_empty() {
                // Lets the callers that were just answered together send their next write, so that it joins this batch and
                // not the next. A lone caller does not wait for others.
                if self.crowded {
                    tokio::task::yield_now().await;
                }
                let (batch, span) = self.take_group();
                if !batch.is_empty() {
                    return Some(Next::Batch(batch, span));
                }
            } else if closed {
                return None;
            } else {
                tokio::select! {
                    command = self.commands.recv() => return command.map(Next::Command),
                    () = self.writes.changed() => {}
                }
            }
        }
    }

    /// Whether a write waits.
    #[cfg(feature = "sqlite")]
    pub(crate) fn has_writes(&self) -> bool {
        !self.writes.is_empty()
    }

    /// Takes the waiting writes, within the bounds of a batch; returns them and the span of the batch.
    pub(crate) fn take_group(&mut self) -> (G, Span) {
        let (mut writes, mut bytes, mut keys) = (0, 0, 0);
        let mut taken = self.writes.take_while(|job| {
            if writes == self.max_batch || bytes >= BATCH_BYTES || keys >= BATCH_KEYS {
                return false;
            }
            writes += 1;
            bytes += job.weight();
            keys += G::keys(job);
            true
        });
        self.crowded = taken.len() > 1;
        if !taken.is_empty() {
            self.batches.sizes.record(taken.len() as u64);
        }
        let span = begin_batch(taken.iter_mut().map(Entry::wait));
        let mut batch = G::default();
        for job in taken {
            batch.push(job);
        }
        (batch, span)
    }

    /// Refuses further requests; waiting ones can still be taken.
    pub(crate) fn close(&mut self) {
        self.writes.close();
        self.commands.close();
    }
}

impl<G: Group, E> Drop for Intake<G, E> {
    fn drop(&mut self) {
        self.writes.abandon();
    }
}

/// Load was shed before anything was done.
pub(crate) fn shed() -> Error {
    Error::ResourceExhausted(SHED_FOR)
}

/// The backend was closed.
pub(crate) fn closed() -> Error {
    Error::unavailable("the backend is closed")
}
