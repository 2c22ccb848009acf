//! The source of `now`: the only clock of a server, read once per request.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prism_contract::Timestamp;

/// The clock that timestamps requests.
pub trait Clock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;
}

impl<F: Fn() -> Timestamp + Send + Sync + 'static> Clock for F {
    fn now(&self) -> Timestamp {
        self()
    }
}

/// The machine's clock, to the microsecond.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::EPOCH
            .saturating_add(Duration::from_micros(u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// A clock that only moves when set, so that a test need not wait. Clones share the time.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.as_micros())))
    }

    /// Advances it by `span`, at most to [`Timestamp::MAX`].
    pub fn advance(&self, span: Duration) {
        self.set(self.now().saturating_add(span));
    }

    /// Sets it, also backwards: the clocks of two gateways may differ.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_micros(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst)).unwrap_or(Timestamp::EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_only_moves_when_set_and_clones_share_its_time() {
        let clock = ManualClock::new(Timestamp::EPOCH);
        let clone = clock.clone();
        assert_eq!(clone.now(), Timestamp::EPOCH);
        clock.advance(Duration::from_micros(7));
        assert_eq!(clone.now().as_micros(), 7);
    }

    #[test]
    fn the_system_clock_counts_microseconds_since_1970() {
        let year_2020 = 1_577_836_800_000_000;
        assert!(SystemClock.now().as_micros() > year_2020);
    }
}
