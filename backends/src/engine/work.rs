//! Waiting requests, typed: a job can only be answered with the answer type of its request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prism_contract::{Error, Namespace};
use tokio::sync::oneshot;

use crate::trace::Wait;

/// A request that can be queued.
pub(crate) trait Work: Send + Sync + 'static {
    /// Its answer.
    type Answer: Send + 'static;

    /// The namespace that it is queued under.
    fn namespace(&self) -> &Namespace;
}

/// A waiting request, and the sender of its answer.
pub(crate) struct Job<W: Work> {
    pub(crate) request: W,
    answer: oneshot::Sender<Result<W::Answer, Error>>,
    /// Releases its bytes when the job is done or dropped.
    room: ReservedBytes,
    wait: Wait,
}

/// The receiver of a job's answer.
pub(crate) type Answered<W> = oneshot::Receiver<Result<<W as Work>::Answer, Error>>;

impl<W: Work> Job<W> {
    /// A job that holds `room` until it is answered or dropped.
    pub(super) fn new(request: W, room: ReservedBytes) -> (Self, Answered<W>) {
        let (answer, answered) = oneshot::channel();
        (Self { request, answer, room, wait: Wait::begin() }, answered)
    }

    /// The request, and a future that completes when the caller stops waiting for the answer.
    #[cfg(feature = "sqlite")]
    pub(crate) fn watched(&mut self) -> (&W, impl Future<Output = ()> + Send + '_) {
        (&self.request, self.answer.closed())
    }

    /// Sends the answer, which is dropped if the caller has stopped waiting.
    pub(crate) fn answer(mut self, answer: Result<W::Answer, Error>) {
        self.wait.answered();
        let _ = self.answer.send(answer);
    }
}

/// An entry of a queue: a job, or one of several kinds of jobs.
pub(crate) trait Entry: Send + 'static {
    /// Whether the caller has stopped waiting for the answer.
    fn is_abandoned(&self) -> bool;

    /// How many bytes it holds.
    fn weight(&self) -> usize;

    /// Its wait in the queue.
    fn wait(&mut self) -> &mut Wait;

    /// Releases its bytes; the returned function answers with this error.
    fn refuse(self, error: Error) -> Box<dyn FnOnce() + Send>;
}

impl<W: Work> Entry for Job<W> {
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn weight(&self) -> usize {
        self.room.bytes
    }

    fn wait(&mut self) -> &mut Wait {
        &mut self.wait
    }

    fn refuse(mut self, error: Error) -> Box<dyn FnOnce() + Send> {
        self.wait.answered();
        let answer = self.answer;
        Box::new(move || {
            let _ = answer.send(Err(error));
        })
    }
}

/// Jobs that are committed together.
pub(crate) trait Group: Default + Send + Sync + 'static {
    /// One of them, as an entry of the queue.
    type Entry: Entry;

    /// Number of rows that an entry names.
    fn keys(entry: &Self::Entry) -> usize;

    /// Adds one.
    fn push(&mut self, entry: Self::Entry);

    /// Number of jobs.
    fn len(&self) -> usize;

    /// Whether the group is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the caller of any of them has stopped waiting.
    #[cfg(feature = "sqlite")]
    fn is_any_abandoned(&self) -> bool;

    /// Whether the callers of all of them have stopped waiting.
    #[cfg(feature = "postgres")]
    fn are_all_abandoned(&self) -> bool;

    /// Drops those whose callers have stopped waiting.
    fn drop_abandoned(&mut self);

    /// Answers all of them with this error.
    fn fail(self, error: &Error);
}

/// Reserved bytes, released on drop.
pub(super) struct ReservedBytes {
    bytes: usize,
    used: Arc<AtomicUsize>,
}

impl ReservedBytes {
    /// Reserves these bytes in `used`.
    pub(super) fn reserve(bytes: usize, used: &Arc<AtomicUsize>) -> Self {
        used.fetch_add(bytes, Ordering::Relaxed);
        Self { bytes, used: Arc::clone(used) }
    }
}

impl Drop for ReservedBytes {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
