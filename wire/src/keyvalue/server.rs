//! The gRPC service of KeyValue: decodes the request, calls the edge, encodes the response.

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, stream};
use prism_contract::keyvalue::request::{
    DeleteRequest, DescribeRequest, GetRequest, PutRequest, ScanRequest, ScanResponse,
};
use prism_contract::keyvalue::{Directory, Edge, ScanCursor};
use prism_proto::keyvalue::v1 as pb;
use prism_proto::keyvalue::v1::key_value_service_server::{KeyValueService, KeyValueServiceServer};
use tonic::{Request, Response, Status};

use crate::MAX_REQUEST_BYTES;
use crate::call::{CallNotes, HasSubject, admit, answer};
use crate::clock::Clock;
use crate::message::{WireRequest, WireResponse};
use crate::one_message::OneMessage;
use crate::slots::{Admission, Slot};

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
        let (notes, slot) = admit(&request, &request.get_ref().namespace, HasSubject::subject)?;
        let admission = request.extensions().get::<Admission>().cloned();
        let namespace = request.get_ref().namespace.clone();
        let request = ScanRequest::from_message(request.into_inner());
        let cursor = self.edge.scan(request).map_err(|error| notes.refuse(error))?;
        let pages = Pages { cursor, clock: Arc::clone(&self.clock), notes, slot, admission, namespace };
        Ok(Response::new(Box::pin(pages.messages())))
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

/// The pages of a scan, each a message.
struct Pages<C> {
    cursor: ScanCursor,
    clock: Arc<C>,
    notes: CallNotes,
    /// The slot of the scan's admission, for its first page.
    slot: Option<Slot>,
    admission: Option<Admission>,
    namespace: String,
}

impl<C: Clock> Pages<C> {
    /// Each page is read only after the previous one was consumed, so a slow reader does not fill the server's memory
    /// (SCAN-3); it holds a slot while it is read. Dropping the stream drops the scan (ERR-4).
    fn messages(self) -> impl Stream<Item = Result<pb::ScanResponse, Status>> + Send {
        stream::unfold(Some(self), |pages| async {
            let mut pages = pages?;
            let again = || pages.admission.as_ref().map(|admission| admission.enter_again(&pages.namespace));
            let slot = pages.slot.take().or_else(again);
            let page = pages.cursor.next(pages.clock.now()).await;
            drop(slot);
            match page {
                Ok(message) => {
                    let message = ScanResponse::into_message(message?);
                    pages.notes.count_message();
                    Some((Ok(message), Some(pages)))
                }
                Err(error) => Some((Err(pages.notes.refuse(error)), None)),
            }
        })
    }
}
