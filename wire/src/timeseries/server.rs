//! The gRPC service of TimeSeries: decodes the request, calls the edge, encodes the response.

use std::pin::Pin;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{Stream, stream};
use prism_contract::timeseries::request::{
    AppendRequest, DeleteEventsRequest, DescribeRequest, HistogramRequest, HistogramResponse,
    ListSeriesRequest, QueryRequest, TailRequest,
};
use prism_contract::timeseries::{Directory, Edge};
use prism_proto::timeseries::v1 as pb;
use prism_proto::timeseries::v1::time_series_service_server::{TimeSeriesService, TimeSeriesServiceServer};
use tonic::{Request, Response, Status};

use super::tail::Follow;
use crate::MAX_REQUEST_BYTES;
use crate::call::{HasSubject, admit, answer};
use crate::clock::Clock;
use crate::message::{WireRequest, WireResponse};
use crate::one_message::OneMessage;
use crate::pages::{StreamCall, messages};

/// Makes futures that complete when the server begins to drain.
type Drain = dyn Fn() -> BoxFuture<'static, ()> + Send + Sync;

/// A service over `edge` that reads `clock` once per request, and once per page of a Tail.
pub struct Service<D, C> {
    edge: Edge<D>,
    clock: Arc<C>,
    drain: Arc<Drain>,
}

impl<D: Directory + Clone, C: Clock> Service<D, C> {
    /// A service over `edge` whose Tails end with their clients only.
    pub fn new(edge: Edge<D>, clock: C) -> Self {
        Self { edge, clock: Arc::new(clock), drain: Arc::new(|| Box::pin(std::future::pending())) }
    }

    /// The same service; its Tails end with UNAVAILABLE when the future of `drain` completes, which is called once per Tail
    /// (TAIL-7).
    #[must_use]
    pub fn with_drain(self, drain: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static) -> Self {
        Self { drain: Arc::new(drain), ..self }
    }

    /// The service for tonic: requests are limited to [`MAX_REQUEST_BYTES`], responses only by the contract's limits on
    /// messages. A request is executed only once it is complete (ERR-3).
    pub fn into_server(self) -> OneMessage<TimeSeriesServiceServer<Self>> {
        let server = TimeSeriesServiceServer::new(self)
            .max_decoding_message_size(MAX_REQUEST_BYTES)
            .max_encoding_message_size(usize::MAX);
        OneMessage::new(server)
    }
}

type Messages<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

#[tonic::async_trait]
impl<D: Directory + Clone, C: Clock> TimeSeriesService for Service<D, C> {
    type QueryStream = Messages<pb::QueryResponse>;
    type TailStream = Messages<pb::TailResponse>;
    type ListSeriesStream = Messages<pb::ListSeriesResponse>;
    type HistogramStream = Messages<pb::HistogramResponse>;

    async fn append(
        &self,
        request: Request<pb::AppendRequest>,
    ) -> Result<Response<pb::AppendResponse>, Status> {
        let (notes, _slot) = admit(&request, &request.get_ref().namespace, HasSubject::subject)?;
        let request = AppendRequest::from_message(request.into_inner());
        answer(&notes, self.edge.append(self.clock.now(), request).await)
    }

    async fn query(&self, request: Request<pb::QueryRequest>) -> Result<Response<Self::QueryStream>, Status> {
        let call = StreamCall::admit(&request, &request.get_ref().namespace)?;
        let request = QueryRequest::from_message(request.into_inner());
        let cursor = self.edge.query(self.clock.now(), request).map_err(|error| call.notes.refuse(error))?;
        Ok(Response::new(Box::pin(messages(call, cursor))))
    }

    async fn tail(&self, request: Request<pb::TailRequest>) -> Result<Response<Self::TailStream>, Status> {
        let call = StreamCall::admit(&request, &request.get_ref().namespace)?;
        let request = TailRequest::from_message(request.into_inner());
        let cursor = self.edge.tail(request).map_err(|error| call.notes.refuse(error))?;
        let follow = Follow::new(cursor, Arc::clone(&self.clock), self.edge.heartbeat(), (self.drain)());
        Ok(Response::new(Box::pin(follow.messages(call))))
    }

    async fn list_series(
        &self,
        request: Request<pb::ListSeriesRequest>,
    ) -> Result<Response<Self::ListSeriesStream>, Status> {
        let call = StreamCall::admit(&request, &request.get_ref().namespace)?;
        let request = ListSeriesRequest::from_message(request.into_inner());
        let cursor =
            self.edge.list_series(self.clock.now(), request).map_err(|error| call.notes.refuse(error))?;
        Ok(Response::new(Box::pin(messages(call, cursor))))
    }

    async fn histogram(
        &self,
        request: Request<pb::HistogramRequest>,
    ) -> Result<Response<Self::HistogramStream>, Status> {
        let (notes, _slot) = admit(&request, &request.get_ref().namespace, HasSubject::subject)?;
        let request = HistogramRequest::from_message(request.into_inner());
        let answer = self.edge.histogram(self.clock.now(), request).await;
        // Few messages of known size, so all are made at once.
        let all = answer.map_err(|error| notes.refuse(error))?.into_iter().map(move |message| {
            notes.count_message();
            Ok(HistogramResponse::into_message(message))
        });
        Ok(Response::new(Box::pin(stream::iter(all))))
    }

    async fn delete_events(
        &self,
        request: Request<pb::DeleteEventsRequest>,
    ) -> Result<Response<pb::DeleteEventsResponse>, Status> {
        let (notes, _slot) = admit(&request, &request.get_ref().namespace, HasSubject::subject)?;
        let request = DeleteEventsRequest::from_message(request.into_inner());
        answer(&notes, self.edge.delete_events(self.clock.now(), request).await)
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
