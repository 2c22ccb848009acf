//! Removes expired items, old tombstones (TTL-5) and expired events (RET-2), a bounded amount at a time.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use prism_contract::{Error, Namespace, Swept};
use prism_wire::clock::Clock;
use tokio::time::Instant;

use super::observed::Sweeps;
use super::services::Store;
use crate::catalog::Catalog;

/// Sweeps a store.
pub(super) struct Sweeper {
    pub(super) store: Store,
    /// The store's index in the catalog, which has the retention of its TimeSeries namespaces.
    pub(super) index: usize,
    pub(super) catalog: Catalog,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) sweeps: Arc<Sweeps>,
}

impl Sweeper {
    /// Sweeps every `interval`, for ever.
    pub(super) async fn run(self, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            let began = Instant::now();
            let items = self.all(|| self.store.keyvalue.sweep(self.clock.now())).await;
            let events = self.all(|| self.expire()).await;
            if items && events {
                self.sweeps.completed(began.elapsed());
            }
        }
    }

    /// Sweeps until nothing is left to sweep now; returns whether that succeeded. A sweep that failed is repeated after the next
    /// interval. Waiting requests run between two parts.
    async fn all<F: Future<Output = Result<Swept, Error>>>(&self, sweep: impl Fn() -> F) -> bool {
        loop {
            match AssertUnwindSafe(sweep()).catch_unwind().await {
                Ok(Ok(swept)) => {
                    tracing::debug!(expired = swept.expired, tombstones = swept.tombstones, "swept");
                    self.sweeps.removed(&swept);
                    if !swept.more {
                        return true;
                    }
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, cause = ?error.cause(), "a sweep failed");
                    self.sweeps.failed();
                    return false;
                }
                // The panic hook has logged it.
                Err(_) => {
                    self.sweeps.failed();
                    return false;
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Removes events that have expired by the policies of this moment.
    async fn expire(&self) -> Result<Swept, Error> {
        let Some(timeseries) = &self.store.timeseries else { return Ok(Swept::default()) };
        let (snapshot, now) = (self.catalog.snapshot(), self.clock.now());
        // A store without TimeSeries namespaces is not prepared for them.
        if !snapshot.keeps_timeseries(self.index) {
            return Ok(Swept::default());
        }
        timeseries.expire(&|namespace: &Namespace| snapshot.expired(self.index, namespace, now)).await
    }
}
