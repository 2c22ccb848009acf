//! What became of the writer's last transaction, from which health tells whether the database takes writes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::Code;

/// For so long a transaction that was committed shows that the database takes writes.
const RECENT: Duration = Duration::from_secs(5);
/// For so long after the disk failed a write, nothing but a write that succeeds shows that it is back: where the disk is full,
/// a small change still finds room that a Put does not.
const QUIET: Duration = Duration::from_secs(5);

/// What became of the writer's last transaction.
pub(in crate::sqlite) struct Outcome(Mutex<Last>);

#[derive(Debug, Clone, Copy)]
enum Last {
    Committed(Instant),
    /// Another process held the lock for too long, or another outage that a transaction can see the end of.
    Away,
    /// The disk failed, or was full.
    Storage(Instant),
}

/// What the last outcome means for health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sqlite) enum Verdict {
    /// The database takes writes.
    Well,
    /// It does not.
    Ill,
    /// A transaction must show it.
    Unknown,
}

impl Outcome {
    /// Opening a file writes to it.
    pub(in crate::sqlite) fn opened() -> Self {
        Self(Mutex::new(Last::Committed(Instant::now())))
    }

    pub(in crate::sqlite) fn committed(&self) {
        self.set(Last::Committed(Instant::now()));
    }

    /// A transaction failed because the database is away, with this result of SQLite's if it had one.
    pub(in crate::sqlite) fn away(&self, code: Option<Code>) {
        self.set(match code {
            Some(Code::Full | Code::InputOutput) => Last::Storage(Instant::now()),
            _ => Last::Away,
        });
    }

    /// Whether the last transaction failed because the database was away.
    pub(in crate::sqlite) fn is_away(&self) -> bool {
        !matches!(*self.lock(), Last::Committed(_))
    }

    pub(in crate::sqlite) fn verdict(&self) -> Verdict {
        match *self.lock() {
            Last::Committed(at) if at.elapsed() < RECENT => Verdict::Well,
            Last::Storage(at) if at.elapsed() < QUIET => Verdict::Ill,
            Last::Committed(_) | Last::Away | Last::Storage(_) => Verdict::Unknown,
        }
    }

    fn set(&self, last: Last) {
        *self.lock() = last;
    }

    /// A std mutex: nothing awaits while it is held.
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
    fn a_recent_commit_and_a_recent_failure_of_the_disk_need_no_transaction_to_show_them() {
        assert_eq!(since(Duration::ZERO, Last::Committed), Verdict::Well);
        assert_eq!(since(RECENT, Last::Committed), Verdict::Unknown);
        assert_eq!(since(Duration::ZERO, Last::Storage), Verdict::Ill);
        assert_eq!(since(QUIET, Last::Storage), Verdict::Unknown);
        assert_eq!(since(Duration::ZERO, |_| Last::Away), Verdict::Unknown);
    }

    #[test]
    fn a_full_disk_and_a_lock_are_told_apart() {
        let outcome = Outcome::opened();
        outcome.away(Some(Code::Full));
        assert_eq!((outcome.is_away(), outcome.verdict()), (true, Verdict::Ill));
        outcome.away(Some(Code::Busy));
        assert_eq!((outcome.is_away(), outcome.verdict()), (true, Verdict::Unknown));
        outcome.committed();
        assert_eq!((outcome.is_away(), outcome.verdict()), (false, Verdict::Well));
    }
}
