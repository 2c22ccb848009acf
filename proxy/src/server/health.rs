//! `grpc.health.v1` that follows the backend: SERVING while it answers, NOT_SERVING while it does not (HEALTH-1).

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use prism_contract::keyvalue::{Error, KeyValueBackend};
use prism_proto::keyvalue::v1::key_value_service_server::SERVICE_NAME;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health as HealthApi, HealthServer};
use tonic_health::server::{HealthReporter, health_reporter};

/// The services that health is told of; the empty name is the whole server.
const SERVICES: [&str; 2] = ["", SERVICE_NAME];

/// The watch over a backend.
#[derive(Clone)]
pub(super) struct Health {
    reporter: HealthReporter,
    suspicion: Arc<Notify>,
    stop: CancellationToken,
}

/// Watches `backend`: checks it every `interval`, and at once when a call found it away. It comes back when the first check
/// is done, or after one interval, so that a server that is asked from then on never says what it does not know.
pub(super) async fn watch(
    backend: Arc<dyn KeyValueBackend>,
    interval: Duration,
) -> (Health, HealthServer<impl HealthApi>) {
    let (reporter, service) = health_reporter();
    let health = Health { reporter, suspicion: Arc::default(), stop: CancellationToken::new() };
    let mut answers = health.look(&*backend, interval, None).await;
    let watch = health.clone();
    tokio::spawn(health.stop.clone().run_until_cancelled_owned(async move {
        loop {
            // Suspicion shortens the wait only while the database is thought to answer: one that is away is asked no
            // more often for being called.
            let suspicion = async {
                if answers { watch.suspicion.notified().await } else { std::future::pending().await }
            };
            tokio::select! {
                () = tokio::time::sleep(interval) => {}
                () = suspicion => {}
            }
            answers = watch.look(&*backend, interval, Some(answers)).await;
        }
    }));
    (health, service)
}

async fn check(backend: &dyn KeyValueBackend, patience: Duration) -> Result<(), Error> {
    let check = AssertUnwindSafe(backend.check()).catch_unwind();
    match tokio::time::timeout(patience, check).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(Error::internal("the check panicked")),
        Err(_) => Err(Error::unavailable("the check did not answer in time")),
    }
}

impl Health {
    /// Notify it when a call was answered UNAVAILABLE.
    pub(super) fn suspicion(&self) -> Arc<Notify> {
        Arc::clone(&self.suspicion)
    }

    /// Checks whether the database answers, and tells it where that is news.
    async fn look(&self, backend: &dyn KeyValueBackend, patience: Duration, before: Option<bool>) -> bool {
        let answer = check(backend, patience).await;
        let answers = answer.is_ok();
        if before != Some(answers) {
            match answer {
                Ok(()) => tracing::info!("the database answers: serving"),
                Err(error) => {
                    tracing::warn!(%error, cause = ?error.cause(), "the database does not answer: not serving");
                }
            }
            self.set(if answers { ServingStatus::Serving } else { ServingStatus::NotServing }).await;
        }
        answers
    }

    async fn set(&self, status: ServingStatus) {
        for service in SERVICES {
            self.reporter.set_service_status(service, status).await;
        }
    }

    /// Says NOT_SERVING from now on, whatever the backend does, and ends the streams that watch.
    pub(super) async fn drain(&self) {
        self.stop.cancel();
        self.set(ServingStatus::NotServing).await;
        // A watch has no end of its own and would hold up the drain; it hears the last status, then ends.
        let mut reporter = self.reporter.clone();
        for service in SERVICES {
            reporter.clear_service_status(service).await;
        }
    }

    /// Ends the watch.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }
}
