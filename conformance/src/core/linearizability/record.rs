//! Clients whose operations are recorded in a history.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::{Either, select};
use tokio::sync::watch;

use super::{History, Operation};
use crate::core::{Abstraction, Outcome};

/// Timeout of one operation. No backend needs this long; a store that does hangs.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

/// Every n-th request is delayed before it is sent, as on a network: others overtake it even if the store answers within a
/// microsecond and the machine is busy.
const DELAY_EVERY: usize = 3;

/// Records the operations of its clients. Times are from one monotonic clock, so that their order is real.
pub struct Recorder<A: Abstraction> {
    started: Instant,
    operations: Mutex<Vec<Operation<A>>>,
    answered: AtomicUsize,
    stopped: AtomicBool,
    abandoned: watch::Sender<bool>,
}

impl<A: Abstraction> Default for Recorder<A> {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            operations: Mutex::default(),
            answered: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            abandoned: watch::Sender::new(false),
        }
    }
}

impl<A: Abstraction> Recorder<A> {
    /// A client that reaches the data through `store`.
    pub fn client(self: &Arc<Self>, number: usize, store: Arc<A::Store>) -> Client<A> {
        Client { number, store, recorder: Arc::clone(self), abandoned: self.abandoned.subscribe(), sent: 0 }
    }

    /// The history so far.
    pub fn history(&self) -> History<A> {
        History { operations: self.operations().clone() }
    }

    /// The number of operations answered so far.
    pub fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// Stops new requests; operations in flight are awaited.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Stops new requests and drops operations in flight: for an in-process store that is about to crash.
    pub fn abandon(&self) {
        self.stop();
        self.abandoned.send_replace(true);
    }

    /// Allows new requests again, after [`Recorder::stop`] or [`Recorder::abandon`].
    pub fn resume(&self) {
        self.abandoned.send_replace(false);
        self.stopped.store(false, Ordering::SeqCst);
    }

    fn operations(&self) -> MutexGuard<'_, Vec<Operation<A>>> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn called(&self, client: usize, request: A::Request) -> usize {
        let mut operations = self.operations();
        // Read under the lock, so that the operations are sorted by call time.
        let called = self.now();
        operations.push(Operation { client, request, called, returned: None, outcome: None });
        operations.len() - 1
    }

    fn returned(&self, operation: usize, at: u64, outcome: Outcome<A>) {
        let mut operations = self.operations();
        operations[operation].returned = Some(at);
        operations[operation].outcome = Some(outcome);
        self.answered.fetch_add(1, Ordering::SeqCst);
    }
}

/// One client, with one operation at a time.
pub struct Client<A: Abstraction> {
    number: usize,
    store: Arc<A::Store>,
    recorder: Arc<Recorder<A>>,
    abandoned: watch::Receiver<bool>,
    sent: usize,
}

impl<A: Abstraction> Client<A> {
    /// The client's number, counted from 0.
    pub const fn number(&self) -> usize {
        self.number
    }

    /// Waits until another client gets a response, at most for `timeout`. Blocks the client's own thread.
    pub(crate) fn wait_for_another(&self, timeout: Duration) {
        let (started, answered) = (Instant::now(), self.recorder.answered());
        while self.recorder.answered() == answered && started.elapsed() < timeout {
            // A fast store answers within microseconds; a slow one needs the processor meanwhile.
            if started.elapsed() < Duration::from_millis(1) {
                std::thread::yield_now();
            } else {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Ends the race: all clients stop sending.
    pub(crate) fn end_race(&self) {
        self.recorder.stop();
    }

    /// Sends `request` and records the outcome; `None`: it was not sent, or it timed out or was abandoned, and the client
    /// should end.
    pub async fn send(&mut self, request: A::Request) -> Option<Outcome<A>> {
        if self.recorder.stopped.load(Ordering::SeqCst) {
            return None;
        }
        let operation = self.recorder.called(self.number, request.clone());
        self.sent += 1;
        if (self.sent + self.number).is_multiple_of(DELAY_EVERY) {
            std::thread::yield_now();
        }
        let recorder = &self.recorder;
        let answer = std::pin::pin!(async {
            let answer = tokio::time::timeout(OPERATION_TIMEOUT, A::send(&self.store, request)).await;
            (recorder.now(), answer)
        });
        let abandoned = std::pin::pin!(self.abandoned.wait_for(|abandoned| *abandoned));
        match select(answer, abandoned).await {
            Either::Left(((at, Ok(answer)), _)) => {
                let outcome: Outcome<A> = answer.into();
                self.recorder.returned(operation, at, outcome.clone());
                Some(outcome)
            }
            Either::Left(((_, Err(_)), _)) | Either::Right(_) => None,
        }
    }
}
