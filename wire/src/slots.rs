//! Admission control: a limit on the calls being executed, shared fairly between namespaces and between callers.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use prism_contract::Error;

/// Retry delay sent to a refused client.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// A namespace or a caller may hold this many times the free slots. A single one gets four fifths of all, two get four
/// ninths each.
const SHARE: usize = 4;
/// A namespace without a call in execution is admitted even if all slots are taken, unless its caller has this many calls in
/// execution.
const OVERCOMMIT: usize = 64;
/// Hashed counters of namespaces and of callers. Two on the same counter share a limit; the secret seed prevents deliberate
/// collisions.
const COUNTERS: usize = 4_096;

/// The slots of a server: a call takes one when its request has been read, and returns it when its response has been made. A
/// call that waits for its client, to send or to read, holds none.
#[derive(Clone)]
pub struct Slots(Arc<Inner>);

struct Inner {
    most: usize,
    taken: AtomicUsize,
    refused: AtomicU64,
    seed: RandomState,
    namespaces: Box<[AtomicUsize]>,
    callers: Box<[AtomicUsize]>,
}

/// A slot, returned on drop.
pub struct Slot {
    slots: Slots,
    namespace: usize,
    caller: usize,
}

/// The right of one call to take a slot, passed in the request's extensions; a call without one is not limited.
#[derive(Clone)]
pub struct Admission {
    slots: Slots,
    caller: usize,
}

impl Slots {
    /// Slots for `most` calls, at least 1.
    pub fn new(most: usize) -> Self {
        let counters = || std::iter::repeat_with(AtomicUsize::default).take(COUNTERS).collect();
        let (namespaces, callers) = (counters(), counters());
        Self(Arc::new(Inner {
            most,
            taken: AtomicUsize::default(),
            refused: AtomicU64::default(),
            seed: RandomState::new(),
            namespaces,
            callers,
        }))
    }

    /// Calls being executed.
    pub fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }

    /// The number of slots.
    pub fn most(&self) -> usize {
        self.0.most
    }

    /// Calls that were refused a slot so far.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// The admission of a call by `caller`: any key that identifies the caller, such as the name of a token or an address.
    pub fn admission(&self, caller: impl Hash) -> Admission {
        Admission { slots: self.clone(), caller: self.counter(caller) }
    }

    fn counter(&self, of: impl Hash) -> usize {
        usize::try_from(self.0.seed.hash_one(of) % COUNTERS as u64).unwrap_or(0)
    }
}

impl Admission {
    /// A slot for a call in `namespace`. RESOURCE_EXHAUSTED if all are taken, or if the namespace or the caller holds its
    /// share.
    pub fn enter(&self, namespace: &str) -> Result<Slot, Error> {
        let (slot, free, shares) = self.take(namespace);
        let fair = free > 0 && shares.into_iter().all(|held| held < free.saturating_mul(SHARE));
        let [of_namespace, of_caller] = shares;
        // Dropping the slot returns it.
        if fair || (of_namespace == 0 && of_caller < OVERCOMMIT) {
            Ok(slot)
        } else {
            self.slots.0.refused.fetch_add(1, Ordering::Relaxed);
            Err(Error::ResourceExhausted(RETRY_AFTER))
        }
    }

    /// A slot for the next page of an admitted stream, even if all slots are taken: a refusal would waste what the stream
    /// has read, and the backend limits the pages read at the same time.
    pub fn enter_again(&self, namespace: &str) -> Slot {
        self.take(namespace).0
    }

    /// A slot, the number of free slots, and the numbers held by the namespace and the caller before.
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

    /// All slots that `admission` gets for a namespace.
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
    fn many_namespaces_of_one_caller_exceed_the_slots_by_a_bounded_number() {
        let slots = Slots::new(8);
        let hostile = slots.admission("hostile");
        let held: Vec<_> = (0..1_000).filter_map(|n| hostile.enter(&format!("n{n}")).ok()).collect();
        assert!(held.len() <= OVERCOMMIT, "{} calls being executed", held.len());
    }
}
