//! When to try again what failed for a while, and for how long.

use std::time::Duration;

use tokio::time::Instant;

/// The time for trying again, counted from the first of several failures in a row.
pub(super) struct Patience {
    retry_for: Duration,
    until: Option<Instant>,
    pause: Duration,
}

impl Patience {
    const FIRST_PAUSE: Duration = Duration::from_millis(100);
    const LONGEST_PAUSE: Duration = Duration::from_secs(2);

    pub(super) fn new(retry_for: Duration) -> Self {
        Self { retry_for, until: None, pause: Self::FIRST_PAUSE }
    }

    /// How long to wait before the next try; `None`: there is none. Waits at least as long as was asked for, but not past
    /// the end of what was allowed, when it tries a last time.
    pub(super) fn pause(&mut self, least: Duration) -> Option<Duration> {
        let now = Instant::now();
        let until = *self.until.get_or_insert(now + self.retry_for);
        let left = until.checked_duration_since(now).filter(|left| !left.is_zero())?;
        let pause = self.pause.max(least);
        self.pause = (self.pause * 2).min(Self::LONGEST_PAUSE);
        Some(pause.min(left))
    }
}
