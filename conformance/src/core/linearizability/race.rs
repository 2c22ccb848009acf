//! Clients that run in parallel.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use tokio::runtime::Handle;
use tokio::task::{JoinError, spawn_blocking};

use super::{Client, Recorder};
use crate::core::Abstraction;

/// Timeout of a client that waits for the others before a round.
const BARRIER_TIMEOUT: Duration = Duration::from_millis(50);

/// Runs `clients` clients in parallel, spread over `stores`, and returns the result of each.
///
/// Each client has a dedicated thread, on every kind of runtime: a store that never yields would not overlap on one thread.
/// Must be awaited on a tokio runtime. A client's panic is propagated.
pub async fn race<A, W, F, T>(
    recorder: &Arc<Recorder<A>>,
    stores: &[Arc<A::Store>],
    clients: usize,
    work: W,
) -> Vec<T>
where
    A: Abstraction,
    W: Fn(Client<A>) -> F + Send + Sync + 'static,
    F: Future<Output = T>,
    T: Send + 'static,
{
    // When the race is dropped, its clients end after their current operation.
    let mut stop = StopOnDrop(Some(recorder));
    let (work, start) = (Arc::new(work), Arc::new(RoundBarrier::new(clients)));
    let threads = (0..clients).zip(stores.iter().cycle()).map(|(number, store)| {
        let client = recorder.client(number, Arc::clone(store));
        let (work, start, runtime) = (Arc::clone(&work), Arc::clone(&start), Handle::current());
        spawn_blocking(move || {
            start.wait(0);
            runtime.block_on(work(client))
        })
    });
    match try_join_all(threads).await {
        Ok(results) => {
            stop.0 = None;
            results
        }
        Err(error) => propagate(error),
    }
}

fn propagate<T>(error: JoinError) -> T {
    std::panic::resume_unwind(error.into_panic())
}

/// A barrier with a timeout, where clients wait for each other before every round, so that the round's operations overlap.
#[derive(Debug)]
pub(crate) struct RoundBarrier {
    clients: usize,
    arrived: AtomicUsize,
}

impl RoundBarrier {
    /// A barrier for this number of clients.
    pub(crate) const fn new(clients: usize) -> Self {
        Self { clients, arrived: AtomicUsize::new(0) }
    }

    /// Waits until every client has reached `round`, or for the timeout. Blocks the client's own thread: a wake-up through
    /// the runtime would spread the clients out again.
    pub(crate) fn wait(&self, round: usize) {
        self.arrived.fetch_add(1, Ordering::SeqCst);
        let started = Instant::now();
        while self.arrived.load(Ordering::SeqCst) < self.clients * (round + 1)
            && started.elapsed() < BARRIER_TIMEOUT
        {
            std::thread::yield_now();
        }
    }
}

struct StopOnDrop<'a, A: Abstraction>(Option<&'a Recorder<A>>);

impl<A: Abstraction> Drop for StopOnDrop<'_, A> {
    fn drop(&mut self) {
        if let Some(recorder) = self.0 {
            recorder.stop();
        }
    }
}
