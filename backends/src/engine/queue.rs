//! The queue in front of a writer: requests wait in it, and leave it together (group commit).

use std::sync::Arc;
use std::time::Duration;

use prism_contract::Error;
use tokio::sync::mpsc;

use super::fair::Waiting;
use super::work::{Entry, Group, Job, Work};

/// The retry delay sent to a client when load is shed.
pub(crate) const SHED_FOR: Duration = Duration::from_millis(50);

/// Most keys that one batch looks at, give or take one request: it bounds a batch's memory and the time its neighbours wait.
const BATCH_KEYS: usize = 4_096;
/// Most bytes that one batch carries, give or take one request.
const BATCH_BYTES: usize = 8 << 20;
/// Most commands that wait.
const COMMANDS: usize = 64;

/// The end of the queue that requests come in by.
pub(crate) struct Queue<G: Group, E> {
    writes: Arc<Waiting<G::Entry>>,
    commands: mpsc::Sender<E>,
}

/// What to do next.
pub(crate) enum Turn<G, E> {
    /// These writes, together. Never empty.
    Batch(G),
    /// A command of the backend.
    Command(E),
}

/// The end of the queue that the writer takes from.
pub(crate) struct Intake<G: Group, E> {
    writes: Arc<Waiting<G::Entry>>,
    commands: mpsc::Receiver<E>,
    max_batch: usize,
    /// Whether the last batch had more than one write.
    crowded: bool,
}

/// A queue of at most `length` requests that weigh at most `bytes` together, taken up to `max_batch` at a time.
pub(crate) fn queue<G: Group, E>(length: usize, bytes: u32, max_batch: usize) -> (Queue<G, E>, Intake<G, E>) {
    let writes = Arc::new(Waiting::new(length, bytes as usize));
    let (sender, receiver) = mpsc::channel(COMMANDS);
    (
        Queue { writes: Arc::clone(&writes), commands: sender },
        Intake { writes, commands: receiver, max_batch, crowded: false },
    )
}

impl<G: Group, E> Queue<G, E> {
    /// Queues a write of this weight in bytes and waits for its answer. Where the queue is full, a write is shed at once.
    pub(crate) async fn write<W: Work>(
        &self,
        write: W,
        weight: usize,
        entry: impl FnOnce(Job<W>) -> G::Entry,
    ) -> Result<W::Answer, Error> {
        let answered = self.writes.enter(write, weight, entry)?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Queues a command; a full queue sheds it at once.
    pub(crate) fn try_command(&self, command: E) -> Result<(), Error> {
        self.commands.try_send(command).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => shed(),
            mpsc::error::TrySendError::Closed(_) => closed(),
        })
    }

    /// Queues a command, waiting for a place; answers whether the writer is still there.
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
    /// Waits for something to do; `None` once nothing can come any more. Errands come first: they are few, and each is asked
    /// for by a caller that waits for the one before.
    pub(crate) async fn next(&mut self) -> Option<Turn<G, E>> {
        loop {
            if let Ok(command) = self.commands.try_recv() {
                return Some(Turn::Command(command));
            }
            // Asked first: what comes in between is seen.
            let closed = self.writes.is_closed();
            if !self.writes.is_empty() {
                // Those who were answered together get a turn to ask again, so that they are read with this batch and not the
                // next. A lone writer waits for no one else.
                if self.crowded {
                    tokio::task::yield_now().await;
                }
                let batch = self.take_group();
                if !batch.is_empty() {
                    return Some(Turn::Batch(batch));
                }
            } else if closed {
                return None;
            } else {
                tokio::select! {
                    command = self.commands.recv() => return command.map(Turn::Command),
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

    /// Takes what waits, within the bounds of a batch.
    pub(crate) fn take_group(&mut self) -> G {
        let (mut writes, mut bytes, mut keys) = (0, 0, 0);
        let taken = self.writes.take_while(|job| {
            if writes == self.max_batch || bytes >= BATCH_BYTES || keys >= BATCH_KEYS {
                return false;
            }
            writes += 1;
            bytes += job.weight();
            keys += G::keys(job);
            true
        });
        self.crowded = taken.len() > 1;
        let mut batch = G::default();
        for job in taken {
            batch.push(job);
        }
        batch
    }

    /// Lets nothing in any more; what waits can still be taken.
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
