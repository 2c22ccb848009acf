//! Takes a batch of unconditional Puts back where it waited for another process's lock and a caller went away meanwhile: such a batch begins
//! and commits in one statement, so only SQLite's commit hook comes between the wait and the commit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::SqliteConnection;

use crate::queue::Job;

/// A batch that took less has not waited for a lock; doing it again would cost more than it is worth.
const WAITED: Duration = Duration::from_millis(10);

/// The callers of the batch that is being committed.
#[derive(Clone, Default)]
pub(super) struct Callers(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The batch, and when it was sent. `None`: whatever is committed now is committed.
    batch: Option<(Instant, Arc<Vec<Job>>)>,
    refused: bool,
}

impl Callers {
    /// Has the connection ask before each commit.
    pub(super) async fn attach(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let callers = self.clone();
        connection.lock_handle().await?.set_commit_hook(move || callers.may_commit());
        Ok(())
    }

    /// From now on the batch is committed only if its callers are still there, or if it did not wait.
    pub(super) fn watch(&self, jobs: Vec<Job>) -> Arc<Vec<Job>> {
        let jobs = Arc::new(jobs);
        *self.lock() = State { batch: Some((Instant::now(), Arc::clone(&jobs))), refused: false };
        jobs
    }

    /// The jobs back, once the batch has been committed, or has failed; and whether it failed because a caller had gone.
    pub(super) fn release(&self, jobs: Arc<Vec<Job>>) -> (Vec<Job>, bool) {
        let state = std::mem::take(&mut *self.lock());
        drop(state.batch);
        // This is the only one left: the hook takes none.
        (Arc::into_inner(jobs).unwrap_or_default(), state.refused)
    }

    fn may_commit(&self) -> bool {
        let mut state = self.lock();
        let refused = state
            .batch
            .as_ref()
            .is_some_and(|(sent, jobs)| sent.elapsed() >= WAITED && jobs.iter().any(Job::is_abandoned));
        state.refused = refused;
        !refused
    }

    /// A std mutex: nothing awaits while it is held.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
