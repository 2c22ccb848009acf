//! `grpc.health.v1.Health`: a status for the whole server and all its services, and one for each backend. A watch is a
//! receiver of it, without a task or a buffer.

use std::collections::HashMap;
use std::pin::Pin;

use futures::future::select_all;
use futures::{FutureExt, Stream, stream};
use prism_proto::control::v1::namespace_service_server::SERVICE_NAME as CONTROL;
use prism_proto::keyvalue::v1::key_value_service_server::SERVICE_NAME as KEYVALUE;
use prism_proto::timeseries::v1::time_series_service_server::SERVICE_NAME as TIMESERIES;
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// A published status, and whether watch streams end after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) status: ServingStatus,
    pub(super) last: bool,
}

/// Several published statuses as one: SERVING if all are.
#[derive(Clone)]
pub(super) struct Watched(Vec<watch::Receiver<Published>>);

impl Watched {
    /// At least one of `published`.
    pub(super) fn new(published: impl IntoIterator<Item = watch::Receiver<Published>>) -> Self {
        Self(published.into_iter().collect())
    }

    pub(super) fn published(&mut self) -> Published {
        let all = self.0.iter_mut().map(|one| *one.borrow_and_update());
        let serving = Published { status: ServingStatus::Serving, last: false };
        all.fold(serving, |so_far, one| Published {
            status: if one.status == ServingStatus::Serving { so_far.status } else { one.status },
            last: so_far.last || one.last,
        })
    }

    /// Waits for a change since [`Self::published`]; `None`: there will be none.
    async fn changed(&mut self) -> Option<()> {
        let (changed, ..) = select_all(self.0.iter_mut().map(|one| one.changed().boxed())).await;
        changed.ok()
    }
}

/// Answers with the status published last.
pub(super) struct HealthService {
    whole: Watched,
    backends: HashMap<String, Watched>,
}

impl HealthService {
    /// The health of the whole server, and of backends by name.
    pub(super) fn new(whole: Watched, backends: impl Iterator<Item = (String, Watched)>) -> Self {
        Self { whole, backends: backends.collect() }
    }

    /// The status of a service; the empty name is the whole server. `None`: there is no such service.
    fn of(&self, service: &str) -> Option<&Watched> {
        if ["", KEYVALUE, TIMESERIES, CONTROL].contains(&service) {
            return Some(&self.whole);
        }
        self.backends.get(service)
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for HealthService {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let Some(watched) = self.of(&request.get_ref().service) else {
            return Err(Status::not_found("this server has no such service; reflection lists those it has"));
        };
        Ok(Response::new(response(watched.clone().published().status)))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// Streams the status and each change of it. An unknown service is `SERVICE_UNKNOWN`, and its stream stays open, as the
    /// protocol specifies.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let watched = self.of(&request.get_ref().service);
        let known = watched.is_some();
        let watching = Watching { watched: watched.unwrap_or(&self.whole).clone(), known, before: None };
        Ok(Response::new(Box::pin(stream::unfold(watching, Watching::next))))
    }
}

struct Watching {
    watched: Watched,
    known: bool,
    before: Option<ServingStatus>,
}

impl Watching {
    async fn next(mut self) -> Option<(Result<HealthCheckResponse, Status>, Self)> {
        loop {
            let Published { status, last } = self.watched.published();
            let status = if self.known { status } else { ServingStatus::ServiceUnknown };
            if self.before.replace(status) != Some(status) {
                return Some((Ok(response(status)), self));
            }
            if last {
                return None;
            }
            self.watched.changed().await?;
        }
    }
}
