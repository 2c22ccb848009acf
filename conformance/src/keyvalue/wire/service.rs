//! The generated service over any KeyValue store.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use prism_contract::keyvalue::request::{
    DeleteRequest, DescribeRequest, GetRequest, PutRequest, ScanRequest, ScanResponse,
};
use prism_proto::keyvalue::v1 as pb;
use prism_proto::keyvalue::v1::key_value_service_server::{KeyValueService, KeyValueServiceServer};
use prism_wire::MAX_REQUEST_BYTES;
use prism_wire::message::{WireRequest, WireResponse};
use prism_wire::one_message::OneMessage;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::core::Failure;
use crate::core::wire::status;
use crate::keyvalue::Store;

/// The routes of the service over `store`.
pub(super) fn routes(store: Arc<dyn Store>) -> Routes {
    let service = KeyValueServiceServer::new(Service(store))
        .max_decoding_message_size(MAX_REQUEST_BYTES)
        .max_encoding_message_size(usize::MAX);
    Routes::new(OneMessage::new(service))
}

/// The generated service over a store.
struct Service(Arc<dyn Store>);

fn answer<A: WireResponse>(
    store: &dyn Store,
    answer: Result<A, Failure>,
) -> Result<Response<A::Message>, Status> {
    answer.map(|answer| Response::new(answer.into_message())).map_err(|failure| refusal(store, &failure))
}

/// The status of a failure, with the details that the store's server sends.
fn refusal(store: &dyn Store, failure: &Failure) -> Status {
    let status = status(failure);
    let details = store.sent_details(Bytes::copy_from_slice(status.details()));
    Status::with_details(status.code(), status.message(), details)
}

#[tonic::async_trait]
impl KeyValueService for Service {
    type ScanStream = BoxStream<'static, Result<pb::ScanResponse, Status>>;

    async fn put(&self, request: Request<pb::PutRequest>) -> Result<Response<pb::PutResponse>, Status> {
        answer(&*self.0, self.0.put(PutRequest::from_message(request.into_inner())).await)
    }

    async fn get(&self, request: Request<pb::GetRequest>) -> Result<Response<pb::GetResponse>, Status> {
        answer(&*self.0, self.0.get(GetRequest::from_message(request.into_inner())).await)
    }

    async fn delete(
        &self,
        request: Request<pb::DeleteRequest>,
    ) -> Result<Response<pb::DeleteResponse>, Status> {
        answer(&*self.0, self.0.delete(DeleteRequest::from_message(request.into_inner())).await)
    }

    async fn scan(&self, request: Request<pb::ScanRequest>) -> Result<Response<Self::ScanStream>, Status> {
        let messages = self.0.scan_messages(ScanRequest::from_message(request.into_inner())).await;
        let messages = messages.map_err(|failure| refusal(&*self.0, &failure))?;
        let store = Arc::clone(&self.0);
        let messages = messages.map(move |message| {
            message.map(ScanResponse::into_message).map_err(|failure| refusal(&*store, &failure))
        });
        Ok(Response::new(messages.boxed()))
    }

    async fn describe(
        &self,
        request: Request<pb::DescribeRequest>,
    ) -> Result<Response<pb::DescribeResponse>, Status> {
        answer(&*self.0, self.0.describe(DescribeRequest::from_message(request.into_inner())).await)
    }
}
