//! Operations that take long and take turns: a few are executed at once, a bounded number waits, and further ones are shed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prism_contract::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::queue::shed;
use crate::observe::{Load, PoolLoad, QueueLoad};

/// The turns. None of its semaphores is ever closed.
pub(crate) struct Turns {
    /// Their name in metrics.
    name: &'static str,
    /// One permit for each operation that may be executed.
    running: Semaphore,
    /// One permit for each operation that may be executed or wait.
    places: Arc<Semaphore>,
    at_once: usize,
    count: usize,
    shed: AtomicU64,
}

/// A place among those that are executed or wait, until it is dropped.
#[expect(dead_code, reason = "held for its Drop only")]
pub(crate) struct Place(OwnedSemaphorePermit);

impl Turns {
    /// `at_once` operations are executed at once, and `waiting` more may wait.
    pub(crate) fn new(name: &'static str, at_once: usize, waiting: usize) -> Self {
        let count = at_once + waiting;
        Self {
            name,
            running: Semaphore::new(at_once),
            places: Arc::new(Semaphore::new(count)),
            at_once,
            count,
            shed: AtomicU64::default(),
        }
    }

    /// Takes a place, at once or not at all.
    pub(crate) fn place(&self) -> Result<Place, Error> {
        Arc::clone(&self.places).try_acquire_owned().map(Place).map_err(|_| {
            self.shed.fetch_add(1, Ordering::Relaxed);
            shed()
        })
    }

    /// Waits for the turn of an operation that has a place.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.running.acquire().await.ok()
    }

    /// Waits until none is executed or waits.
    pub(crate) async fn end(&self) {
        let all = u32::try_from(self.count).unwrap_or(u32::MAX);
        let _all = self.places.acquire_many(all).await;
    }

    /// Adds the load.
    pub(crate) fn load(&self, load: &mut Load) {
        let taken = (self.at_once - self.running.available_permits()) as u64;
        let places = (self.count - self.places.available_permits()) as u64;
        load.pools.push(PoolLoad { pool: self.name, size: self.at_once as u64, taken });
        load.queues.push(QueueLoad {
            queue: self.name,
            waiting: places.saturating_sub(taken),
            shed: self.shed.load(Ordering::Relaxed),
            namespaces: Vec::new(),
        });
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, pin_mut};
    use prism_contract::Code;

    use super::*;

    /// Waiting, shed and taken.
    fn counts(turns: &Turns) -> (u64, u64, u64) {
        let mut load = Load::default();
        turns.load(&mut load);
        (load.queues[0].waiting, load.queues[0].shed, load.pools[0].taken)
    }

    #[tokio::test]
    async fn one_too_many_is_shed_and_counted() {
        let turns = Turns::new("delete", 1, 1);
        let first = turns.place().unwrap();
        let turn = turns.turn().await;
        let second = turns.place().unwrap();
        let waits = turns.turn();
        pin_mut!(waits);
        assert!(waits.as_mut().now_or_never().is_none());
        assert_eq!(counts(&turns), (1, 0, 1));
        assert_eq!(turns.place().err().map(|error| error.code()), Some(Code::ResourceExhausted));
        assert_eq!(counts(&turns), (1, 1, 1));
        drop((first, turn));
        let turn = waits.await;
        assert_eq!(counts(&turns), (0, 1, 1));
        assert!(turns.end().now_or_never().is_none());
        drop((second, turn));
        turns.end().await;
        assert_eq!(counts(&turns), (0, 1, 0));
    }
}
