//! Any store behind gRPC on a free port of this machine: for seeded bugs over the wire, and for tests through a socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use futures::stream::{BoxStream, StreamExt};
use prism_contract::keyvalue::request::{
    DeleteRequest, DescribeRequest, GetRequest, PutRequest, ScanRequest, ScanResponse,
};
use prism_proto::keyvalue::v1 as pb;
use prism_proto::keyvalue::v1::key_value_service_server::{KeyValueService, KeyValueServiceServer};
use prism_wire::MAX_REQUEST_BYTES;
use prism_wire::http::RequestShapeLayer;
use prism_wire::layer::StatusesLayer;
use prism_wire::message::{WireRequest, WireResponse};
use prism_wire::one_message::OneMessage;
use prism_wire::reflection::Reflection;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_health::server::HealthReporter;
use tonic_health::{ServingStatus, pb::FILE_DESCRIPTOR_SET as HEALTH};

use super::failure::status;
use crate::{Failure, OpenError, Store};

/// The service's full name, which health and reflection know it by.
const SERVICE: &str = "prism.keyvalue.v1.KeyValueService";

/// A running server. Dropping it stops it.
pub struct Server {
    address: SocketAddr,
    health: HealthReporter,
    // Dropping the sender is the signal.
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Server {
    /// Serves `store` on a free port of the loopback address, with health and reflection.
    pub async fn start(store: Arc<dyn Store>) -> Result<Self, OpenError> {
        let incoming = TcpIncoming::bind((Ipv4Addr::LOCALHOST, 0).into()).map_err(OpenError::new)?;
        let address = incoming.local_addr().map_err(OpenError::new)?;
        let (health, health_service) = tonic_health::server::health_reporter();
        let reflection =
            Reflection::of(&[prism_proto::FILE_DESCRIPTOR_SET, HEALTH]).map_err(OpenError::new)?;
        let service = KeyValueServiceServer::new(Service(store))
            .max_decoding_message_size(MAX_REQUEST_BYTES)
            .max_encoding_message_size(usize::MAX);
        let (stop, stopping) = oneshot::channel();
        let serving = tonic::transport::Server::builder()
            .layer(RequestShapeLayer)
            .layer(StatusesLayer)
            .add_service(OneMessage::new(service))
            .add_service(health_service)
            .add_service(reflection.v1())
            .add_service(reflection.v1alpha())
            .serve_with_incoming_shutdown(incoming.with_nodelay(Some(true)), async {
                let _ = stopping.await;
            });
        let task = tokio::spawn(serving);
        let server = Self { address, health, stop: Some(stop), task };
        server.serving(true).await;
        Ok(server)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What health answers from now on.
    pub async fn serving(&self, serving: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        for name in ["", SERVICE] {
            self.health.set_service_status(name, status).await;
        }
    }

    /// Stops it; calls in flight are finished first.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        let _ = self.task.await;
    }
}

/// The generated service over a store.
struct Service(Arc<dyn Store>);

fn answer<A: WireResponse>(answer: Result<A, Failure>) -> Result<Response<A::Message>, Status> {
    answer.map(|answer| Response::new(answer.into_message())).map_err(|failure| status(&failure))
}

#[tonic::async_trait]
impl KeyValueService for Service {
    type ScanStream = BoxStream<'static, Result<pb::ScanResponse, Status>>;

    async fn put(&self, request: Request<pb::PutRequest>) -> Result<Response<pb::PutResponse>, Status> {
        answer(self.0.put(PutRequest::from_message(request.into_inner())).await)
    }

    async fn get(&self, request: Request<pb::GetRequest>) -> Result<Response<pb::GetResponse>, Status> {
        answer(self.0.get(GetRequest::from_message(request.into_inner())).await)
    }

    async fn delete(
        &self,
        request: Request<pb::DeleteRequest>,
    ) -> Result<Response<pb::DeleteResponse>, Status> {
        answer(self.0.delete(DeleteRequest::from_message(request.into_inner())).await)
    }

    async fn scan(&self, request: Request<pb::ScanRequest>) -> Result<Response<Self::ScanStream>, Status> {
        let messages = self.0.scan_messages(ScanRequest::from_message(request.into_inner())).await;
        let messages = messages.map_err(|failure| status(&failure))?;
        let messages = messages
            .map(|message| message.map(ScanResponse::into_message).map_err(|failure| status(&failure)));
        Ok(Response::new(messages.boxed()))
    }

    async fn describe(
        &self,
        request: Request<pb::DescribeRequest>,
    ) -> Result<Response<pb::DescribeResponse>, Status> {
        answer(self.0.describe(DescribeRequest::from_message(request.into_inner())).await)
    }
}
