//! Where `now` comes from: the only clock of a server, read once per request.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prism_contract::Timestamp;

/// Tells the time that a request happens at.
pub trait Clock: Send + Sync + 'static {
    /// The moment, now.
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

/// A clock that stands until it is moved, so that a test need not wait for time to pass. Clones show the same time.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(now.as_micros())))
    }

    /// Moves it by `span`, and no further than [`Timestamp::MAX`].
    pub fn advance(&self, span: Duration) {
        self.set(self.now().saturating_add(span));
    }

    /// Sets it, backwards too: two gateways may disagree about the time.
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
    fn a_manual_clock_stands_until_it_is_moved_and_its_clones_move_with_it() {
        let clock = ManualClock::new(Timestamp::EPOCH);
        let clone = clock.clone();
        assert_eq!(clone.now(), Timestamp::EPOCH);
        clock.advance(Duration::from_micros(7));
        assert_eq!(clone.now().as_micros(), 7);
    }

    #[test]
    fn the_system_clock_tells_microseconds_since_1970() {
        let year_2020 = 1_577_836_800_000_000;
        assert!(SystemClock.now().as_micros() > year_2020);
    }
}
