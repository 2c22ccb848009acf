//! Conversion of symbolic operations to requests, from what one run has seen.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use prism_contract::Timestamp;
use prism_contract::timeseries::request::{
    AppendRequest, DeleteEventsRequest, EventInput, HistogramRequest, ListSeriesRequest, QueryRequest,
    TagsInput, TailFrom, TailRequest,
};

use super::{At, From, Op, Origin, Space};
use crate::core::Stop;
use crate::timeseries::{Abstraction, Action, Ctx, Outcome, Request, Response, TailUntil, TimeSeries, time};

/// Number of tokens of Tails that a run remembers.
const MAX_TOKENS: usize = 32;

/// Turns operations into requests, and remembers the tokens of the answers.
pub struct Player<'c> {
    ctx: &'c Ctx,
    started: Timestamp,
    now: Timestamp,
    /// The newest token of each Query, without it; and of each ListSeries.
    queries: Vec<(QueryRequest, Bytes)>,
    lists: Vec<(ListSeriesRequest, Bytes)>,
    /// Tokens of Tails with their namespaces and series, the newest first.
    tails: VecDeque<(String, String, Bytes)>,
}

/// The server's time, read outside the transcript.
pub(in crate::timeseries) async fn clock(ctx: &Ctx) -> Result<Timestamp, Stop> {
    let tick = EventInput { series: "tick".to_owned(), ..EventInput::default() };
    let namespace = ctx.space(&super::super::policies::FREE, "clock");
    let append = Request::Append(AppendRequest { namespace, events: vec![tick] });
    match TimeSeries::send(&*ctx.store(), append).await {
        Ok(Response::Append(answer)) if answer.results.len() == 1 => Ok(answer.results[0].time),
        Ok(other) => Err(Stop::Broken(format!("the server's time cannot be read: {other:?}"))),
        Err(failure) => Err(Stop::Broken(format!(
            "the server's time cannot be read: {}",
            crate::core::failure_text(&failure)
        ))),
    }
}

impl<'c> Player<'c> {
    /// A player at the start of a run.
    pub async fn start(ctx: &'c Ctx) -> Result<Self, Stop> {
        let now = clock(ctx).await?;
        Ok(Self { ctx, started: now, now, queries: vec![], lists: vec![], tails: VecDeque::new() })
    }

    /// The server's time when the run began.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// The action of `op` at this point of the run.
    pub fn action(&mut self, op: &Op) -> Action {
        Action::Call(match op {
            Op::Append(append) => {
                let events = append.events.iter().map(|event| EventInput {
                    series: event.series.clone(),
                    time: Some(time(self.at(event.at))),
                    id: event.id.clone(),
                    payload: event.payload.clone(),
                    content_type: event.content_type.clone(),
                    tags: tags(&event.tags),
                    is_missing: false,
                });
                let events = events.collect();
                Request::Append(AppendRequest { namespace: self.namespace(&append.space), events })
            }
            Op::Query(query) => {
                let mut request = QueryRequest {
                    namespace: self.namespace(&query.space),
                    series: query.series.clone(),
                    start: query.start.map(|at| time(self.at(at))),
                    end: query.end.map(|at| time(self.at(at))),
                    tags: tags(&query.tags),
                    reverse: query.reverse,
                    ..QueryRequest::default()
                };
                if query.next {
                    let found = self.queries.iter().find(|(of, _)| *of == request);
                    request.resume_token = found.map(|(_, token)| token.clone()).unwrap_or_default();
                }
                request.limit = query.limit;
                request.page_size_bytes = query.page_bytes;
                request.without_payload = query.without_payload;
                Request::Query(request, query.cut)
            }
            Op::Tail(tail) => {
                let (namespace, series) =
                    (self.namespace(&tail.space), tail.series.clone().unwrap_or_default());
                let from = match tail.from {
                    From::Beginning => TailFrom::Beginning,
                    From::Now => TailFrom::Now,
                    From::Token(age) => {
                        let of_series =
                            self.tails.iter().filter(|(space, of, _)| (space, of) == (&namespace, &series));
                        let found = of_series.map(|(.., token)| token).nth(age);
                        found.map_or(TailFrom::Beginning, |token| TailFrom::Token(token.clone()))
                    }
                };
                let (tags, without_payload) = (tags(&tail.tags), tail.without_payload);
                Request::Tail(
                    TailRequest { namespace, series, tags, from, without_payload },
                    TailUntil::CaughtUp,
                )
            }
            Op::List(list) => {
                let (namespace, prefix) = (self.namespace(&list.space), list.prefix.clone());
                let mut request = ListSeriesRequest { namespace, prefix, ..ListSeriesRequest::default() };
                if list.next {
                    let found = self.lists.iter().find(|(of, _)| *of == request);
                    request.resume_token = found.map(|(_, token)| token.clone()).unwrap_or_default();
                }
                request.limit = list.limit;
                Request::ListSeries(request, None)
            }
            Op::Histogram(of) => Request::Histogram(HistogramRequest {
                namespace: self.namespace(&of.space),
                series: of.series.clone(),
                start: Some(time(self.at(of.start))),
                end: Some(time(self.at(of.end))),
                bucket: Some(Duration::from_micros(of.bucket).into()),
                tags: tags(&of.tags),
            }),
            Op::Delete(delete) => Request::DeleteEvents(DeleteEventsRequest {
                namespace: self.namespace(&delete.space),
                series: delete.series.clone(),
                start: delete.start.map(|at| time(self.at(at))),
                end: delete.end.map(|at| time(self.at(at))),
                all: delete.start.is_none() && delete.end.is_none(),
            }),
            Op::Advance(micros) => {
                let by = Duration::from_micros(*micros);
                self.now = self.now.saturating_add(by);
                return Action::Advance(by);
            }
            Op::Sweep => return Action::Sweep,
            Op::Restart(how) => return Action::Restart(*how),
        })
    }

    fn namespace(&self, space: &Space) -> String {
        self.ctx.space(&space.policy, &space.suffix)
    }

    /// A time of this run.
    pub fn at(&self, at: At) -> Timestamp {
        let origin = match at.origin {
            Origin::Start => self.started,
            Origin::Now => self.now,
        };
        let micros = origin.as_micros().saturating_add(at.micros).max(0);
        Timestamp::from_micros(micros).unwrap_or(Timestamp::MAX)
    }

    /// Remembers the tokens of an answer; those of a Tail if `is_certain`.
    pub fn saw(&mut self, action: &Action, outcome: &Outcome, is_certain: impl Fn(&Bytes) -> bool) {
        let (Action::Call(request), Outcome::Answered(response)) = (action, outcome) else { return };
        match (request, response) {
            (Request::Query(query, _), Response::Query(messages)) => {
                let scope = QueryRequest {
                    resume_token: Bytes::new(),
                    limit: 0,
                    page_size_bytes: 0,
                    without_payload: false,
                    ..query.clone()
                };
                self.queries.retain(|(of, _)| *of != scope);
                let Some(last) = messages.last() else { return };
                if !last.resume_token.is_empty() {
                    self.queries.push((scope, last.resume_token.clone()));
                } else if !last.tail_token.is_empty() {
                    self.saw_token(&query.namespace, &query.series, &last.tail_token);
                }
            }
            (Request::Tail(tail, _), Response::Tail(messages)) => {
                let Some(last) = messages.last() else { return };
                if is_certain(&last.token) {
                    self.saw_token(&tail.namespace, &tail.series, &last.token);
                }
            }
            (Request::ListSeries(list, _), Response::ListSeries(messages)) => {
                let scope = ListSeriesRequest { resume_token: Bytes::new(), limit: 0, ..list.clone() };
                self.lists.retain(|(of, _)| *of != scope);
                let Some(last) = messages.last() else { return };
                if !last.resume_token.is_empty() {
                    self.lists.push((scope, last.resume_token.clone()));
                }
            }
            // No other answer has a token.
            _ => {}
        }
    }

    fn saw_token(&mut self, namespace: &str, series: &str, token: &Bytes) {
        self.tails.push_front((namespace.to_owned(), series.to_owned(), token.clone()));
        self.tails.truncate(MAX_TOKENS);
    }
}

fn tags(tags: &[(String, String)]) -> TagsInput {
    tags.iter().cloned().collect()
}
