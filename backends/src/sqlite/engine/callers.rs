//! Takes a batch that is committed at once back where it waited for another process's lock and a caller went away meanwhile: such a batch begins
//! and commits in one statement, so only SQLite's commit hook comes between the wait and the commit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::SqliteConnection;

use crate::engine::Group;

/// A batch that took less has not waited for a lock; doing it again would cost more than it is worth.
const WAITED: Duration = Duration::from_millis(10);

/// The callers of the batch that is being committed.
pub(super) struct Callers<G>(Arc<Mutex<State<G>>>);

struct State<G> {
    /// The batch, and when it was sent. `None`: whatever is committed now is committed.
    batch: Option<(Instant, Arc<G>)>,
    refused: bool,
}

impl<G> Default for State<G> {
    fn default() -> Self {
        Self { batch: None, refused: false }
    }
}

impl<G> Default for Callers<G> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<G: Group> Callers<G> {
    /// Has the connection ask before each commit.
    pub(super) async fn attach(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let callers = Self(Arc::clone(&self.0));
        connection.lock_handle().await?.set_commit_hook(move || callers.may_commit());
        Ok(())
    }

    /// From now on the batch is committed only if its callers are still there, or if it did not wait.
    pub(super) fn watch(&self, group: G) -> Arc<G> {
        let group = Arc::new(group);
        *self.lock() = State { batch: Some((Instant::now(), Arc::clone(&group))), refused: false };
        group
    }

    /// The group back, once the batch has been committed, or has failed; and whether it failed because a caller had gone.
    pub(super) fn release(&self, group: Arc<G>) -> (G, bool) {
        let state = std::mem::take(&mut *self.lock());
        drop(state.batch);
        // This is the only one left: the hook takes none.
        (Arc::into_inner(group).unwrap_or_default(), state.refused)
    }

    fn may_commit(&self) -> bool {
        let mut state = self.lock();
        let refused = state
            .batch
            .as_ref()
            .is_some_and(|(sent, group)| sent.elapsed() >= WAITED && group.is_any_abandoned());
        state.refused = refused;
        !refused
    }

    /// A std mutex: nothing awaits while it is held.
    fn lock(&self) -> MutexGuard<'_, State<G>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
