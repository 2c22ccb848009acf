//! `grpc.health.v1` from the state of the backend: SERVING or NOT_SERVING (HEALTH-1), judged by checks and by the outcomes
//! of real calls.

mod outcomes;
mod service;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use prism_contract::{Error, Lifecycle};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health as HealthApi, HealthServer};

pub(super) use self::outcomes::{Call, Outcomes, tenant};
use self::outcomes::{Check, Judge, Verdict};
use self::service::{HealthService, Published};

/// Minimum time between checks that are triggered by failing calls.
const MIN_RECHECK_INTERVAL: Duration = Duration::from_millis(100);

/// The health of a backend.
#[derive(Clone)]
pub(super) struct Health {
    published: Arc<watch::Sender<Published>>,
    outcomes: Arc<Outcomes>,
    stop: CancellationToken,
}

/// Watches `backend`: checks it every `interval`, and at once when a call found it unavailable. Returns after the first
/// check, at most one interval later, so that the reported status is always based on a check.
pub(super) async fn watch(
    backend: Arc<dyn Lifecycle>,
    interval: Duration,
) -> (Health, HealthServer<impl HealthApi>) {
    let (published, receiver) = watch::channel(Published { status: ServingStatus::NotServing, last: false });
    let health =
        Health { published: Arc::new(published), outcomes: Arc::default(), stop: CancellationToken::new() };
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
    (health, HealthServer::new(HealthService(receiver)))
}

/// The state of the watching task.
struct Watch {
    backend: Arc<dyn Lifecycle>,
    interval: Duration,
    health: Health,
    judge: Judge,
}

impl Watch {
    /// Checks the backend, and publishes a change.
    async fn refresh(&mut self, before: Option<Verdict>) -> Verdict {
        self.judge.check_begins(&self.health.outcomes);
        let (check, error) = self.check().await;
        let verdict = self.judge.verdict(check, &self.health.outcomes);
        if before != Some(verdict) {
            match (verdict, error) {
                (Verdict::Serving, _) => tracing::info!("backend available: serving"),
                (Verdict::Failing(kind), _) => tracing::warn!(
                    kind,
                    "backend passes its check but all calls of this kind fail: not serving"
                ),
                (Verdict::Unavailable, error) => {
                    let cause = error.as_ref().and_then(Error::cause).map(tracing::field::debug);
                    let error = error.as_ref().map(tracing::field::display);
                    tracing::warn!(error, cause, "backend unavailable: not serving");
                }
            }
            self.health.publish(verdict == Verdict::Serving);
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
    /// Where the outcomes of calls are recorded.
    pub(super) fn outcomes(&self) -> Arc<Outcomes> {
        Arc::clone(&self.outcomes)
    }

    fn publish(&self, serving: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.published.send_if_modified(|published| {
            // A drain's status is final.
            let changed = !published.last && published.status != status;
            if changed {
                published.status = status;
            }
            changed
        });
    }

    /// Reports NOT_SERVING from now on, whatever the backend's state, and ends the watch streams, which would block the
    /// drain.
    pub(super) fn drain(&self) {
        self.stop.cancel();
        self.published.send_replace(Published { status: ServingStatus::NotServing, last: true });
    }

    /// Ends the watch.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests;
