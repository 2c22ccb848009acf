//! Builders of the calls: a case builds a request, sends it and checks the response.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prism_contract::Timestamp;
use prism_contract::timeseries::request::{
    AppendRequest, AppendResponse, DeleteEventsRequest, DeleteEventsResponse, DescribeRequest,
    DescribeResponse, EventInput, HistogramRequest, HistogramResponse, ListSeriesRequest, ListSeriesResponse,
    QueryRequest, QueryResponse, TailFrom, TailRequest, TailResponse, TimeInput,
};

use super::policies::{FREE, SuitePolicy};
use super::store::read_tail;
use super::{Ctx, OpenTail, Outcome, Request, Response, Store, TailUntil};
use crate::core::{Failure, Reply, StatusCode, Stop, answered, diverged, refused};

/// Maximum messages read before an answer counts as endless.
pub(super) const ENDLESS: usize = 5_000;

/// A time as on the wire.
pub fn time(time: Timestamp) -> TimeInput {
    let micros = time.as_micros();
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
    TimeInput { seconds: micros.div_euclid(1_000_000), nanos }
}

/// An event of series `s` at this time with this id, which is its payload, too.
pub fn event(at: Timestamp, id: impl AsRef<[u8]>) -> EventInput {
    let id = Bytes::copy_from_slice(id.as_ref());
    let series = "s".to_owned();
    EventInput { series, time: Some(time(at)), payload: id.clone(), id, ..EventInput::default() }
}

/// Changes to an event.
pub trait Events {
    /// In another series.
    #[must_use]
    fn of(self, series: &str) -> Self;
    /// With this payload.
    #[must_use]
    fn payload(self, payload: impl AsRef<[u8]>) -> Self;
    /// With this tag.
    #[must_use]
    fn tag(self, key: &str, value: &str) -> Self;
    /// With this content type.
    #[must_use]
    fn typed(self, content_type: &str) -> Self;
}

impl Events for EventInput {
    fn of(mut self, series: &str) -> Self {
        series.clone_into(&mut self.series);
        self
    }

    fn payload(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.payload = Bytes::copy_from_slice(payload.as_ref());
        self
    }

    fn tag(mut self, key: &str, value: &str) -> Self {
        self.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    fn typed(mut self, content_type: &str) -> Self {
        content_type.clone_into(&mut self.content_type);
        self
    }
}

impl Ctx {
    /// A namespace of the case with this policy.
    pub fn space(&self, policy: &SuitePolicy, suffix: &str) -> String {
        self.namespace_in(policy.prefix, suffix)
    }

    /// Writes events, under [`FREE`] by default.
    pub fn append(&self, events: impl IntoIterator<Item = EventInput>) -> AppendCall<'_> {
        let events = events.into_iter().collect();
        AppendCall::on(self, AppendRequest { events, ..AppendRequest::default() })
    }

    /// Reads series `s` by default.
    pub fn query(&self) -> QueryCall<'_> {
        QueryCall::on(self, QueryRequest { series: "s".to_owned(), ..QueryRequest::default() })
    }

    /// Tails series `s` by default; where it begins is unset until the call chooses.
    pub fn tail(&self) -> TailCall<'_> {
        TailCall::on(self, TailRequest { series: "s".to_owned(), ..TailRequest::default() })
    }

    /// Lists series.
    pub fn list(&self) -> ListCall<'_> {
        ListCall::on(self, ListSeriesRequest::default())
    }

    /// Counts the events of series `s` by default.
    pub fn histogram(&self) -> HistogramCall<'_> {
        HistogramCall::on(self, HistogramRequest { series: "s".to_owned(), ..HistogramRequest::default() })
    }

    /// Deletes events of series `s` by default.
    pub fn delete(&self) -> DeleteCall<'_> {
        DeleteCall::on(self, DeleteEventsRequest { series: "s".to_owned(), ..DeleteEventsRequest::default() })
    }

    /// Reads the store's capabilities, limits and policy for a namespace with this policy.
    pub async fn describe(&self, policy: &SuitePolicy) -> Result<Reply<DescribeResponse>, Stop> {
        let request = Request::Describe(DescribeRequest { namespace: self.space(policy, "") });
        match self.send(&*self.store(), request).await? {
            (step, Outcome::Answered(Response::Describe(value))) => Ok(Reply { step, value }),
            (step, Outcome::Failed(failure)) => answered(step, Err(failure)),
            (step, _) => diverged(step, "a response to this request", "a response to another request"),
        }
    }

    /// The server's time: that of an event which is appended without one.
    pub async fn now(&self) -> Result<Timestamp, Stop> {
        let tick = EventInput { series: "tick".to_owned(), ..EventInput::default() };
        let answer = self.append([tick]).within("clock").ok().await?;
        match answer.results.first() {
            Some(result) => Ok(result.time),
            None => diverged(answer.step, "one result per event", "no result"),
        }
    }
}

/// Methods common to all calls: the destination, and the terminal methods.
macro_rules! call {
    ($call:ident, $request:ident, $answer:ty, $wrap:expr, $outcome:ident, $doc:literal, {$($field:ident: $type:ty = $default:expr)?}) => {
        #[doc = $doc]
        pub struct $call<'c> {
            ctx: &'c Ctx,
            store: Arc<dyn Store>,
            policy: SuitePolicy,
            suffix: String,
            $($field: $type,)?
            request: $request,
        }

        impl<'c> $call<'c> {
            fn on(ctx: &'c Ctx, request: $request) -> Self {
                let (policy, suffix) = (FREE, String::new());
                let call = Self {
                    ctx,
                    store: ctx.store(),
                    policy,
                    suffix,
                    $($field: $default,)?
                    request,
                };
                call.addressed()
            }

            fn addressed(mut self) -> Self {
                self.request.namespace = self.ctx.space(&self.policy, &self.suffix);
                self
            }

            /// Addresses a namespace with this policy.
            #[must_use]
            pub fn under(mut self, policy: &SuitePolicy) -> Self {
                self.policy = *policy;
                self.addressed()
            }

            /// Addresses another namespace: the case's namespace followed by `suffix`.
            #[must_use]
            pub fn within(mut self, suffix: &str) -> Self {
                self.suffix = suffix.to_owned();
                self.addressed()
            }

            /// Changes the request arbitrarily, also to an invalid one.
            #[must_use]
            pub fn with(mut self, change: impl FnOnce(&mut $request)) -> Self {
                change(&mut self.request);
                self
            }

            /// Sends through another gateway.
            #[must_use]
            pub fn via(mut self, store: Arc<dyn Store>) -> Self {
                self.store = store;
                self
            }

            /// Sends the request; checks nothing.
            pub async fn outcome(self) -> Result<(usize, Result<$answer, Failure>), Stop> {
                let request = $wrap(&self);
                match self.ctx.send(&*self.store, request).await? {
                    (step, Outcome::Answered(Response::$outcome(answer))) => Ok((step, Ok(answer))),
                    (step, Outcome::Failed(failure)) => Ok((step, Err(failure))),
                    (step, _) => {
                        diverged(step, "a response to this request", "a response to another request")
                    }
                }
            }

            /// Sends the request; the status must be OK.
            pub async fn ok(self) -> Result<Reply<$answer>, Stop> {
                let (step, answer) = self.outcome().await?;
                answered(step, answer)
            }

            /// Sends the request; it must be refused with exactly this status.
            pub async fn fails(self, code: StatusCode) -> Result<Reply<Failure>, Stop> {
                let (step, answer) = self.outcome().await?;
                refused(step, answer, code)
            }
        }
    };
}

call!(
    AppendCall,
    AppendRequest,
    AppendResponse,
    |call: &AppendCall| Request::Append(call.request.clone()),
    Append,
    "An Append.",
    {}
);
call!(
    QueryCall,
    QueryRequest,
    Vec<QueryResponse>,
    |call: &QueryCall| Request::Query(call.request.clone(), call.messages),
    Query,
    "A Query.",
    { messages: Option<usize> = None }
);
call!(
    TailCall,
    TailRequest,
    Vec<TailResponse>,
    |call: &TailCall| Request::Tail(call.request.clone(), call.until),
    Tail,
    "A Tail, read until it has caught up.",
    { until: TailUntil = TailUntil::CaughtUp }
);
call!(
    ListCall,
    ListSeriesRequest,
    Vec<ListSeriesResponse>,
    |call: &ListCall| Request::ListSeries(call.request.clone(), call.messages),
    ListSeries,
    "A ListSeries.",
    { messages: Option<usize> = None }
);
call!(
    HistogramCall,
    HistogramRequest,
    Vec<HistogramResponse>,
    |call: &HistogramCall| Request::Histogram(call.request.clone()),
    Histogram,
    "A Histogram.",
    {}
);
call!(
    DeleteCall,
    DeleteEventsRequest,
    DeleteEventsResponse,
    |call: &DeleteCall| Request::DeleteEvents(call.request.clone()),
    DeleteEvents,
    "A DeleteEvents.",
    {}
);

/// The method that sets the series.
macro_rules! series {
    ($($call:ident)*) => {
        $(impl $call<'_> {
            /// Addresses another series.
            #[must_use]
            pub fn of(mut self, series: impl Into<String>) -> Self {
                self.request.series = series.into();
                self
            }
        })*
    };
}
series!(QueryCall TailCall HistogramCall DeleteCall);

/// The methods that set the bounds.
macro_rules! bounds {
    ($($call:ident)*) => {
        $(impl $call<'_> {
            /// From this time on.
            #[must_use]
            pub fn from(mut self, start: Timestamp) -> Self {
                self.request.start = Some(time(start));
                self
            }

            /// To before this time.
            #[must_use]
            pub fn to(mut self, end: Timestamp) -> Self {
                self.request.end = Some(time(end));
                self
            }
        })*
    };
}
bounds!(QueryCall HistogramCall DeleteCall);

/// The method that adds a tag to the filter.
macro_rules! filter {
    ($($call:ident)*) => {
        $(impl $call<'_> {
            /// Only events with this tag.
            #[must_use]
            pub fn tagged(mut self, key: &str, value: &str) -> Self {
                self.request.tags.insert(key.to_owned(), value.to_owned());
                self
            }
        })*
    };
}
filter!(QueryCall TailCall HistogramCall);

/// The methods of streams that can be limited, cut and resumed.
macro_rules! resumable {
    ($($call:ident)*) => {
        $(impl $call<'_> {
            /// At most this many entries in all messages together.
            #[must_use]
            pub fn limit(mut self, entries: u64) -> Self {
                self.request.limit = entries;
                self
            }

            /// Resumes after the message with this token.
            #[must_use]
            pub fn resume(mut self, token: &Bytes) -> Self {
                self.request.resume_token = token.clone();
                self
            }

            /// Drops the stream after `messages` messages.
            #[must_use]
            pub fn cut_after(mut self, messages: usize) -> Self {
                self.messages = Some(messages);
                self
            }
        })*
    };
}
resumable!(QueryCall ListCall);

impl QueryCall<'_> {
    /// In reverse order.
    #[must_use]
    pub fn reverse(mut self) -> Self {
        self.request.reverse = true;
        self
    }

    /// Messages of at most `bytes` bytes.
    #[must_use]
    pub fn page_bytes(mut self, bytes: u32) -> Self {
        self.request.page_size_bytes = bytes;
        self
    }

    /// Without payloads.
    #[must_use]
    pub fn without_payload(mut self) -> Self {
        self.request.without_payload = true;
        self
    }
}

impl<'c> TailCall<'c> {
    /// From before the first event.
    #[must_use]
    pub fn beginning(mut self) -> Self {
        self.request.from = TailFrom::Beginning;
        self
    }

    /// From after the last event.
    #[must_use]
    pub fn now(mut self) -> Self {
        self.request.from = TailFrom::Now;
        self
    }

    /// From after the message with this token.
    #[must_use]
    pub fn after(mut self, token: &Bytes) -> Self {
        self.request.from = TailFrom::Token(token.clone());
        self
    }

    /// The whole namespace.
    #[must_use]
    pub fn whole_namespace(mut self) -> Self {
        self.request.series.clear();
        self
    }

    /// Without payloads.
    #[must_use]
    pub fn without_payload(mut self) -> Self {
        self.request.without_payload = true;
        self
    }

    /// Read up to there.
    #[must_use]
    pub fn until(mut self, until: TailUntil) -> Self {
        self.until = until;
        self
    }

    /// Begins the Tail, reads its first message and keeps it open.
    pub async fn open(self) -> Result<(Reply<Vec<TailResponse>>, OpenTail<'c>), Stop> {
        let until = TailUntil::Messages(1);
        let opened = async {
            let mut tail = self.store.tail(self.request.clone()).await?;
            Ok((read_tail(&mut *tail, true, until).await?, tail))
        };
        let (read, tail) = match opened.await {
            Ok((read, tail)) => (Ok(read), Some(tail)),
            Err(failure) => (Err(failure), None),
        };
        let outcome = Outcome::from(read.clone().map(Response::Tail));
        let step = self.ctx.record(super::Action::Call(Request::Tail(self.request.clone(), until)), outcome);
        match (answered(step, read)?, tail) {
            (first, Some(tail)) => Ok((first, OpenTail::new(self.ctx, self.request, tail))),
            (_, None) => diverged(step, "an open Tail", "none"),
        }
    }
}

impl ListCall<'_> {
    /// Only names that begin with this.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.request.prefix);
        self
    }
}

impl HistogramCall<'_> {
    /// Buckets of this width.
    #[must_use]
    pub fn bucket(mut self, width: Duration) -> Self {
        self.request.bucket = Some(width.into());
        self
    }
}

impl DeleteCall<'_> {
    /// All events of the series.
    #[must_use]
    pub fn all(mut self) -> Self {
        self.request.all = true;
        self
    }
}
