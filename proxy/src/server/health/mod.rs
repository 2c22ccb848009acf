//! `grpc.health.v1` that follows the backend: SERVING while it serves, NOT_SERVING while it does not (HEALTH-1). Checks and the
//! outcomes of real calls tell which.

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
use self::service::{HealthService, Said};

/// Failing calls have the backend checked at once, but no more often than this.
const BETWEEN_CHECKS: Duration = Duration::from_millis(100);

/// The watch over a backend.
#[derive(Clone)]
pub(super) struct Health {
    said: Arc<watch::Sender<Said>>,
    outcomes: Arc<Outcomes>,
    stop: CancellationToken,
}

/// Watches `backend`: checks it every `interval`, and at once when a call found it away. It comes back when the first check
/// is done, or after one interval, so that a server that is asked from then on never says what it does not know.
pub(super) async fn watch(
    backend: Arc<dyn Lifecycle>,
    interval: Duration,
) -> (Health, HealthServer<impl HealthApi>) {
    let (said, heard) = watch::channel(Said { status: ServingStatus::NotServing, last: false });
    let health = Health { said: Arc::new(said), outcomes: Arc::default(), stop: CancellationToken::new() };
    let mut watch = Watch { backend, interval, health: health.clone(), judge: Judge::new(interval) };
    let mut verdict = watch.look(None).await;
    tokio::spawn(health.stop.clone().run_until_cancelled_owned(async move {
        loop {
            let (now, outcomes) = (Instant::now(), Arc::clone(&watch.health.outcomes));
            // Failing calls shorten the wait only while the backend is thought to serve: one that is away is checked no more
            // often for being called.
            let recheck = async {
                if verdict != Verdict::Serving {
                    std::future::pending::<()>().await;
                }
                sleep_until(now + BETWEEN_CHECKS.min(interval)).await;
                outcomes.recheck.notified().await;
            };
            tokio::select! {
                () = sleep_until(now + interval) => {}
                () = recheck => {}
            }
            verdict = watch.look(Some(verdict)).await;
        }
    }));
    (health, HealthServer::new(HealthService(heard)))
}

/// What the task that watches has.
struct Watch {
    backend: Arc<dyn Lifecycle>,
    interval: Duration,
    health: Health,
    judge: Judge,
}

impl Watch {
    /// Checks the backend, and says what is news.
    async fn look(&mut self, before: Option<Verdict>) -> Verdict {
        self.judge.check_begins(&self.health.outcomes);
        let (check, error) = self.check().await;
        let verdict = self.judge.verdict(check, &self.health.outcomes);
        if before != Some(verdict) {
            match (verdict, error) {
                (Verdict::Serving, _) => tracing::info!("the database answers: serving"),
                (Verdict::Failing(kind), _) => tracing::warn!(
                    kind,
                    "the database answers its check but all calls of this kind fail: not serving"
                ),
                (Verdict::Away, error) => {
                    let cause = error.as_ref().and_then(Error::cause).map(tracing::field::debug);
                    let error = error.as_ref().map(tracing::field::display);
                    tracing::warn!(error, cause, "the database does not answer: not serving");
                }
            }
            self.health.say(verdict == Verdict::Serving);
        }
        verdict
    }

    /// Checks the backend. A check that takes longer than an interval is given up: dropped, not left behind.
    async fn check(&self) -> (Check, Option<Error>) {
        let check = AssertUnwindSafe(self.backend.check()).catch_unwind();
        match tokio::time::timeout(self.interval, check).await {
            Ok(Ok(Ok(()))) => (Check::Answered, None),
            Ok(Ok(Err(error))) => (Check::Failed, Some(error)),
            Ok(Err(_)) => (Check::Failed, Some(Error::internal("the check panicked"))),
            Err(_) => (Check::GivenUp, Some(Error::unavailable("the check did not answer in time"))),
        }
    }
}

impl Health {
    /// Where the outcomes of calls are recorded.
    pub(super) fn outcomes(&self) -> Arc<Outcomes> {
        Arc::clone(&self.outcomes)
    }

    fn say(&self, serving: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.said.send_if_modified(|said| {
            // A server that drains has said its last.
            let news = !said.last && said.status != status;
            if news {
                said.status = status;
            }
            news
        });
    }

    /// Says NOT_SERVING from now on, whatever the backend does, and ends the streams that watch: a watch would hold up the
    /// drain.
    pub(super) fn drain(&self) {
        self.stop.cancel();
        self.said.send_replace(Said { status: ServingStatus::NotServing, last: true });
    }

    /// Ends the watch.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }
}

#[cfg(test)]
mod tests;
