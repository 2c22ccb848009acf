//! Deletes that were found to take long: each has a transaction alone, and the writer does other work for as long in between.

use std::collections::VecDeque;
use std::time::Duration;

use prism_contract::Namespace;
use tokio::time::{Instant, sleep_until};

use crate::queue::Job;

/// Large Deletes that wait for the writer. Their callers' deadlines bound how long, and calls in flight how many.
#[derive(Default)]
pub(super) struct LargeDeletes {
    waiting: VecDeque<Job>,
    /// Whose the last one was: another namespace's goes first.
    last: Option<Namespace>,
    /// When the next one may begin although other writes wait.
    next: Option<Instant>,
}

impl LargeDeletes {
    pub(super) fn extend(&mut self, jobs: impl IntoIterator<Item = Job>) {
        self.waiting.extend(jobs);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Waits until the next one may begin although other writes wait; for ever where there is none.
    pub(super) async fn due(&self) {
        match self.next {
            _ if self.is_empty() => std::future::pending().await,
            Some(next) => sleep_until(next).await,
            None => {}
        }
    }

    /// The next one that is still waited for; one of another namespace than the last, if there is one.
    pub(super) fn take(&mut self) -> Option<Job> {
        self.waiting.retain(|job| !job.is_abandoned());
        let of_others =
            self.waiting.iter().position(|job| Some(job.request.namespace()) != self.last.as_ref());
        let job = self.waiting.remove(of_others.unwrap_or(0))?;
        self.last = Some(job.request.namespace().clone());
        Some(job)
    }

    /// One was done, or given up, after so long: others have the writer for as long.
    pub(super) fn took(&mut self, time: Duration) {
        self.next = Some(Instant::now() + time);
    }
}
