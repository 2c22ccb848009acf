//! `grpc.health.v1` from the state of the backends: SERVING or NOT_SERVING (HEALTH-1), judged by checks and by the outcomes
//! of real calls. The server as a whole is SERVING while all backends that it requires are.

mod outcomes;
mod service;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use prism_contract::{Error, Lifecycle};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health as HealthApi, HealthServer};

pub(super) use self::outcomes::{Call, Outcomes, tenant};
use self::outcomes::{Check, Judge, Verdict};
use self::service::{HealthService, Published, Watched};
use super::services::Store;
use crate::control::BackendHealth;

/// Minimum time between checks that are triggered by failing calls.
const MIN_RECHECK_INTERVAL: Duration = Duration::from_millis(100);

/// The health of a server.
pub(super) struct Health {
    backends: Vec<OfBackend>,
    /// SERVING until the server drains, which is final.
    server: watch::Sender<Published>,
}

/// Watches the backends. Returns after the first check of each, at most one interval later, so that a reported status is
/// always based on a check.
pub(super) async fn watch(stores: &[Store], interval: Duration) -> (Health, HealthServer<impl HealthApi>) {
    let watched = stores.iter().map(|store| {
        OfBackend::watch(&store.name, Arc::clone(&store.keyvalue) as Arc<dyn Lifecycle>, interval)
    });
    let backends = join_all(watched).await;
    let (server, draining) = watch::channel(Published { status: ServingStatus::Serving, last: false });
    let of = |backend: &OfBackend| backend.published.subscribe();
    let required = backends.iter().zip(stores).filter(|(_, store)| store.required);
    let whole = Watched::new(required.map(|(backend, _)| of(backend)).chain([draining.clone()]));
    let each = backends.iter().zip(stores).map(|(backend, store)| {
        (format!("backend/{}", store.name), Watched::new([of(backend), draining.clone()]))
    });
    let service = HealthService::new(whole, each);
    (Health { backends, server }, HealthServer::new(service))
}

/// The health of a backend.
#[derive(Clone)]
struct OfBackend {
    name: Arc<str>,
    published: Arc<watch::Sender<Published>>,
    outcomes: Arc<Outcomes>,
    stop: CancellationToken,
    /// Whether a check has passed.
    has_served: Arc<AtomicBool>,
    /// Changes of the published status after the first check.
    changes: Arc<AtomicU64>,
}

/// The health of all backends of a server, for metrics.
pub(super) struct HealthOfAll(Vec<(OfBackend, bool)>);

/// The health of a backend, for metrics.
pub(super) struct HealthState<'a> {
    pub(super) name: &'a str,
    pub(super) required: bool,
    pub(super) serving: bool,
    /// Changes of its status.
    pub(super) changes: u64,
}

impl HealthOfAll {
    /// The backends' states now.
    pub(super) fn states(&self) -> impl Iterator<Item = HealthState<'_>> {
        self.0.iter().map(|(backend, required)| HealthState {
            name: &backend.name,
            required: *required,
            serving: backend.published.borrow().status == ServingStatus::Serving,
            changes: backend.changes.load(Ordering::Relaxed),
        })
    }
}

impl OfBackend {
    /// Watches `backend`: checks it every `interval`, and at once when a call found it unavailable. Returns after the first
    /// check.
    async fn watch(name: &str, backend: Arc<dyn Lifecycle>, interval: Duration) -> Self {
        let (published, _) = watch::channel(Published { status: ServingStatus::NotServing, last: false });
        let health = Self {
            name: name.into(),
            published: Arc::new(published),
            outcomes: Arc::default(),
            stop: CancellationToken::new(),
            has_served: Arc::default(),
            changes: Arc::default(),
        };
        let mut watch = Watch { backend, interval, health: health.clone(), judge: Judge::new(interval) };
        let mut verdict = watch.refresh(None).await;
        tokio::spawn(health.stop.clone().run_until_cancelled_owned(async move {
            loop {
                let (now, outcomes) = (Instant::now(), Arc::clone(&watch.health.outcomes));
                // Failing calls shorten the wait only while the status is SERVING: an unavailable backend is not checked more
                // often because of calls.
                let recheck = async {
                    if verdict != Verdict::Serving {
                        std::future::pending::<()>().await;
                    }
                    sleep_until(now + MIN_RECHECK_INTERVAL.min(interval)).await;
                    outcomes.recheck.notified().await;
                };
                tokio::select! {
                    () = sleep_until(now + interval) => {}
                    () = recheck => {}
                }
                verdict = watch.refresh(Some(verdict)).await;
            }
        }));
        health
    }

    fn publish(&self, serving: bool) {
        self.has_served.fetch_or(serving, Ordering::Relaxed);
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.published.send_replace(Published { status, last: false });
    }
}

/// The state of the watching task.
struct Watch {
    backend: Arc<dyn Lifecycle>,
    interval: Duration,
    health: OfBackend,
    judge: Judge,
}

impl Watch {
    /// Checks the backend, and publishes a change.
    async fn refresh(&mut self, before: Option<Verdict>) -> Verdict {
        self.judge.check_begins(&self.health.outcomes);
        let (check, error) = self.check().await;
        let verdict = self.judge.verdict(check, &self.health.outcomes);
        if before != Some(verdict) {
            let backend = &*self.health.name;
            match (verdict, error) {
                (Verdict::Serving, _) => tracing::info!(backend, "backend available: serving"),
                (Verdict::Failing(kind), _) => tracing::warn!(
                    backend,
                    kind,
                    "backend passes its check but all calls of this kind fail: not serving"
                ),
                (Verdict::Unavailable, error) => {
                    let cause = error.as_ref().and_then(Error::cause).map(tracing::field::debug);
                    let error = error.as_ref().map(tracing::field::display);
                    tracing::warn!(backend, error, cause, "backend unavailable: not serving");
                }
            }
            let serving = verdict == Verdict::Serving;
            // Another reason for the same status is no change.
            if before.is_some_and(|before| (before == Verdict::Serving) != serving) {
                self.health.changes.fetch_add(1, Ordering::Relaxed);
            }
            self.health.publish(serving);
        }
        verdict
    }

    /// Checks the backend. A check that takes longer than an interval is cancelled by dropping it.
    async fn check(&self) -> (Check, Option<Error>) {
        let check = AssertUnwindSafe(self.backend.check()).catch_unwind();
        match tokio::time::timeout(self.interval, check).await {
            Ok(Ok(Ok(()))) => (Check::Passed, None),
            Ok(Ok(Err(error))) => (Check::Failed, Some(error)),
            Ok(Err(_)) => (Check::Failed, Some(Error::internal("the health check panicked"))),
            Err(_) => (Check::TimedOut, Some(Error::unavailable("the health check timed out"))),
        }
    }
}

impl Health {
    /// Where the outcomes of calls are recorded, by backend.
    pub(super) fn outcomes(&self) -> Arc<[Arc<Outcomes>]> {
        self.backends.iter().map(|backend| Arc::clone(&backend.outcomes)).collect()
    }

    /// The state of all backends; `stores` are those of [`watch`].
    pub(super) fn of_all(&self, stores: &[Store]) -> HealthOfAll {
        HealthOfAll(self.backends.iter().cloned().zip(stores.iter().map(|store| store.required)).collect())
    }

    /// The state of a backend, each time that it is called.
    pub(super) fn of_backend(&self, index: usize) -> Box<dyn Fn() -> BackendHealth + Send + Sync> {
        let backend = self.backends[index].clone();
        Box::new(move || match backend.published.borrow().status {
            ServingStatus::Serving => BackendHealth::Serving,
            _ if backend.has_served.load(Ordering::Relaxed) => BackendHealth::Failing,
            _ => BackendHealth::Starting,
        })
    }

    /// Reports NOT_SERVING from now on, whatever the state of the backends, and ends the watch streams, which would block the
    /// drain.
    pub(super) fn drain(&self) {
        self.stop();
        self.server.send_replace(Published { status: ServingStatus::NotServing, last: true });
    }

    /// Ends the checks.
    pub(super) fn stop(&self) {
        self.backends.iter().for_each(|backend| backend.stop.cancel());
    }
}

#[cfg(test)]
mod tests;
