//! Admission control: a bound on the calls in work, shared fairly between namespaces and between callers.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prism_contract::Error;

/// How long a refused client is asked to wait.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// A namespace or a caller may hold this many times the free slots. One alone gets four fifths of all, two get four ninths each.
const SHARE: usize = 4;
/// A namespace that has no call in work is let in even where all slots are taken, unless its caller has this many calls in work.
const NEWCOMERS: usize = 64;
/// Counters of namespaces and of callers. Two that share a counter share a bound, which the secret seed keeps from being aimed at.
const COUNTERS: usize = 4_096;

/// The slots of a server: a call takes one when its request has been read, and returns it when its answer has been made. A call
/// that waits for its client, to send or to read, holds none.
#[derive(Clone)]
pub struct Slots(Arc<Inner>);

struct Inner {
    most: usize,
    taken: AtomicUsize,
    seed: RandomState,
    namespaces: Box<[AtomicUsize]>,
    callers: Box<[AtomicUsize]>,
}

/// A slot, returned when it is dropped.
pub struct Slot {
    slots: Slots,
    namespace: usize,
    caller: usize,
}

/// The right of one call to ask for a slot. Put one into a request's extensions; a call without one is not bounded.
#[derive(Clone)]
pub struct Admission {
    slots: Slots,
    caller: usize,
}

impl Slots {
    /// Slots for `most` calls in work, at least 1.
    pub fn new(most: usize) -> Self {
        let counters = || std::iter::repeat_with(AtomicUsize::default).take(COUNTERS).collect();
        let (namespaces, callers) = (counters(), counters());
        Self(Arc::new(Inner {
            most,
            taken: AtomicUsize::default(),
            seed: RandomState::new(),
            namespaces,
            callers,
        }))
    }

    /// Calls in work.
    pub fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// The admission of a call by `caller`: whatever tells callers apart, such as the name of a token or an address.
    pub fn admission(&self, caller: impl Hash) -> Admission {
        Admission { slots: self.clone(), caller: self.counter(caller) }
    }

    fn counter(&self, of: impl Hash) -> usize {
        usize::try_from(self.0.seed.hash_one(of) % COUNTERS as u64).unwrap_or(0)
    }
}

impl Admission {
    /// A slot for a call that names `namespace`. RESOURCE_EXHAUSTED where all are taken, or where the namespace or the caller
    /// has its share of them.
    pub fn enter(&self, namespace: &str) -> Result<Slot, Error> {
        let (slot, free, shares) = self.take(namespace);
        let fair = free > 0 && shares.into_iter().all(|held| held < free.saturating_mul(SHARE));
        let [of_namespace, of_caller] = shares;
        // Dropping the slot returns it.
        if fair || (of_namespace == 0 && of_caller < NEWCOMERS) {
            Ok(slot)
        } else {
            Err(Error::ResourceExhausted(RETRY_AFTER))
        }
    }

    /// A slot for the next page of a stream that was let in before, even where all slots are taken: the stream would lose what it
    /// has read, and the pages being read at a time are bounded by the backend.
    pub fn enter_again(&self, namespace: &str) -> Slot {
        self.take(namespace).0
    }

    /// A slot, how many were free, and how many the namespace and the caller had.
    fn take(&self, namespace: &str) -> (Slot, usize, [usize; 2]) {
        let namespace = self.slots.counter(namespace);
        let inner = &self.slots.0;
        let free = inner.most.saturating_sub(inner.taken.fetch_add(1, Ordering::Relaxed));
        let shares = [&inner.namespaces[namespace], &inner.callers[self.caller]];
        let shares = shares.map(|counter| counter.fetch_add(1, Ordering::Relaxed));
        (Slot { slots: self.slots.clone(), namespace, caller: self.caller }, free, shares)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let inner = &self.slots.0;
        inner.taken.fetch_sub(1, Ordering::Relaxed);
        inner.namespaces[self.namespace].fetch_sub(1, Ordering::Relaxed);
        inner.callers[self.caller].fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many slots as `admission` gets for a namespace.
    fn flood(admission: &Admission, namespace: &str) -> Vec<Slot> {
        std::iter::from_fn(|| admission.enter(namespace).ok()).collect()
    }

    #[test]
    fn a_namespace_that_floods_leaves_slots_for_another() {
        let slots = Slots::new(100);
        let hostile: Vec<_> = (0..50).map(|n| slots.admission(n)).collect();
        let held: Vec<_> = hostile.iter().flat_map(|admission| flood(admission, "hostile")).collect();
        assert_eq!(held.len(), 80);
        assert_eq!(flood(&slots.admission("neighbour"), "quiet").len(), 16);
        drop(held);
        assert_eq!(slots.taken(), 0);
    }

    #[test]
    fn a_caller_that_floods_many_namespaces_leaves_slots_for_another() {
        let slots = Slots::new(100);
        let hostile = slots.admission("hostile");
        let held: Vec<_> = (0..200).filter_map(|n| hostile.enter(&format!("n{n}")).ok()).collect();
        assert_eq!(held.len(), 80);
        drop(slots.admission("neighbour").enter("quiet").unwrap());
    }

    #[test]
    fn with_all_slots_taken_a_namespace_gets_one_and_no_more_and_a_refused_call_holds_nothing() {
        let slots = Slots::new(2);
        let admission = slots.admission("one");
        let held = [admission.enter("a").ok(), admission.enter("a").ok()];
        let newcomer = slots.admission("two").enter("b");
        for _ in 0..10 {
            for namespace in ["a", "b"] {
                assert!(matches!(slots.admission("two").enter(namespace), Err(Error::ResourceExhausted(_))));
            }
        }
        assert_eq!(slots.taken(), 3);
        let again = admission.enter_again("a");
        assert_eq!(slots.taken(), 4);
        drop((held, newcomer, again));
        assert_eq!(slots.taken(), 0);
    }

    #[test]
    fn many_namespaces_of_one_caller_do_not_exceed_the_slots_by_more_than_a_few() {
        let slots = Slots::new(8);
        let hostile = slots.admission("hostile");
        let held: Vec<_> = (0..1_000).filter_map(|n| hostile.enter(&format!("n{n}")).ok()).collect();
        assert!(held.len() <= NEWCOMERS, "{} calls in work", held.len());
    }
}
