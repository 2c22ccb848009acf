//! The gRPC service of KeyValue: decodes the request, calls the edge, encodes the response.

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use prism_contract::Error;
use prism_contract::keyvalue::request::{
    DeleteRequest, DescribeRequest, GetRequest, PutRequest, ScanRequest, ScanResponse,
};
use prism_contract::keyvalue::{Directory, Edge, ScanCursor};
use prism_proto::keyvalue::v1 as pb;
use prism_proto::keyvalue::v1::key_value_service_server::{KeyValueService, KeyValueServiceServer};
use tonic::{Request, Response, Status};

use crate::MAX_REQUEST_BYTES;
use crate::call::{HasSubject, admit, answer};
use crate::clock::Clock;
use crate::message::WireRequest;
use crate::one_message::OneMessage;
use crate::pages::{Pages, StreamCall, messages};

/// A service over `edge` that reads `clock` once per request, and once per message of a Scan.
pub struct Service<D, C> {
    edge: Edge<D>,
    clock: Arc<C>,
}

impl<D: Directory, C: Clock> Service<D, C> {
    /// A service over `edge`.
    pub fn new(edge: Edge<D>, clock: C) -> Self {
        Self { edge, clock: Arc::new(clock) }
    }

    /// The service for tonic: requests are limited to [`MAX_REQUEST_BYTES`], responses only by the contract's page size. A
    /// request is executed only once it is complete (ERR-3).
    pub fn into_server(self) -> OneMessage<KeyValueServiceServer<Self>> {
        let server = KeyValueServiceServer::new(self)
            .max_decoding_message_size(MAX_REQUEST_BYTES)
            .max_encoding_message_size(usize::MAX);
        OneMessage::new(server)
    }
}

#[tonic::async_trait]
impl<D: Directory, C: Clock> KeyValueService for Service<D, C> {
    type ScanStream = Pin<Box<dyn Stream<Item = Result<pb::ScanResponse, Status>> + Send>>;

    async fn put(&self, request: Request<pb::PutRequest>) -> Result<Response<pb::PutResponse>, Status> {
        let (notes, _slot) = admit(&request, &request.get_ref().namespace, HasSubject::subject)?;
        let request = PutRequest::from_message(request.into_inner());
        answer(&notes, self.edge.put(self.clock.now(), request).await)
    }

    async fn get(&self, request: Request<pb::GetRequest>) -> Result<Response<pb::GetResponse>, Status> {
        let (notes, _slot) = admit(&request, &request.get_ref().namespace, HasSubject::subject)?;
        let request = GetRequest::from_message(request.into_inner());
        answer(&notes, self.edge.get(self.clock.now(), request).await)
    }

    async fn delete(
        &self,
        request: Request<pb::DeleteRequest>,
    ) -> Result<Response<pb::DeleteResponse>, Status> {
        let (notes, _slot) = admit(&request, &request.get_ref().namespace, HasSubject::subject)?;
        let request = DeleteRequest::from_message(request.into_inner());
        answer(&notes, self.edge.delete(self.clock.now(), request).await)
    }

    async fn scan(&self, request: Request<pb::ScanRequest>) -> Result<Response<Self::ScanStream>, Status> {
        let call = StreamCall::admit(&request, &request.get_ref().namespace)?;
        let request = ScanRequest::from_message(request.into_inner());
        let cursor = self.edge.scan(request).map_err(|error| call.notes.refuse(error))?;
        let pages = ScanPages { cursor, clock: Arc::clone(&self.clock) };
        Ok(Response::new(Box::pin(messages(call, pages))))
    }

    async fn describe(
        &self,
        request: Request<pb::DescribeRequest>,
    ) -> Result<Response<pb::DescribeResponse>, Status> {
        let (notes, _slot) = admit(&request, &request.get_ref().namespace, HasSubject::subject)?;
        let request = DescribeRequest::from_message(request.into_inner());
        answer(&notes, self.edge.describe(&request))
    }
}

/// The pages of a scan; each is read at the time of the clock (SCAN-3).
struct ScanPages<C> {
    cursor: ScanCursor,
    clock: Arc<C>,
}

impl<C: Clock> Pages for ScanPages<C> {
    type Message = ScanResponse;

    async fn next(&mut self) -> Result<Option<ScanResponse>, Error> {
        self.cursor.next(self.clock.now()).await
    }
}
