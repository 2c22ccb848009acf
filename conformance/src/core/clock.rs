//! A manual clock for tests.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use prism_contract::Timestamp;

/// A clock that only advances through [`ManualClock::advance`].
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl Default for ManualClock {
    /// Starts on 2024-01-01T00:00:00Z.
    fn default() -> Self {
        Self(AtomicI64::new(1_704_067_200_000_000))
    }
}

impl ManualClock {
    /// A clock that starts at this time.
    pub fn new(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.as_micros()))
    }

    /// The current time of this clock.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX)
    }

    /// Advances the clock.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}
