//! Allocation of new record numbers: each is inserted once, and only acknowledged records are read.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Record numbers, allocated in order.
#[derive(Debug)]
pub struct Frontier {
    /// All records below are acknowledged.
    reached: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: u64,
    /// Allocated, but the insert failed.
    failed: BTreeSet<u64>,
    /// Acknowledged, above one not yet acknowledged.
    ahead: BTreeSet<u64>,
}

impl Frontier {
    /// A frontier after `records` existing records.
    pub fn new(records: u64) -> Self {
        let state = State { next: records, failed: BTreeSet::new(), ahead: BTreeSet::new() };
        Self { reached: AtomicU64::new(records), state: Mutex::new(state) }
    }

    /// Number of readable records: all numbers below this.
    pub fn reached(&self) -> u64 {
        self.reached.load(Ordering::Acquire)
    }

    /// Allocates the next number to insert.
    pub fn take(&self) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = state.failed.pop_first() {
            return number;
        }
        state.next += 1;
        state.next - 1
    }

    /// Records an acknowledged insert.
    pub fn acknowledged(&self, number: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ahead.insert(number);
        let mut reached = self.reached();
        while state.ahead.remove(&reached) {
            reached += 1;
        }
        self.reached.store(reached, Ordering::Release);
    }

    /// Records a failed insert: whether it took effect is unknown, so the number is allocated again.
    pub fn failed(&self, number: u64) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).failed.insert(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reached_is_the_end_of_the_gapless_acknowledged_prefix() {
        let frontier = Frontier::new(10);
        assert_eq!((frontier.take(), frontier.take(), frontier.take()), (10, 11, 12));
        frontier.acknowledged(11);
        assert_eq!(frontier.reached(), 10);
        frontier.failed(10);
        assert_eq!(frontier.take(), 10, "a failed number is allocated again");
        frontier.acknowledged(10);
        assert_eq!(frontier.reached(), 12);
        frontier.acknowledged(12);
        assert_eq!((frontier.reached(), frontier.take()), (13, 13));
    }
}
