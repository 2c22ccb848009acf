//! The shutdown signal: drain, and abort.

use std::time::Duration;

use tokio_util::sync::{CancellationToken, DropGuard};

/// Stops a server. Clones share the signal.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    abort: CancellationToken,
}

impl Shutdown {
    /// A signal that has not been given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops accepting connections; calls in flight may finish.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Cuts everything in flight immediately.
    pub fn abort(&self) {
        self.drain.cancel();
        self.abort.cancel();
    }

    /// Whether the drain has begun.
    pub(super) fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Completes when the drain begins.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Cancelled when everything in flight is to be cut.
    pub(super) fn abort_token(&self) -> CancellationToken {
        self.abort.clone()
    }

    /// Aborts `timeout` after the drain began, unless the guard is dropped first, as all calls ended in time.
    pub(super) fn abort_after_drain(&self, timeout: Duration) -> DropGuard {
        let (shutdown, done) = (self.clone(), CancellationToken::new());
        let guard = done.clone().drop_guard();
        tokio::spawn(done.run_until_cancelled_owned(async move {
            shutdown.draining().await;
            tokio::time::sleep(timeout).await;
            tracing::warn!(
                drain_timeout_ms = timeout.as_millis(),
                "drain timeout: calls still in flight are aborted"
            );
            shutdown.abort();
        }));
        guard
    }
}
