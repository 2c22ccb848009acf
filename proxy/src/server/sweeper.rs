//! Removes expired items and old tombstones, a bounded amount at a time (TTL-5).

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use prism_contract::Lifecycle;
use prism_wire::clock::Clock;

/// Sweeps `store` every `interval`, for ever.
pub(super) async fn run(store: Arc<impl Lifecycle + ?Sized>, clock: Arc<dyn Clock>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        // Waiting requests run between two parts of a sweep.
        while sweep(&*store, &*clock).await {
            tokio::task::yield_now().await;
        }
    }
}

/// Sweeps once, and returns whether there is more to do now. A failed sweep is retried after the next interval.
async fn sweep(store: &(impl Lifecycle + ?Sized), clock: &dyn Clock) -> bool {
    match AssertUnwindSafe(store.sweep(clock.now())).catch_unwind().await {
        Ok(Ok(swept)) => {
            tracing::debug!(expired = swept.expired, tombstones = swept.tombstones, "swept");
            swept.more
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, cause = ?error.cause(), "a sweep failed");
            false
        }
        // The panic hook has logged it.
        Err(_) => false,
    }
}
