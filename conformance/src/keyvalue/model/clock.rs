//! Model of the store's clock: times must be consistent with each other, absolute values are unchecked (PUT-5).

use std::collections::BTreeMap;
use std::time::Duration;

use prism_contract::Timestamp;

use crate::keyvalue::Action;

#[derive(Debug, Clone)]
pub(super) struct Clock {
    /// Whether only `Advance` moves it. Otherwise each step has a separate moment, not known beforehand.
    manual: bool,
    /// The model's time in microseconds.
    now: i64,
    /// Store time by model time; for a manual clock one entry determines all others.
    seen: BTreeMap<i64, i64>,
}

pub(super) fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_nanos().div_ceil(1_000)).unwrap_or(i64::MAX)
}

impl Clock {
    pub(super) fn new(manual: bool) -> Self {
        Self { manual, now: 0, seen: BTreeMap::new() }
    }

    pub(super) fn now(&self) -> i64 {
        self.now
    }

    pub(super) fn step(&mut self, action: &Action) {
        if let Action::Advance(by) = action {
            self.now += micros(*by);
        }
        if !self.manual {
            self.now += 1;
        }
    }

    /// Whether `answered` can be the store's time at `moment`. The first answer about a moment is taken as true.
    pub(super) fn agrees(&mut self, moment: i64, answered: Timestamp) -> bool {
        let answered = answered.as_micros();
        let known = if self.manual {
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
