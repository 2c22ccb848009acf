//! The bounded queue in front of a writer: requests wait in it, and leave it together (group commit).

use std::sync::Arc;
use std::time::Duration;

use prism_contract::keyvalue::{Error, Item, NewItem, Predicate};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::batch::{Write, Written};

/// How long a client is told to wait when load is shed.
pub(crate) const SHED_FOR: Duration = Duration::from_millis(50);

/// Most keys that one batch looks at, give or take one request: it bounds a batch's memory and the time its neighbours wait.
const BATCH_KEYS: usize = 4_096;
/// Most bytes that one batch carries, give or take one request.
const BATCH_BYTES: usize = 8 << 20;

/// A write that waits, and where its answer goes.
pub(crate) struct Job {
    pub(crate) write: Write,
    pub(crate) answer: oneshot::Sender<Result<Written, Error>>,
    weight: usize,
    keys: usize,
    /// Gives the bytes back when the job is done or dropped.
    _room: OwnedSemaphorePermit,
}

impl Job {
    /// Whether nobody waits for the answer any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }
}

/// What the writer takes from the queue: a write, or an errand `E` of the backend's own.
enum Waiting<E> {
    Write(Job),
    Errand(E),
}

/// The end of the queue that requests come in by.
pub(crate) struct Queue<E> {
    sender: mpsc::Sender<Waiting<E>>,
    room: Arc<Semaphore>,
    room_bytes: u32,
}

/// What to do next.
pub(crate) enum Turn<E> {
    /// These writes, together. Never empty.
    Batch(Vec<Job>),
    /// This errand.
    Errand(E),
}

/// The end of the queue that the writer takes from.
pub(crate) struct Intake<E> {
    receiver: mpsc::Receiver<Waiting<E>>,
    max_batch: usize,
    /// An errand that was met while a batch was gathered.
    held: Option<E>,
}

/// A queue of at most `length` requests that weigh at most `bytes` together, taken up to `max_batch` at a time.
pub(crate) fn queue<E>(length: usize, bytes: u32, max_batch: usize) -> (Queue<E>, Intake<E>) {
    let (sender, receiver) = mpsc::channel(length);
    let room = Arc::new(Semaphore::new(bytes as usize));
    (Queue { sender, room, room_bytes: bytes }, Intake { receiver, max_batch, held: None })
}

impl<E> Queue<E> {
    /// Queues a write and waits for its answer. A full queue sheds it at once.
    pub(crate) async fn write(&self, write: Write) -> Result<Written, Error> {
        let (weight, keys) = size(&write);
        // A request heavier than the whole room takes all of it, or it could never come in.
        let room = u32::try_from(weight).unwrap_or(u32::MAX).min(self.room_bytes);
        let room = Arc::clone(&self.room).try_acquire_many_owned(room).map_err(|_| shed())?;
        let (answer, answered) = oneshot::channel();
        let job = Job { write, answer, weight, keys, _room: room };
        self.sender.try_send(Waiting::Write(job)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => shed(),
            mpsc::error::TrySendError::Closed(_) => closed(),
        })?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Queues an errand; a full queue sheds it at once.
    pub(crate) fn try_errand(&self, errand: E) -> Result<(), Error> {
        self.sender.try_send(Waiting::Errand(errand)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => shed(),
            mpsc::error::TrySendError::Closed(_) => closed(),
        })
    }

    /// Queues an errand, waiting for a place; answers whether the writer is still there.
    pub(crate) async fn errand(&self, errand: E) -> bool {
        self.sender.send(Waiting::Errand(errand)).await.is_ok()
    }
}

impl<E> Intake<E> {
    /// Waits for something to do; `None` once nothing can come any more.
    pub(crate) async fn next(&mut self) -> Option<Turn<E>> {
        if let Some(errand) = self.held.take() {
            return Some(Turn::Errand(errand));
        }
        loop {
            let first = match self.receiver.recv().await? {
                Waiting::Errand(errand) => return Some(Turn::Errand(errand)),
                Waiting::Write(job) => job,
            };
            // Those who were just answered get a turn to ask again, so that they ride with this batch and not the next.
            tokio::task::yield_now().await;
            let batch = self.gather(first);
            if !batch.is_empty() {
                return Some(Turn::Batch(batch));
            }
        }
    }

    /// Takes what waits behind `first`, within the bounds of a batch, and drops what was abandoned.
    fn gather(&mut self, first: Job) -> Vec<Job> {
        let (mut bytes, mut keys) = (first.weight, first.keys);
        let mut batch = vec![first];
        while batch.len() < self.max_batch && bytes < BATCH_BYTES && keys < BATCH_KEYS {
            match self.receiver.try_recv() {
                Ok(Waiting::Write(job)) => {
                    bytes += job.weight;
                    keys += job.keys;
                    batch.push(job);
                }
                Ok(Waiting::Errand(errand)) => {
                    self.held = Some(errand);
                    break;
                }
                Err(_) => break,
            }
        }
        batch.retain(|job| !job.is_abandoned());
        batch
    }

    /// Lets nothing in any more; what waits can still be taken.
    pub(crate) fn close(&mut self) {
        self.receiver.close();
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

/// A write's weight in bytes and how many keys it looks at.
fn size(write: &Write) -> (usize, usize) {
    let (weight, keys) = match write {
        Write::Put(put) => {
            let weigh =
                |item: &NewItem| Item::weigh(item.key.len(), item.value.len(), item.content_type.len());
            (put.items.iter().map(weigh).sum(), put.items.len())
        }
        Write::Delete(delete) => match &delete.predicate {
            Predicate::Keys(keys) => (keys.iter().map(|key| Item::weigh(key.len(), 0, 0)).sum(), keys.len()),
            Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_) => (Item::FIXED_WEIGHT, 1),
        },
    };
    let guards = write.preconditions();
    let guard_weight: usize = guards.iter().map(|guard| Item::weigh(guard.key.len(), 0, 0)).sum();
    (weight + guard_weight, keys + guards.len())
}
