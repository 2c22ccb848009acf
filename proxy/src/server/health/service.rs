//! `grpc.health.v1.Health` with one status for all services. A watch is a receiver of it, without a task or a buffer.

use std::pin::Pin;

use futures::{Stream, stream};
use prism_proto::keyvalue::v1::key_value_service_server::SERVICE_NAME;
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// The published status of all services, and whether watch streams end after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) status: ServingStatus,
    pub(super) last: bool,
}

/// Answers with the status published last.
pub(super) struct HealthService(pub(super) watch::Receiver<Published>);

/// Whether a service exists; the empty name is the whole server.
fn is_known(service: &str) -> bool {
    service.is_empty() || service == SERVICE_NAME
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
        if !is_known(&request.get_ref().service) {
            return Err(Status::not_found("this server has no such service; reflection lists those it has"));
        }
        Ok(Response::new(response(self.0.borrow().status)))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// Streams the status and each change of it. An unknown service is `SERVICE_UNKNOWN`, and its stream stays open, as the
    /// protocol specifies.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let watching =
            Watching { published: self.0.clone(), known: is_known(&request.get_ref().service), before: None };
        Ok(Response::new(Box::pin(stream::unfold(watching, Watching::next))))
    }
}

struct Watching {
    published: watch::Receiver<Published>,
    known: bool,
    before: Option<ServingStatus>,
}

impl Watching {
    async fn next(mut self) -> Option<(Result<HealthCheckResponse, Status>, Self)> {
        loop {
            let Published { status, last } = *self.published.borrow_and_update();
            let status = if self.known { status } else { ServingStatus::ServiceUnknown };
            if self.before.replace(status) != Some(status) {
                return Some((Ok(response(status)), self));
            }
            if last {
                return None;
            }
            self.published.changed().await.ok()?;
        }
    }
}
