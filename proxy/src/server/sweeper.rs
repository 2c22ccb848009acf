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

/// Sweeps a store: all the time in a server, once in `prism gc`.
pub(crate) struct Sweeper {
    pub(crate) store: Store,
    /// The store's index in the catalog, which has the retention of its TimeSeries namespaces.
    pub(crate) index: usize,
    pub(crate) catalog: Catalog,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A part of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// Expired items, and tombstones past their retention.
    Items,
    /// Expired events.
    Events,
}

impl Pass {
    /// All of them, in their order.
    pub(crate) const ALL: [Self; 2] = [Self::Items, Self::Events];
}

impl Sweeper {
    /// Sweeps every `interval`, for ever.
    pub(super) async fn run(self, interval: Duration, sweeps: Arc<Sweeps>) {
        loop {
            tokio::time::sleep(interval).await;
            let began = Instant::now();
            let mut is_complete = true;
            for pass in Pass::ALL {
                is_complete &= self.all(pass, &sweeps).await;
            }
            if is_complete {
                sweeps.completed(began.elapsed());
            }
        }
    }

    /// Sweeps until nothing is left to sweep now; returns whether that succeeded. A sweep that failed is repeated after the next
    /// interval. Waiting requests run between two parts.
    async fn all(&self, pass: Pass, sweeps: &Sweeps) -> bool {
        loop {
            match AssertUnwindSafe(self.step(pass)).catch_unwind().await {
                Ok(Ok(swept)) => {
                    tracing::debug!(expired = swept.expired, tombstones = swept.tombstones, "swept");
                    sweeps.removed(&swept);
                    if !swept.more {
                        return true;
                    }
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, cause = ?error.cause(), "a sweep failed");
                    sweeps.failed();
                    return false;
                }
                // The panic hook has logged it.
                Err(_) => {
                    sweeps.failed();
                    return false;
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// A bounded step of a pass.
    pub(crate) async fn step(&self, pass: Pass) -> Result<Swept, Error> {
        match pass {
            Pass::Items => self.store.keyvalue.sweep(self.clock.now()).await,
            Pass::Events => self.expire().await,
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
