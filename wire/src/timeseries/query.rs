//! The streams of a Query and of a list of series, of both sides.

use prism_contract::Error;
use prism_contract::timeseries::request::{
    ListSeriesRequest, ListSeriesResponse, QueryRequest, QueryResponse,
};
use prism_contract::timeseries::{QueryCursor, SeriesCursor};
use prism_proto::timeseries::v1 as pb;
use tonic::Streaming;

use super::client::Client;
use crate::channel::CallError;
use crate::pages::Pages;
use crate::resume::{self, Progress, Resumable};

impl Pages for QueryCursor {
    type Message = QueryResponse;

    async fn next(&mut self) -> Result<Option<QueryResponse>, Error> {
        Self::next(self).await
    }
}

impl Pages for SeriesCursor {
    type Message = ListSeriesResponse;

    async fn next(&mut self) -> Result<Option<ListSeriesResponse>, Error> {
        Self::next(self).await
    }
}

/// The messages of a Query. Ends after the last message, or with an error.
pub type QueryMessages = resume::Messages<QueryResponse>;

/// The messages of a list of series. Ends after the last message, or with an error.
pub type ListSeriesMessages = resume::Messages<ListSeriesResponse>;

const UNFINISHED: (&str, &str) = ("resume_token", "was not empty where the stream ended");

/// A Query, with the request for the rest (QRY-4).
pub(super) struct QueryCall {
    pub(super) client: Client,
    pub(super) request: QueryRequest,
}

impl Resumable for QueryCall {
    type Message = QueryResponse;

    const UNFINISHED: (&'static str, &'static str) = UNFINISHED;

    async fn open(&self) -> Result<Streaming<pb::QueryResponse>, CallError> {
        self.client.open_query(self.request.clone()).await
    }

    fn advance(&mut self, message: &QueryResponse) -> Progress {
        self.request.resume_token = message.resume_token.clone();
        resume::advance(&mut self.request.limit, message.events.len(), message.resume_token.is_empty())
    }
}

/// A list of series, with the request for the rest (SER-1).
pub(super) struct ListSeriesCall {
    pub(super) client: Client,
    pub(super) request: ListSeriesRequest,
}

impl Resumable for ListSeriesCall {
    type Message = ListSeriesResponse;

    const UNFINISHED: (&'static str, &'static str) = UNFINISHED;

    async fn open(&self) -> Result<Streaming<pb::ListSeriesResponse>, CallError> {
        self.client.open_list_series(self.request.clone()).await
    }

    fn advance(&mut self, message: &ListSeriesResponse) -> Progress {
        self.request.resume_token = message.resume_token.clone();
        resume::advance(&mut self.request.limit, message.series.len(), message.resume_token.is_empty())
    }
}
