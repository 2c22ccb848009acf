//! Backoff between retries of transient failures, up to a deadline.

use std::time::Duration;

use tokio::time::Instant;

/// Exponential backoff. The deadline counts from the first failure.
pub(in super::super) struct Backoff {
    retry_for: Duration,
    deadline: Option<Instant>,
    delay: Duration,
}

impl Backoff {
    const INITIAL_DELAY: Duration = Duration::from_millis(100);
    const MAX_DELAY: Duration = Duration::from_secs(2);

    pub(in super::super) fn new(retry_for: Duration) -> Self {
        Self { retry_for, deadline: None, delay: Self::INITIAL_DELAY }
    }

    /// Delay before the next try; `None`: the deadline has passed. At least `min`, but cut short at the deadline for a last
    /// try.
    pub(in super::super) fn next_delay(&mut self, min: Duration) -> Option<Duration> {
        let now = Instant::now();
        let deadline = *self.deadline.get_or_insert(now + self.retry_for);
        let remaining = deadline.checked_duration_since(now).filter(|remaining| !remaining.is_zero())?;
        let delay = self.delay.max(min);
        self.delay = (self.delay * 2).min(Self::MAX_DELAY);
        Some(delay.min(remaining))
    }
}
