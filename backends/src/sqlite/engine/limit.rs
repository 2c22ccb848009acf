//! A bound on how long the writer's statements may run: SQLite has one writer, and everything waits behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sqlx::SqliteConnection;

/// How many steps of SQLite's machine come between two looks at the clock: a fraction of a millisecond.
const STEPS: i32 = 10_000;

/// Interrupts the statement that runs on the writer's connection once its time is over or no caller waits for it. An interrupted
/// statement fails, and its transaction is rolled back.
#[derive(Clone)]
pub(in crate::sqlite) struct Limit(Arc<State>);

struct State {
    start: Instant,
    /// When the statement is interrupted, in nanoseconds from `start`; 0: never. Never set while a COMMIT runs, which would
    /// be reported as interrupted although it took effect.
    until: AtomicU64,
    stopped: AtomicBool,
}

impl Limit {
    pub(in crate::sqlite) fn new() -> Self {
        let state =
            State { start: Instant::now(), until: AtomicU64::new(0), stopped: AtomicBool::new(false) };
        Self(Arc::new(state))
    }

    /// Has the connection ask, while a statement runs on it.
    pub(in crate::sqlite) async fn attach(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<(), sqlx::Error> {
        let state = Arc::clone(&self.0);
        connection.lock_handle().await?.set_progress_handler(STEPS, move || !state.is_over());
        Ok(())
    }

    /// Statements may run for so long from now on, all together.
    pub(in crate::sqlite) fn arm(&self, time: Duration) {
        let until = self.0.start.elapsed().saturating_add(time);
        self.0.until.store(nanos(until), Ordering::Relaxed);
    }

    /// Whether the time that statements may run is bounded.
    pub(in crate::sqlite) fn is_armed(&self) -> bool {
        self.0.until.load(Ordering::Relaxed) != 0
    }

    /// Statements may run for ever.
    pub(in crate::sqlite) fn disarm(&self) {
        self.0.until.store(0, Ordering::Relaxed);
    }

    /// No caller waits for the transaction any more, until [`begin`](Self::begin).
    pub(in crate::sqlite) fn stop(&self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }

    /// The next transaction is waited for.
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
