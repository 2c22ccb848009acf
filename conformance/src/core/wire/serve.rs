//! A gRPC server for any store, on a free loopback port: for mutants over the wire, and for tests through a socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use prism_wire::http::RequestShapeLayer;
use prism_wire::layer::StatusesLayer;
use prism_wire::reflection::Reflection;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tonic::transport::server::TcpIncoming;
use tonic_health::server::HealthReporter;
use tonic_health::{ServingStatus, pb::FILE_DESCRIPTOR_SET as HEALTH};

use super::Remote;
use crate::core::OpenError;

/// Tells endless streams that the server drains. By default it never does.
#[derive(Debug, Clone, Default)]
pub struct Drain(Option<watch::Receiver<()>>);

impl Drain {
    /// Completes when the server begins to drain.
    pub(crate) fn begins(&self) -> BoxFuture<'static, ()> {
        let receiver = self.0.clone();
        async move {
            let Some(mut receiver) = receiver else { return std::future::pending().await };
            // Nothing is sent: a change is the end of the sender.
            let _ = receiver.changed().await;
        }
        .boxed()
    }
}

/// A running server. Dropping it stops it.
pub struct Server {
    address: SocketAddr,
    health: HealthReporter,
    /// The full name of the service.
    service: &'static str,
    // Dropping the senders starts the shutdown, and ends endless streams.
    stop: Option<oneshot::Sender<()>>,
    drain: Option<watch::Sender<()>>,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Server {
    /// Serves `store` on a free port of the loopback address, with health and reflection.
    pub async fn start<A: Remote>(store: Arc<A::Store>) -> Result<Self, OpenError> {
        let incoming = TcpIncoming::bind((Ipv4Addr::LOCALHOST, 0).into()).map_err(OpenError::new)?;
        let address = incoming.local_addr().map_err(OpenError::new)?;
        let (health, health_service) = tonic_health::server::health_reporter();
        let reflection =
            Reflection::of(&[prism_proto::FILE_DESCRIPTOR_SET, HEALTH]).map_err(OpenError::new)?;
        let (stop, stopping) = oneshot::channel();
        let (drain, draining) = watch::channel(());
        let serving = tonic::transport::Server::builder()
            .layer(RequestShapeLayer)
            .layer(StatusesLayer)
            .add_routes(A::routes(store, Drain(Some(draining))))
            .add_service(health_service)
            .add_service(reflection.v1())
            .add_service(reflection.v1alpha())
            .serve_with_incoming_shutdown(incoming.with_nodelay(Some(true)), async {
                let _ = stopping.await;
            });
        let task = tokio::spawn(serving);
        let (service, stop, drain) = (A::SERVICE, Some(stop), Some(drain));
        let server = Self { address, health, service, stop, drain, task };
        server.serving(true).await;
        Ok(server)
    }

    /// The listen address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the health status.
    pub async fn serving(&self, serving: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in ["", self.service] {
            self.health.set_service_status(name, status).await;
        }
    }

    /// Stops the server after the calls in flight.
    pub async fn stop(mut self) {
        drop((self.stop.take(), self.drain.take()));
        let _ = self.task.await;
    }
}
