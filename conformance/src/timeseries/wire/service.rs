//! The generated service over any TimeSeries store.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use prism_contract::timeseries::request::{
    AppendRequest, DeleteEventsRequest, DescribeRequest, HistogramRequest, HistogramResponse,
    ListSeriesRequest, ListSeriesResponse, QueryRequest, QueryResponse, TailRequest,
};
use prism_proto::timeseries::v1 as pb;
use prism_proto::timeseries::v1::time_series_service_server::{TimeSeriesService, TimeSeriesServiceServer};
use prism_wire::MAX_REQUEST_BYTES;
use prism_wire::message::{WireRequest, WireResponse};
use prism_wire::one_message::OneMessage;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::core::wire::{Drain, status};
use crate::core::{Failure, StatusCode};
use crate::timeseries::{Store, TailMessages};

/// The routes of the service over `store`.
pub(super) fn routes(store: Arc<dyn Store>, drain: Drain) -> Routes {
    let service = TimeSeriesServiceServer::new(Service(store, drain))
        .max_decoding_message_size(MAX_REQUEST_BYTES)
        .max_encoding_message_size(usize::MAX);
    Routes::new(OneMessage::new(service))
}

/// The generated service over a store.
struct Service(Arc<dyn Store>, Drain);

type Messages<M> = BoxStream<'static, Result<M, Status>>;

fn answer<A: WireResponse>(answer: Result<A, Failure>) -> Result<Response<A::Message>, Status> {
    answer.map(|answer| Response::new(answer.into_message())).map_err(|failure| status(&failure))
}

fn all<A: WireResponse>(answers: Result<Vec<A>, Failure>) -> Result<Response<Messages<A::Message>>, Status>
where
    A::Message: Send + 'static,
{
    let answers = answers.map_err(|failure| status(&failure))?;
    let messages: Vec<_> = answers.into_iter().map(|answer| Ok(answer.into_message())).collect();
    Ok(Response::new(stream::iter(messages).boxed()))
}

#[tonic::async_trait]
impl TimeSeriesService for Service {
    type QueryStream = Messages<pb::QueryResponse>;
    type TailStream = Messages<pb::TailResponse>;
    type ListSeriesStream = Messages<pb::ListSeriesResponse>;
    type HistogramStream = Messages<pb::HistogramResponse>;

    async fn append(
        &self,
        request: Request<pb::AppendRequest>,
    ) -> Result<Response<pb::AppendResponse>, Status> {
        answer(self.0.append(AppendRequest::from_message(request.into_inner())).await)
    }

    async fn query(&self, request: Request<pb::QueryRequest>) -> Result<Response<Self::QueryStream>, Status> {
        let messages = self.0.query_messages(QueryRequest::from_message(request.into_inner())).await;
        let messages = messages.map_err(|failure| status(&failure))?;
        let messages = messages
            .map(|message| message.map(QueryResponse::into_message).map_err(|failure| status(&failure)));
        Ok(Response::new(messages.boxed()))
    }

    async fn tail(&self, request: Request<pb::TailRequest>) -> Result<Response<Self::TailStream>, Status> {
        let tail = self.0.tail(TailRequest::from_message(request.into_inner())).await;
        let tail = tail.map_err(|failure| status(&failure))?;
        let state = Some((tail, self.1.begins()));
        Ok(Response::new(stream::unfold(state, next).boxed()))
    }

    async fn list_series(
        &self,
        request: Request<pb::ListSeriesRequest>,
    ) -> Result<Response<Self::ListSeriesStream>, Status> {
        let request = ListSeriesRequest::from_message(request.into_inner());
        all::<ListSeriesResponse>(self.0.list_series(request, None).await)
    }

    async fn histogram(
        &self,
        request: Request<pb::HistogramRequest>,
    ) -> Result<Response<Self::HistogramStream>, Status> {
        let request = HistogramRequest::from_message(request.into_inner());
        all::<HistogramResponse>(self.0.histogram(request).await)
    }

    async fn delete_events(
        &self,
        request: Request<pb::DeleteEventsRequest>,
    ) -> Result<Response<pb::DeleteEventsResponse>, Status> {
        answer(self.0.delete_events(DeleteEventsRequest::from_message(request.into_inner())).await)
    }

    async fn describe(
        &self,
        request: Request<pb::DescribeRequest>,
    ) -> Result<Response<pb::DescribeResponse>, Status> {
        answer(self.0.describe(DescribeRequest::from_message(request.into_inner())).await)
    }
}

/// A Tail, and the begin of the server's drain; `None`: it has ended.
type Following = Option<(Box<dyn TailMessages>, BoxFuture<'static, ()>)>;

/// The next message of a Tail; a failure is its last one.
async fn next(following: Following) -> Option<(Result<pb::TailResponse, Status>, Following)> {
    let (mut tail, mut drain) = following?;
    let message = tokio::select! {
        biased;
        () = &mut drain => Err(draining()),
        message = tail.next() => message,
    };
    match message {
        Ok(message) => Some((Ok(message.into_message()), Some((tail, drain)))),
        Err(failure) => Some((Err(status(&failure)), None)),
    }
}

/// The end of a Tail whose last token works at another gateway (TAIL-7).
fn draining() -> Failure {
    let (reason, domain) = (Some("BACKEND_UNAVAILABLE".to_owned()), Some("prism".to_owned()));
    let retry_after = Some(Duration::from_secs(1));
    Failure { reason, domain, retry_after, ..Failure::new(StatusCode::Unavailable, "the server is draining") }
}
