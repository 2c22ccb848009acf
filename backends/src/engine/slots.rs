//! A bounded number of connections, given to the namespaces in turn (round robin): one that asks for much does not keep the
//! others waiting behind it, and the last free connection is kept for a namespace that has none.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prism_contract::{Error, Namespace};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::fair::Waiting;
use super::queue::{closed, shed};
use super::work::{Job, Work};

/// The slots, one for each connection.
pub(crate) struct Slots(Arc<Inner>);

struct Inner {
    waiting: Waiting<Job<Wanted>>,
    /// The namespaces that have taken some, and how many: no more than there are slots, so a search of them is short.
    taken: Mutex<Vec<(Namespace, usize)>>,
    /// How many are taken, all together; changed under the lock of `taken`.
    total: AtomicUsize,
    count: usize,
    given_back: Notify,
}

/// A slot that a namespace waits for.
struct Wanted(Namespace);

impl Work for Wanted {
    type Answer = Slot;

    fn namespace(&self) -> &Namespace {
        &self.0
    }
}

/// A slot that is taken.
pub(crate) struct Slot {
    inner: Arc<Inner>,
    namespace: Namespace,
}

impl Slots {
    /// `count` slots, at least one, for which `length` requests may wait.
    pub(crate) fn new(count: usize, length: usize) -> Self {
        Self(Arc::new(Inner {
            waiting: Waiting::new(length, usize::MAX),
            taken: Mutex::default(),
            total: AtomicUsize::new(0),
            count: count.max(1),
            given_back: Notify::new(),
        }))
    }

    /// Takes a slot for `namespace`; waits for one for as long as `wait`. Sheds the request if it waits longer, or if too many
    /// wait and no other namespace has more of them.
    pub(crate) async fn take(&self, namespace: &Namespace, wait: Duration) -> Result<Slot, Error> {
        if self.0.waiting.is_closed() {
            return Err(closed());
        }
        if self.0.waiting.is_empty() && self.0.try_take(namespace) {
            return Ok(Slot { inner: Arc::clone(&self.0), namespace: namespace.clone() });
        }
        let answered = self.0.waiting.enter(Wanted(namespace.clone()), 0, |job| job)?;
        // One may have been given back in between.
        self.0.hand_out();
        timeout(wait, answered).await.map_err(|_| shed())?.unwrap_or_else(|_| Err(closed()))
    }

    /// Whether none is taken.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.total.load(Ordering::Relaxed) == 0
    }

    /// Lets no request in any more, and waits until those that are there have been served.
    pub(crate) async fn close(&self) {
        self.0.waiting.close();
        loop {
            let given_back = self.0.given_back.notified();
            if self.is_idle() && self.0.waiting.is_empty() {
                return;
            }
            given_back.await;
        }
    }
}

impl Inner {
    /// Whether `namespace` may have one more. The last that is free goes to a namespace that has none.
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

    /// Gives what is free to those who wait, by turns of the namespaces.
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

    /// A std mutex: nothing awaits while it is held.
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
        self.inner.given_back.notify_waiters();
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
    async fn a_namespace_that_waits_with_much_lets_another_have_the_next_but_one() {
        let slots = Slots::new(1, 100);
        let (flood, other) = (namespace("flood"), namespace("other"));
        let held = slots.take(&flood, LONG).await.unwrap();
        let mut floods: Vec<_> = (0..64).map(|_| Box::pin(slots.take(&flood, LONG))).collect();
        for waiting in &mut floods {
            assert!(poll!(waiting).is_pending());
        }
        let neighbour = slots.take(&other, LONG);
        pin_mut!(neighbour);
        assert!(poll!(&mut neighbour).is_pending());
        drop(held);
        let first = floods.remove(0).await.unwrap();
        assert!(poll!(&mut neighbour).is_pending());
        drop(first);
        drop(neighbour.await.unwrap());
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
            let neighbour = slots.take(&other, LONG).now_or_never().expect("the last one was not kept");
            drop(neighbour.unwrap());
        }
        assert!(poll!(&mut third).is_pending());
        drop(held);
        drop(third.await.unwrap());
        slots.close().await;
        assert_eq!(slots.take(&other, LONG).await.err().map(|error| error.code()), Some(Code::Unavailable));
    }

    #[tokio::test]
    async fn one_that_stopped_waiting_takes_no_slot() {
        let slots = Slots::new(1, 1);
        let name = namespace("n");
        let held = slots.take(&name, LONG).await.unwrap();
        let error = slots.take(&name, Duration::ZERO).await.err().unwrap();
        assert_eq!(error.code(), Code::ResourceExhausted);
        drop(held);
        drop(slots.take(&name, LONG).await.unwrap());
    }
}
