//! Rolls back a batch on the fast path if it waited for another process's lock and one of its callers was cancelled
//! meanwhile. Such a batch begins and commits in one statement, so only SQLite's commit hook runs between the wait and the
//! commit.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::SqliteConnection;

use crate::engine::Group;

/// A batch that took less did not wait for a lock; to repeat it would cost more than it saves.
const LOCK_WAIT: Duration = Duration::from_millis(10);

/// The callers of the batch in progress.
pub(super) struct Callers<G>(Arc<Mutex<State<G>>>);

struct State<G> {
    /// The batch, and when it was sent. `None`: any commit may proceed.
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
    /// Installs the commit hook on a connection.
    pub(super) async fn attach(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let callers = Self(Arc::clone(&self.0));
        connection.lock_handle().await?.set_commit_hook(move || callers.may_commit());
        Ok(())
    }

    /// From now on the batch is committed only if all its callers still wait, or if it did not wait for a lock.
    pub(super) fn watch(&self, group: G) -> Arc<G> {
        let group = Arc::new(group);
        *self.lock() = State { batch: Some((Instant::now(), Arc::clone(&group))), refused: false };
        group
    }

    /// Returns the group after the commit or failure, and whether it failed because a caller was cancelled.
    pub(super) fn release(&self, group: Arc<G>) -> (G, bool) {
        let state = std::mem::take(&mut *self.lock());
        drop(state.batch);
        // The only reference left: the hook keeps none.
        (Arc::into_inner(group).unwrap_or_default(), state.refused)
    }

    fn may_commit(&self) -> bool {
        let mut state = self.lock();
        let refused = state
            .batch
            .as_ref()
            .is_some_and(|(sent, group)| sent.elapsed() >= LOCK_WAIT && group.is_any_abandoned());
        state.refused = refused;
        !refused
    }

    /// A std mutex: never held across an await.
    fn lock(&self) -> MutexGuard<'_, State<G>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
