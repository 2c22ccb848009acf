//! A server without storage: the same service and messages, and so the upper bound for any gateway.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use prism_proto::common::ItemMetadata;
use prism_proto::keyvalue::v1::key_value_service_server::{KeyValueService, KeyValueServiceServer};
use prism_proto::keyvalue::v1::{
    DeleteRequest, DeleteResponse, DescribeRequest, DescribeResponse, GetRequest, GetResponse, Item,
    PutRequest, PutResponse, PutResult, ScanRequest, ScanResponse,
};
use tokio::net::TcpListener;
use tokio_stream::Stream;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::client::{KEY, record_of};
use crate::failure::Failure;
use crate::value::Sizes;

struct Echo {
    values: Sizes,
    version: Arc<AtomicI64>,
}

/// Serves on `listener` until the process ends; Gets return values of these sizes.
///
/// # Errors
/// The transport failed.
pub async fn serve(listener: TcpListener, values: Sizes) -> Result<(), Failure> {
    let echo = Echo { values, version: Arc::new(AtomicI64::new(0)) };
    // TCP_NODELAY, like tonic's own listener and Prism: small responses are sent immediately.
    let incoming = tokio_stream::StreamExt::map(TcpListenerStream::new(listener), |stream| {
        stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream))
    });
    Server::builder()
        .add_service(KeyValueServiceServer::new(echo))
        .serve_with_incoming(incoming)
        .await
        .map_err(|why| Failure::of("echo", &why))
}

impl Echo {
    fn next_version(&self) -> i64 {
        self.version.fetch_add(1, Ordering::Relaxed) + 1
    }
}

#[tonic::async_trait]
impl KeyValueService for Echo {
    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        let version = self.next_version();
        let results = request.get_ref().items.iter().map(|_| PutResult { applied: true, version }).collect();
        Ok(Response::new(PutResponse { results }))
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let record = record_of(&request.get_ref().id)
            .ok_or_else(|| Status::invalid_argument("ids must have the form r<number>"))?;
        let now = prost_types::Timestamp::from(SystemTime::now());
        let version = self.version.load(Ordering::Relaxed).max(1);
        let metadata =
            ItemMetadata { version, created_at: Some(now), updated_at: Some(now), ..ItemMetadata::default() };
        let item = Item {
            key: Bytes::from_static(KEY),
            value: self.values.make(record, 0),
            metadata: Some(metadata),
        };
        Ok(Response::new(GetResponse { items: vec![item], next_page_token: Bytes::new() }))
    }

    async fn delete(&self, _: Request<DeleteRequest>) -> Result<Response<DeleteResponse>, Status> {
        Ok(Response::new(DeleteResponse { deleted_count: 0 }))
    }

    type ScanStream = Pin<Box<dyn Stream<Item = Result<ScanResponse, Status>> + Send>>;

    async fn scan(&self, _: Request<ScanRequest>) -> Result<Response<Self::ScanStream>, Status> {
        Ok(Response::new(Box::pin(tokio_stream::once(Ok(ScanResponse::default())))))
    }

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        let server_version = env!("CARGO_PKG_VERSION").to_owned();
        Ok(Response::new(DescribeResponse { server_version, ..DescribeResponse::default() }))
    }
}
