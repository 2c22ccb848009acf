//! How a server is told to stop, and how patiently.

use std::time::Duration;

use tokio_util::sync::{CancellationToken, DropGuard};

/// Tells a server to stop. Clones tell the same server.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    drain: CancellationToken,
    abort: CancellationToken,
}

impl Shutdown {
    /// Nothing was said yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stop accepting, and let calls in flight end in their time.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Cut what is in flight, now.
    pub fn abort(&self) {
        self.drain.cancel();
        self.abort.cancel();
    }

    /// Waits until the server should stop accepting.
    pub async fn draining(&self) {
        self.drain.cancelled().await;
    }

    /// Is cancelled when what is in flight should be cut.
    pub(super) fn abort_token(&self) -> CancellationToken {
        self.abort.clone()
    }

    /// Aborts `patience` after draining began, unless the guard is dropped before: then all ended in time.
    pub(super) fn abort_after_drain(&self, patience: Duration) -> DropGuard {
        let (shutdown, done) = (self.clone(), CancellationToken::new());
        let guard = done.clone().drop_guard();
        tokio::spawn(done.run_until_cancelled_owned(async move {
            shutdown.draining().await;
            tokio::time::sleep(patience).await;
            tracing::warn!(drain_timeout_ms = patience.as_millis(), "calls still in flight are cut");
            shutdown.abort();
        }));
        guard
    }
}
