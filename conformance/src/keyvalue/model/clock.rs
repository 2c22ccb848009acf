//! The store's clock as the model sees it: not what time it is, only that times agree with each other (PUT-5).

use std::collections::BTreeMap;
use std::time::Duration;

use prism_contract::Timestamp;

use crate::keyvalue::Action;

#[derive(Debug, Clone)]
pub(super) struct Clock {
    /// Whether only a request moves it. Otherwise each step has a moment of its own, not known beforehand.
    stands_still: bool,
    /// The model's own time, in microseconds.
    now: i64,
    /// The store's time for moments of the model's own; for a clock that stands still, one tells them all.
    seen: BTreeMap<i64, i64>,
}

pub(super) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_nanos().div_ceil(1_000)).unwrap_or(i64::MAX)
}

impl Clock {
    pub(super) fn new(stands_still: bool) -> Self {
        Self { stands_still, now: 0, seen: BTreeMap::new() }
    }

    pub(super) fn now(&self) -> i64 {
        self.now
    }

    pub(super) fn step(&mut self, action: &Action) {
        if let Action::Advance(by) = action {
            self.now += micros(*by);
        }
        if !self.stands_still {
            self.now += 1;
        }
    }

    /// Whether `answered` can be the store's time at `moment`. The first answer about a moment is believed.
    pub(super) fn agrees(&mut self, moment: i64, answered: Timestamp) -> bool {
        let answered = answered.as_micros();
        let known = if self.stands_still {
            self.seen.first_key_value().map(|(seen, store)| store + (moment - seen))
        } else {
            self.seen.get(&moment).copied()
        };
        if known.is_none() {
            self.seen.insert(moment, answered);
        }
        known.is_none_or(|known| known == answered)
    }
}
