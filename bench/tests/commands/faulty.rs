//! A server with one injected fault in its answers.

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use prism_bench::client::{KEY, record_of};
use prism_bench::value::Sizes;
use prism_proto::common::ItemMetadata;
use prism_proto::keyvalue::v1::key_value_service_server::{KeyValueService, KeyValueServiceServer};
use prism_proto::keyvalue::v1::{
    DeleteRequest, DeleteResponse, DescribeRequest, DescribeResponse, GetRequest, GetResponse, Item,
    PutRequest, PutResponse, PutResult, ScanRequest, ScanResponse,
};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

/// The injected fault: `stale`, `other`, `damaged` or `absent`.
pub(crate) const VARIABLE: &str = "PRISM_TEST_LIE";

struct FaultyServer {
    fault: String,
    version: AtomicI64,
}

/// Serves on the address after `--listen`.
pub(crate) fn serve(fault: &str) -> ExitCode {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--listen");
    let Some(address) = arguments.nth(1).and_then(|address| address.parse().ok()) else {
        return ExitCode::SUCCESS;
    };
    let service = FaultyServer { fault: fault.to_owned(), version: AtomicI64::new(1) };
    let server =
        tonic::transport::Server::builder().add_service(KeyValueServiceServer::new(service)).serve(address);
    let served = tokio::runtime::Runtime::new().map(|runtime| runtime.block_on(server));
    if matches!(served, Ok(Ok(()))) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[tonic::async_trait]
impl KeyValueService for FaultyServer {
    async fn put(&self, _: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        let version = self.version.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(Response::new(PutResponse { results: vec![PutResult { applied: true, version }] }))
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let record = record_of(&request.get_ref().id).ok_or_else(|| Status::internal("an unknown id"))?;
        let values = Sizes::new(100, 100).map_err(Status::internal)?;
        let mut value = values.make(record + u64::from(self.fault == "other"), 0).to_vec();
        value[60] ^= u8::from(self.fault == "damaged");
        let version = if self.fault == "stale" { 1 } else { i64::MAX };
        let item = Item {
            key: Bytes::from_static(KEY),
            value: value.into(),
            metadata: Some(ItemMetadata { version, ..ItemMetadata::default() }),
        };
        let items = if self.fault == "absent" { vec![] } else { vec![item] };
        Ok(Response::new(GetResponse { items, next_page_token: Bytes::new() }))
    }

    async fn delete(&self, _: Request<DeleteRequest>) -> Result<Response<DeleteResponse>, Status> {
        Err(Status::unimplemented("not used by the tests"))
    }

    type ScanStream = Pin<Box<dyn Stream<Item = Result<ScanResponse, Status>> + Send>>;

    async fn scan(&self, _: Request<ScanRequest>) -> Result<Response<Self::ScanStream>, Status> {
        Err(Status::unimplemented("not used by the tests"))
    }

    async fn describe(&self, _: Request<DescribeRequest>) -> Result<Response<DescribeResponse>, Status> {
        Ok(Response::new(DescribeResponse::default()))
    }
}
