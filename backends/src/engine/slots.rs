//! A bounded number of connection slots, given to the namespaces round robin: a namespace with many requests does not delay
//! the others, and the last free slot is kept for a namespace that has none.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prism_contract::{Error, Namespace};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::fair::FairQueue;
use super::queue::{closed, shed};
use super::work::{Job, Work};
use crate::observe::{PoolLoad, QueueLoad};

/// The slots, one per connection.
pub(crate) struct Slots(Arc<Inner>);

struct Inner {
    waiting: FairQueue<Job<SlotRequest>>,
    /// The namespaces with taken slots, and their counts: at most as many as slots, so a linear search is short.
    taken: Mutex<Vec<(Namespace, usize)>>,
    /// Total of taken slots; changed under the lock of `taken`.
    total: AtomicUsize,
    count: usize,
    released: Notify,
}

/// A request for a slot.
struct SlotRequest(Namespace);

impl Work for SlotRequest {
    type Answer = Slot;

    fn namespace(&self) -> &Namespace {
        &self.0
    }
}

/// A taken slot, released on drop.
pub(crate) struct Slot {
    inner: Arc<Inner>,
    namespace: Namespace,
}

impl Slots {
    /// `count` slots, at least one, and a queue of `length` requests.
    pub(crate) fn new(count: usize, length: usize) -> Self {
        Self(Arc::new(Inner {
            waiting: FairQueue::new(length, usize::MAX),
            taken: Mutex::default(),
            total: AtomicUsize::new(0),
            count: count.max(1),
            released: Notify::new(),
        }))
    }

    /// Takes a slot for `namespace`; waits for at most `wait`. Sheds the request if it waits longer, or if the queue is
    /// full and no other namespace has more in it.
    pub(crate) async fn take(&self, namespace: &Namespace, wait: Duration) -> Result<Slot, Error> {
        if self.0.waiting.is_closed() {
            return Err(closed());
        }
        if self.0.waiting.is_empty() && self.0.try_take(namespace) {
            return Ok(Slot { inner: Arc::clone(&self.0), namespace: namespace.clone() });
        }
        let answered = self.0.waiting.enqueue(SlotRequest(namespace.clone()), 0, |job| job)?;
        // A slot may have been released in between.
        self.0.hand_out();
        let answered = timeout(wait, answered).await.map_err(|_| {
            self.0.waiting.count_shed();
            shed()
        })?;
        answered.unwrap_or_else(|_| Err(closed()))
    }

    /// The load of the slots, and of the queue of requests for one.
    pub(crate) fn load(&self, name: &'static str, namespaces: usize) -> (PoolLoad, QueueLoad) {
        let taken = self.0.total.load(Ordering::Relaxed) as u64;
        let pool = PoolLoad { pool: name, size: self.0.count as u64, taken };
        (pool, self.0.waiting.load(name, namespaces))
    }

    /// Whether none is taken.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.total.load(Ordering::Relaxed) == 0
    }

    /// Refuses further requests, and waits until all others have been served.
    pub(crate) async fn close(&self) {
        self.0.waiting.close();
        loop {
            let released = self.0.released.notified();
            if self.is_idle() && self.0.waiting.is_empty() {
                return;
            }
            released.await;
        }
    }
}

impl Inner {
    /// Whether `namespace` may have one more. The last free slot is for a namespace that has none.
    fn may_have(&self, taken: &[(Namespace, usize)], namespace: &Namespace) -> bool {
        match self.count - self.total.load(Ordering::Relaxed) {
            0 => false,
            1 => self.count == 1 || taken.iter().all(|(other, _)| other != namespace),
            _ => true,
        }
    }

    fn add(&self, taken: &mut Vec<(Namespace, usize)>, namespace: &Namespace) {
        self.total.fetch_add(1, Ordering::Relaxed);
        match taken.iter_mut().find(|(other, _)| other == namespace) {
            Some((_, count)) => *count += 1,
            None => taken.push((namespace.clone(), 1)),
        }
    }

    fn try_take(&self, namespace: &Namespace) -> bool {
        let mut taken = self.taken();
        let may = self.may_have(&taken, namespace);
        if may {
            self.add(&mut taken, namespace);
        }
        may
    }

    /// Gives free slots to waiting requests, round robin.
    fn hand_out(self: &Arc<Self>) {
        loop {
            let job = {
                let mut taken = self.taken();
                let job = self.waiting.take_first(|job| self.may_have(&taken, &job.request.0));
                let Some(job) = job else { return };
                self.add(&mut taken, &job.request.0);
                job
            };
            let slot = Slot { inner: Arc::clone(self), namespace: job.request.0.clone() };
            job.answer(Ok(slot));
        }
    }

    /// A std mutex: never held across an await.
    fn taken(&self) -> MutexGuard<'_, Vec<(Namespace, usize)>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        {
            let mut taken = self.inner.taken();
            self.inner.total.fetch_sub(1, Ordering::Relaxed);
            if let Some(at) = taken.iter().position(|(namespace, _)| *namespace == self.namespace) {
                taken[at].1 -= 1;
                if taken[at].1 == 0 {
                    taken.swap_remove(at);
                }
            }
        }
        if !self.inner.waiting.is_empty() {
            self.inner.hand_out();
        }
        self.inner.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, pin_mut, poll};
    use prism_contract::Code;

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    fn namespace(name: &str) -> Namespace {
        Namespace::new(name).unwrap()
    }

    #[tokio::test]
    async fn a_namespace_with_one_request_waits_for_at_most_one_of_a_flood() {
        let slots = Slots::new(1, 100);
        let (flood, other) = (namespace("flood"), namespace("other"));
        let held = slots.take(&flood, LONG).await.unwrap();
        let mut floods: Vec<_> = (0..64).map(|_| Box::pin(slots.take(&flood, LONG))).collect();
        for waiting in &mut floods {
            assert!(poll!(waiting).is_pending());
        }
        let other_request = slots.take(&other, LONG);
        pin_mut!(other_request);
        assert!(poll!(&mut other_request).is_pending());
        drop(held);
        let first = floods.remove(0).await.unwrap();
        assert!(poll!(&mut other_request).is_pending());
        drop(first);
        drop(other_request.await.unwrap());
        for waiting in floods {
            drop(waiting.await.unwrap());
        }
        assert!(slots.is_idle());
    }

    #[tokio::test]
    async fn the_last_free_slot_is_kept_for_a_namespace_that_has_none() {
        let slots = Slots::new(3, 100);
        let (flood, other) = (namespace("flood"), namespace("other"));
        let held = [slots.take(&flood, LONG).await.unwrap(), slots.take(&flood, LONG).await.unwrap()];
        let third = slots.take(&flood, LONG);
        pin_mut!(third);
        assert!(poll!(&mut third).is_pending());
        for _ in 0..2 {
            // It has none again.
            let other_request = slots.take(&other, LONG).now_or_never().expect("the last one was not kept");
            drop(other_request.unwrap());
        }
        assert!(poll!(&mut third).is_pending());
        drop(held);
        drop(third.await.unwrap());
        slots.close().await;
        assert_eq!(slots.take(&other, LONG).await.err().map(|error| error.code()), Some(Code::Unavailable));
    }

    #[tokio::test]
    async fn an_abandoned_request_takes_no_slot() {
        let slots = Slots::new(1, 1);
        let name = namespace("n");
        let held = slots.take(&name, LONG).await.unwrap();
        let error = slots.take(&name, Duration::ZERO).await.err().unwrap();
        assert_eq!(error.code(), Code::ResourceExhausted);
        drop(held);
        drop(slots.take(&name, LONG).await.unwrap());
    }
}
