//! A time limit for the writer's statements: SQLite has one writer, and all other writes wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::SqliteConnection;

/// Steps of SQLite's virtual machine between two checks of the clock: a fraction of a millisecond.
const STEPS: i32 = 10_000;

/// Interrupts the statement on the writer's connection once its time limit has passed or no caller waits for it. An
/// interrupted statement fails, and its transaction is rolled back.
#[derive(Clone)]
pub(in crate::sqlite) struct Limit(Arc<State>);

struct State {
    start: Instant,
    /// When the statement is interrupted, in nanoseconds from `start`; 0: never. Not set during a COMMIT, which would be
    /// reported as interrupted although it took effect.
    until: AtomicU64,
    stopped: AtomicBool,
}

impl Limit {
    pub(in crate::sqlite) fn new() -> Self {
        let state =
            State { start: Instant::now(), until: AtomicU64::new(0), stopped: AtomicBool::new(false) };
        Self(Arc::new(state))
    }

    /// Installs the progress handler on a connection.
    pub(in crate::sqlite) async fn attach(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<(), sqlx::Error> {
        let state = Arc::clone(&self.0);
        connection.lock_handle().await?.set_progress_handler(STEPS, move || !state.is_over());
        Ok(())
    }

    /// From now on statements may run for `time` in total.
    pub(in crate::sqlite) fn arm(&self, time: Duration) {
        let until = self.0.start.elapsed().saturating_add(time);
        self.0.until.store(nanos(until), Ordering::Relaxed);
    }

    /// Whether there is a time limit.
    pub(in crate::sqlite) fn is_armed(&self) -> bool {
        self.0.until.load(Ordering::Relaxed) != 0
    }

    /// Removes the time limit.
    pub(in crate::sqlite) fn disarm(&self) {
        self.0.until.store(0, Ordering::Relaxed);
    }

    /// No caller waits for the transaction any more, until [`begin`](Self::begin).
    pub(in crate::sqlite) fn stop(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }

    /// Begins the next transaction, whose caller waits.
    pub(in crate::sqlite) fn begin(&self) {
        self.0.stopped.store(false, Ordering::Relaxed);
    }

    /// Whether no caller waits for the transaction any more.
    pub(in crate::sqlite) fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Relaxed)
    }
}

impl State {
    fn is_over(&self) -> bool {
        match self.until.load(Ordering::Relaxed) {
            0 => false,
            until => self.stopped.load(Ordering::Relaxed) || nanos(self.start.elapsed()) >= until,
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1)
}
