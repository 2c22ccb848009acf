//! Gateway of the flawed store: the contract's edge, and around it the flaws of edges.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use prism_contract::timeseries::Policy;
use prism_contract::timeseries::SeriesEvent;
use prism_contract::timeseries::request::{
    AppendRequest, AppendResponse, DeleteEventsRequest, DeleteEventsResponse, DescribeRequest,
    DescribeResponse, EventInput, HistogramRequest, HistogramResponse, ListSeriesRequest, ListSeriesResponse,
    QueryRequest, QueryResponse, TailFrom, TailRequest, TailResponse, TimeInput,
};

use super::flawed::Flawed;
use super::tokens::{Binding, of_request, opened, sealed, taken};
use super::{Bug, Flaw};
use crate::core::{Failure, ManualClock, StatusCode};
use crate::timeseries::{EdgeStore, Governed, Store, TailMessages};

/// One gateway.
pub(super) struct FlawedStore {
    process: Arc<Flawed>,
    store: EdgeStore,
}

impl FlawedStore {
    pub(super) fn new(process: &Governed<Flawed>, clock: Arc<ManualClock>) -> Self {
        Self { process: Arc::clone(process.backend()), store: EdgeStore::new(process, clock) }
    }

    fn flaw(&self) -> Flaw {
        self.process.flaw()
    }

    fn has(&self, bug: Bug) -> bool {
        self.process.has(bug)
    }

    /// The status as this gateway sends it.
    fn status<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        result.map_err(|mut failure| {
            if self.has(Bug::MissingErrorInfo) {
                (failure.reason, failure.domain) = (None, None);
            }
            if self.has(Bug::RefusalNamesOnlyTheFirstViolation) {
                failure.violations.truncate(1);
            }
            if self.has(Bug::UnclaimedIsInvalid) && failure.code == StatusCode::Unimplemented {
                failure.code = StatusCode::InvalidArgument;
            }
            failure
        })
    }

    fn known(&self, token: &Bytes) -> Option<Binding> {
        self.process.disk().notes().tokens.get(token).cloned()
    }

    fn lenient_query(&self, mut query: QueryRequest) -> QueryRequest {
        let token = opened(self.flaw(), query.resume_token.clone(), self.process.boot());
        if !token.is_empty() {
            query.resume_token =
                taken(self.flaw(), token.clone(), self.known(&token).as_ref(), &Binding::of_query(&query));
        }
        if self.has(Bug::IgnoresPageBytes) {
            query.page_size_bytes = 0;
        }
        if self.has(Bug::ForgetsTheLimit) {
            query.limit = 0;
        }
        if self.has(Bug::RoundsBoundsDown) {
            (query.start, query.end) = (query.start.map(whole), query.end.map(whole));
        }
        query
    }

    fn answered(&self, query: &QueryRequest, mut messages: Vec<QueryResponse>) -> Vec<QueryResponse> {
        if self.has(Bug::LosesTheLastMessage) && messages.len() > 1 {
            messages.pop();
        }
        if self.has(Bug::LimitEndsWithoutAToken)
            && query.limit > 0
            && let Some(last) = messages.last_mut()
        {
            last.resume_token.clear();
        }
        for message in &mut messages {
            let mut notes = self.process.disk().notes();
            notes.tokens.insert(message.resume_token.clone(), Binding::of_query(query));
            notes
                .tokens
                .insert(message.tail_token.clone(), Binding::of_tail(&query.namespace, &query.series));
            message.resume_token = sealed(self.flaw(), message.resume_token.clone(), self.process.boot());
            message.tail_token = sealed(self.flaw(), message.tail_token.clone(), self.process.boot());
        }
        messages
    }

    /// Writes the events that are valid by themselves, although the Append is refused (APP-4).
    async fn write_alone(&self, request: &AppendRequest) {
        for event in &request.events {
            let single = AppendRequest { events: vec![event.clone()], ..request.clone() };
            // A refusal is ignored here: the request itself is answered with it.
            let _ = self.store.append(single).await;
        }
    }
}

/// A time without what is finer than a microsecond.
fn whole(time: TimeInput) -> TimeInput {
    TimeInput { nanos: time.nanos / 1_000 * 1_000, ..time }
}

#[async_trait]
impl Store for FlawedStore {
    async fn append(&self, mut request: AppendRequest) -> Result<AppendResponse, Failure> {
        if self.has(Bug::RefusesAPayloadAtTheLimit)
            && request.events.iter().any(|of| of.payload.len() >= 1 << 20)
        {
            return Err(Failure::new(StatusCode::InvalidArgument, "the payload is too large"));
        }
        for event in &mut request.events {
            if self.has(Bug::CutsLongIds) {
                event.id.truncate(128);
            }
            if self.has(Bug::TakesTimesFinerThanAMicrosecond) {
                event.time = event.time.map(whole);
            }
        }
        let mut repeated = Vec::new();
        if self.has(Bug::AcceptsAnIdentityTwice) {
            let identity = |of: &EventInput| (of.series.clone(), of.time, of.id.clone());
            let mut distinct: Vec<EventInput> = Vec::new();
            for event in std::mem::take(&mut request.events) {
                if !event.id.is_empty() && distinct.iter().any(|of| identity(of) == identity(&event)) {
                    repeated.push(event);
                } else {
                    distinct.push(event);
                }
            }
            request.events = distinct;
        }
        let mut answer = self.store.append(request.clone()).await;
        if self.has(Bug::WritesPartOfARefusedAppend) && answer.is_err() {
            self.write_alone(&request).await;
        }
        if let Ok(answer) = &mut answer
            && self.has(Bug::AnswersInTheOrderOfTimes)
        {
            answer.results.sort_by_key(|result| result.time);
        }
        self.status(answer)
    }

    async fn query(
        &self,
        request: QueryRequest,
        messages: Option<usize>,
    ) -> Result<Vec<QueryResponse>, Failure> {
        let query = self.lenient_query(request.clone());
        let read = self.store.query(query, messages).await;
        let empty_range = |failure: &Failure| failure.violations.iter().all(|of| of.field == "end");
        match self.status(read) {
            Err(failure) if self.has(Bug::AcceptsAnEmptyRange) && empty_range(&failure) => {
                Ok(vec![QueryResponse::default()])
            }
            read => Ok(self.answered(&request, read?)),
        }
    }

    async fn query_messages(
        &self,
        request: QueryRequest,
    ) -> Result<BoxStream<'static, Result<QueryResponse, Failure>>, Failure> {
        if self.flaw() == Flaw::NONE || self.has(Bug::ForgetsTheSnapshot) {
            return self.store.query_messages(request).await;
        }
        Ok(stream::iter(self.query(request, None).await?.into_iter().map(Ok)).boxed())
    }

    async fn tail(&self, mut request: TailRequest) -> Result<Box<dyn TailMessages>, Failure> {
        if self.has(Bug::TailWithoutAStartBeginsNow) && request.from == TailFrom::Unset {
            request.from = TailFrom::Now;
        }
        let mut again = None;
        if let TailFrom::Token(token) = &request.from {
            let token = opened(self.flaw(), token.clone(), self.process.boot());
            let known = self.known(&token);
            let exact = taken(self.flaw(), token.clone(), known.as_ref(), &of_request(&request));
            again = self.process.disk().notes().last_of_token.get(&token).cloned();
            // An empty token is refused, unless a flaw made it so.
            let starts_over = exact.is_empty() && !token.is_empty();
            request.from = if starts_over { TailFrom::Now } else { TailFrom::Token(exact) };
            if self.has(Bug::BindsTailTokensToTags) && !request.tags.is_empty() {
                request.from = TailFrom::Token(super::reads::GARBAGE);
            }
        }
        let is_resumed = matches!(request.from, TailFrom::Token(_));
        let messages = self.status(self.store.tail(request.clone()).await)?;
        Ok(Box::new(FlawedTail {
            process: Arc::clone(&self.process),
            binding: of_request(&request),
            messages,
            skips: is_resumed && self.has(Bug::TailSkipsAnEventOnResume),
            repeats: again.filter(|_| self.has(Bug::TailRepeatsAnEventOnResume)),
        }))
    }

    async fn list_series(
        &self,
        mut request: ListSeriesRequest,
        messages: Option<usize>,
    ) -> Result<Vec<ListSeriesResponse>, Failure> {
        if self.has(Bug::ListForgetsTheLimit) {
            request.limit = 0;
        }
        let read = self.status(self.store.list_series(request.clone(), messages).await);
        match read {
            Err(_) if self.has(Bug::AcceptsAListTokenOfAnotherPrefix) && !request.resume_token.is_empty() => {
                request.resume_token.clear();
                self.status(self.store.list_series(request, messages).await)
            }
            read => read,
        }
    }

    async fn histogram(&self, mut request: HistogramRequest) -> Result<Vec<HistogramResponse>, Failure> {
        let is_zero = |of: prism_contract::DurationInput| of.seconds == 0 && of.nanos == 0;
        if self.has(Bug::ZeroBucketIsTheWholeRange) && request.bucket.is_some_and(is_zero) {
            request.bucket = Some(Duration::from_hours(1).into());
        }
        let read = self.status(self.store.histogram(request).await);
        let too_many =
            |failure: &Failure| failure.violations.iter().any(|of| of.description.contains("buckets"));
        match read {
            Err(failure) if self.has(Bug::AcceptsTooManyBuckets) && too_many(&failure) => {
                Ok(vec![HistogramResponse::default()])
            }
            read => read,
        }
    }

    async fn delete_events(&self, mut request: DeleteEventsRequest) -> Result<DeleteEventsResponse, Failure> {
        let is_bounded = request.start.is_some() || request.end.is_some();
        if self.has(Bug::DeleteWithoutARangeTakesAll) && !is_bounded {
            request.all = true;
        }
        if self.has(Bug::AllBeatsABound) && request.all {
            (request.start, request.end) = (None, None);
        }
        let answer = self.status(self.store.delete_events(request).await)?;
        if self.has(Bug::DeleteOfNothingIsNotFound) && answer.deleted_count == 0 {
            return Err(Failure::new(StatusCode::NotFound, "there is no such event"));
        }
        Ok(answer)
    }

    async fn describe(&self, request: DescribeRequest) -> Result<DescribeResponse, Failure> {
        let mut answer = self.status(self.store.describe(request).await)?;
        answer.capabilities = self.flaw().capabilities();
        if self.has(Bug::DescribesAnotherPolicy) {
            answer.policy = Policy::default();
        }
        Ok(answer)
    }
}

/// A Tail of a flawed gateway.
struct FlawedTail {
    process: Arc<Flawed>,
    binding: Binding,
    messages: Box<dyn TailMessages>,
    /// Loses the next event.
    skips: bool,
    /// Comes before the next event.
    repeats: Option<SeriesEvent>,
}

#[async_trait]
impl TailMessages for FlawedTail {
    async fn next(&mut self) -> Result<TailResponse, Failure> {
        let mut message = self.messages.next().await?;
        let mut notes = self.process.disk().notes();
        notes.tokens.insert(message.token.clone(), self.binding.clone());
        if let Some(last) = message.events.last() {
            notes.last_of_token.insert(message.token.clone(), last.clone());
        }
        drop(notes);
        if self.skips && !message.events.is_empty() {
            self.skips = false;
            message.events.remove(0);
        }
        if !message.events.is_empty()
            && let Some(again) = self.repeats.take()
        {
            message.events.insert(0, again);
        }
        message.token = sealed(self.process.flaw(), message.token, self.process.boot());
        Ok(message)
    }

    fn max_idle_messages(&self) -> usize {
        self.messages.max_idle_messages()
    }
}
