//! The outcome of the writer's last transaction, from which health derives whether the database accepts writes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::Code;

/// For this long, a committed transaction shows that the database accepts writes.
const RECENT: Duration = Duration::from_secs(5);
/// For this long after a disk failure, only a successful write shows recovery: on a full disk, a small test write may fit
/// where a Put does not.
const DISK_FAILURE_HOLD: Duration = Duration::from_secs(5);

/// The outcome of the writer's last transaction.
pub(in crate::sqlite) struct Outcome(Mutex<Last>);

#[derive(Debug, Clone, Copy)]
enum Last {
    Committed(Instant),
    /// Another process held the lock for too long, or another outage whose end a test transaction can detect.
    Unavailable,
    /// The disk was full or failed.
    Storage(Instant),
}

/// The health that follows from the last outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sqlite) enum Verdict {
    /// The database accepts writes.
    Healthy,
    /// It does not.
    Unhealthy,
    /// Not conclusive: a test transaction is needed.
    Unknown,
}

impl Outcome {
    /// The initial state: opening a file writes to it.
    pub(in crate::sqlite) fn opened() -> Self {
        Self(Mutex::new(Last::Committed(Instant::now())))
    }

    pub(in crate::sqlite) fn committed(&self) {
        self.set(Last::Committed(Instant::now()));
    }

    /// A transaction failed because the database is unavailable, with this result code of SQLite, if any.
    pub(in crate::sqlite) fn unavailable(&self, code: Option<Code>) {
        self.set(match code {
            Some(Code::Full | Code::InputOutput) => Last::Storage(Instant::now()),
            _ => Last::Unavailable,
        });
    }

    /// Whether the last transaction failed because the database was unavailable.
    pub(in crate::sqlite) fn is_unavailable(&self) -> bool {
        !matches!(*self.lock(), Last::Committed(_))
    }

    pub(in crate::sqlite) fn verdict(&self) -> Verdict {
        match *self.lock() {
            Last::Committed(at) if at.elapsed() < RECENT => Verdict::Healthy,
            Last::Storage(at) if at.elapsed() < DISK_FAILURE_HOLD => Verdict::Unhealthy,
            Last::Committed(_) | Last::Unavailable | Last::Storage(_) => Verdict::Unknown,
        }
    }

    fn set(&self, last: Last) {
        *self.lock() = last;
    }

    /// A std mutex: never held across an await.
    fn lock(&self) -> std::sync::MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(age: Duration, last: impl Fn(Instant) -> Last) -> Verdict {
        Outcome(Mutex::new(last(
            Instant::now().checked_sub(age).expect("the clock has run for some seconds"),
        )))
        .verdict()
    }

    #[test]
    fn a_recent_commit_or_disk_failure_needs_no_test_transaction() {
        assert_eq!(since(Duration::ZERO, Last::Committed), Verdict::Healthy);
        assert_eq!(since(RECENT, Last::Committed), Verdict::Unknown);
        assert_eq!(since(Duration::ZERO, Last::Storage), Verdict::Unhealthy);
        assert_eq!(since(DISK_FAILURE_HOLD, Last::Storage), Verdict::Unknown);
        assert_eq!(since(Duration::ZERO, |_| Last::Unavailable), Verdict::Unknown);
    }

    #[test]
    fn a_full_disk_and_a_lock_are_distinguished() {
        let outcome = Outcome::opened();
        outcome.unavailable(Some(Code::Full));
        assert_eq!((outcome.is_unavailable(), outcome.verdict()), (true, Verdict::Unhealthy));
        outcome.unavailable(Some(Code::Busy));
        assert_eq!((outcome.is_unavailable(), outcome.verdict()), (true, Verdict::Unknown));
        outcome.committed();
        assert_eq!((outcome.is_unavailable(), outcome.verdict()), (false, Verdict::Healthy));
    }
}
