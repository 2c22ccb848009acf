//! Requests that wait, typed: a job can be answered with the answer of its own request and with no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prism_contract::{Error, Namespace};
use tokio::sync::oneshot;

/// A request that waits for its turn.
pub(crate) trait Work: Send + Sync + 'static {
    /// What its caller is answered.
    type Answer: Send + 'static;

    /// Whose turn it takes.
    fn namespace(&self) -> &Namespace;
}

/// A request that waits, and where its answer goes.
pub(crate) struct Job<W: Work> {
    pub(crate) request: W,
    answer: oneshot::Sender<Result<W::Answer, Error>>,
    /// Gives its bytes back when the job is done or dropped.
    room: Room,
}

/// Where the answer to a job comes.
pub(crate) type Answered<W> = oneshot::Receiver<Result<<W as Work>::Answer, Error>>;

impl<W: Work> Job<W> {
    /// A job that holds so much room until it is answered or dropped.
    pub(super) fn new(request: W, room: Room) -> (Self, Answered<W>) {
        let (answer, answered) = oneshot::channel();
        (Self { request, answer, room }, answered)
    }

    /// The request, and what ends when the caller stops waiting for the answer.
    #[cfg(feature = "sqlite")]
    pub(crate) fn watched(&mut self) -> (&W, impl Future<Output = ()> + Send + '_) {
        (&self.request, self.answer.closed())
    }

    /// Answers it. The answer is dropped if the caller has stopped waiting.
    pub(crate) fn answer(self, answer: Result<W::Answer, Error>) {
        let _ = self.answer.send(answer);
    }
}

/// What stands in a queue: a job, or one of several kinds of jobs.
pub(crate) trait Entry: Send + 'static {
    /// Whether the caller has stopped waiting for the answer.
    fn is_abandoned(&self) -> bool;

    /// How many bytes it holds.
    fn weight(&self) -> usize;

    /// Lets go of what it holds, and answers with this error once the function that comes back is called.
    fn refuse(self, error: Error) -> Box<dyn FnOnce() + Send>;
}

impl<W: Work> Entry for Job<W> {
    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn weight(&self) -> usize {
        self.room.bytes
    }

    fn refuse(self, error: Error) -> Box<dyn FnOnce() + Send> {
        let answer = self.answer;
        Box::new(move || {
            let _ = answer.send(Err(error));
        })
    }
}

/// Jobs that are committed together.
pub(crate) trait Group: Default + Send + Sync + 'static {
    /// One of them, as it waits in the queue.
    type Entry: Entry;

    /// How many rows an entry names.
    fn keys(entry: &Self::Entry) -> usize;

    /// Takes one more.
    fn push(&mut self, entry: Self::Entry);

    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there is none.
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

    /// Answers all of them with the error that they share.
    fn fail(self, error: &Error);
}

/// Bytes that are in use, until this is dropped.
pub(super) struct Room {
    bytes: usize,
    used: Arc<AtomicUsize>,
}

impl Room {
    /// Takes these bytes of what is `used`.
    pub(super) fn take(bytes: usize, used: &Arc<AtomicUsize>) -> Self {
        used.fetch_add(bytes, Ordering::Relaxed);
        Self { bytes, used: Arc::clone(used) }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
