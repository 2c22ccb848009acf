//! Records that are being added: each number is given once, and only what was acknowledged is read.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Numbers of records, given in order.
#[derive(Debug)]
pub struct Frontier {
    /// All below were acknowledged.
    reached: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: u64,
    /// Given, and came back without an acknowledgement.
    back: BTreeSet<u64>,
    /// Acknowledged, above one that is not yet.
    ahead: BTreeSet<u64>,
}

impl Frontier {
    /// `records` are there.
    pub fn new(records: u64) -> Self {
        let state = State { next: records, back: BTreeSet::new(), ahead: BTreeSet::new() };
        Self { reached: AtomicU64::new(records), state: Mutex::new(state) }
    }

    /// How many records can be read: all numbers below this.
    pub fn reached(&self) -> u64 {
        self.reached.load(Ordering::Acquire)
    }

    /// A number to insert.
    pub fn take(&self) -> u64 {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = state.back.pop_first() {
            return number;
        }
        state.next += 1;
        state.next - 1
    }

    /// Its insert was acknowledged.
    pub fn acknowledged(&self, number: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ahead.insert(number);
        let mut reached = self.reached();
        while state.ahead.remove(&reached) {
            reached += 1;
        }
        self.reached.store(reached, Ordering::Release);
    }

    /// Its insert failed: it may be there or not, and somebody is to insert it again.
    pub fn failed(&self, number: u64) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).back.insert(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_acknowledged_without_a_gap_is_reached() {
        let frontier = Frontier::new(10);
        assert_eq!((frontier.take(), frontier.take(), frontier.take()), (10, 11, 12));
        frontier.acknowledged(11);
        assert_eq!(frontier.reached(), 10);
        frontier.failed(10);
        assert_eq!(frontier.take(), 10, "what failed is given again");
        frontier.acknowledged(10);
        assert_eq!(frontier.reached(), 12);
        frontier.acknowledged(12);
        assert_eq!((frontier.reached(), frontier.take()), (13, 13));
    }
}
