//! One log line per call: caller, method, status and duration. Never an id, a key or a value.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::{Frame, SizeHint};
use prism_backends::trace::CallTrace;
use prism_contract::Namespace;
use prism_proto::common::ErrorReason;
use prism_wire::body::{Filtered, FrameFilter};
use prism_wire::call::CallNotes;
use prism_wire::status::{Decoded, code_name, framework};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;
use tower::layer::{LayerFn, layer_fn};

use super::call::Call;
use super::health::{self, Outcomes};
use super::limits::LoggedCalls;
use super::methods::Method;
use crate::catalog::Catalog;
use crate::metrics::{EndedCall, Metrics};
use crate::telemetry::{CallSpan, Traces};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The trace and the span of a traced call, for its caller: a draft of W3C Trace Context.
const TRACE_RESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// Where the outcomes of calls are recorded: for health, of the backend that serves the call's namespace; and for metrics.
#[derive(Clone)]
pub(super) struct Evidence {
    pub(super) catalog: Catalog,
    /// By the catalog's index of the backend.
    pub(super) outcomes: Arc<[Arc<Outcomes>]>,
    pub(super) metrics: Metrics,
    pub(super) logged: LoggedCalls,
    /// Successful calls so far, for the sample.
    pub(super) successes: Arc<AtomicUsize>,
    pub(super) traces: Traces,
}

impl Evidence {
    fn of(&self, namespace: Option<&Namespace>) -> Option<&Outcomes> {
        if let [only] = &*self.outcomes {
            return Some(only);
        }
        let index = self.catalog.index_of(namespace?)?;
        self.outcomes.get(index).map(|outcomes| &**outcomes)
    }
}

/// Logs each call when it has ended, and records its outcome for health and metrics.
pub(super) fn layer<S>(evidence: Evidence) -> LayerFn<impl Fn(S) -> CallLog<S> + Clone> {
    layer_fn(move |inner| CallLog { evidence: evidence.clone(), inner })
}

#[derive(Clone)]
pub(super) struct CallLog<S> {
    evidence: Evidence,
    inner: S,
}

impl<S, B> Service<Request<Body>> for CallLog<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes, Error = Status> + Send + Unpin + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let line = Line::of(&mut request, self.evidence.clone());
        let answer = line.trace.scope(self.inner.call(request));
        Box::pin(async move {
            let mut line = line;
            let mut response = answer.await?;
            line.answered = Some(Instant::now());
            response.headers_mut().insert(REQUEST_ID, line.request_id.clone());
            if let Some(context) = line.span.response_header() {
                response.headers_mut().insert(TRACE_RESPONSE, context);
            }
            // A status in the headers: the response has no body.
            line.end(response.headers());
            if line.call.method().is_some_and(|method| method.streams) {
                // Its messages are read from the store as they are sent.
                let trace = line.trace.clone();
                return Ok(response.map(|body| Body::new(Filtered::new(InCall { body, trace }, line))));
            }
            Ok(response.map(|body| Body::new(Filtered::new(body, line))))
        })
    }
}

/// A body that is polled as a part of its call.
struct InCall<B> {
    body: B,
    trace: CallTrace,
}

impl<B: http_body::Body + Unpin> http_body::Body for InCall<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let Self { body, trace } = &mut *self;
        trace.sync_scope(|| Pin::new(body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The event of a line; a macro, since an event's level is a constant. The line of a failed call has more fields, by which
/// `logging::limits` recognizes it.
macro_rules! log {
    ($line:expr, $level:ident, $($more:tt)*) => {
        if tracing::enabled!(tracing::Level::$level) {
            let line: &Line = $line;
            tracing::event!(
                tracing::Level::$level,
                request_id = line.request_id.to_str().unwrap_or_default(),
                method = line.method(),
                $($more)*
                duration_ms = milliseconds(line.started, Instant::now()),
                peer = line.call.peer().map(tracing::field::display),
                namespace = line.notes.namespace().map(Namespace::as_str),
                caller = line.call.caller(),
                trace_id = line.span.trace_id(),
                span_id = line.span.span_id(),
                "call"
            );
        }
    };
}

/// The line of a failed call.
macro_rules! failed {
    ($line:expr, $status:expr, $level:ident) => {
        if tracing::enabled!(tracing::Level::$level) {
            let (line, failure): (&Line, _) = ($line, Decoded::from_status($status));
            log!(
                line,
                $level,
                status = code_name($status.code()),
                reason = failure.reason.as_str(),
                error = failure.message.as_str(),
                cause = line.notes.error().and_then(|error| error.cause()).map(tracing::field::debug),
                refusal = line.call.refusal(),
            );
        }
    };
}

/// The line of one call, written when the call has ended or was cancelled.
struct Line {
    request_id: HeaderValue,
    /// The method's name if it is not a method of a Prism service.
    foreign: Option<String>,
    started: Instant,
    /// When the head of the response was made.
    answered: Option<Instant>,
    call: Call,
    notes: CallNotes,
    evidence: Evidence,
    span: CallSpan,
    trace: CallTrace,
    written: bool,
}

impl Line {
    fn of(request: &mut Request<Body>, evidence: Evidence) -> Self {
        let (call, notes) = (Call::of(request), CallNotes::default());
        request.extensions_mut().insert(notes.clone());
        let (request_id, started) = (request_id(request.headers()), Instant::now());
        call.begin(&request_id, started);
        evidence.metrics.calls().begin(call.method().map(|method| method.index));
        let (name, peer) = (call.method().map(|method| method.name), call.peer().map(|peer| peer.ip()));
        let span = evidence.traces.begin(name, request.headers(), peer);
        let trace = CallTrace::new(span.span.clone());
        Self {
            request_id,
            foreign: if call.method().is_some() { None } else { Some(foreign(request.uri().path())) },
            started,
            answered: None,
            call,
            notes,
            evidence,
            span,
            trace,
            written: false,
        }
    }

    /// Writes the line if `headers` hold a status.
    fn end(&mut self, headers: &HeaderMap) {
        let Some(code) = headers.get(&STATUS) else { return };
        if code == "0" {
            // Most calls succeed, and decoding a whole status costs more than the line.
            self.write(&Status::new(Code::Ok, ""));
        } else if let Some(status) = Status::from_header_map(headers) {
            self.write(&status);
        }
    }

    fn write(&mut self, status: &Status) {
        if std::mem::replace(&mut self.written, true) {
            return;
        }
        let method = self.call.method();
        self.evidence.metrics.calls().end(EndedCall {
            method: method.map(|method| method.index),
            code: status.code(),
            namespace: self.notes.namespace(),
            time: self.started.elapsed(),
            is_endless: method.is_some_and(Method::is_endless),
        });
        let outcomes = self.evidence.of(self.notes.namespace());
        if let (Some(method), Some(outcomes)) = (self.call.method(), outcomes) {
            outcomes.record(health::Call::of(method.name), status.code(), || self.tenant());
        }
        self.span.end(status.code(), self.notes.namespace());
        // A panic while logging must not fail the call.
        let _ = std::panic::catch_unwind(AssertUnwindSafe(|| self.log(status)));
    }

    /// The caller, or the namespace if callers have no names.
    fn tenant(&self) -> u64 {
        health::tenant(
            self.call.caller().or(self.notes.namespace().map(Namespace::as_str)).unwrap_or_default(),
        )
    }

    fn method(&self) -> &str {
        self.foreign.as_deref().or(self.call.method().map(|method| method.name)).unwrap_or_default()
    }

    /// The line of a successful call: always if it is slow, otherwise of one in so many.
    fn log_success(&self) {
        let logged = self.evidence.logged;
        let (now, unary) = (Instant::now(), self.call.method().is_none_or(|method| !method.streams));
        if unary && now.duration_since(self.started) > logged.slow {
            let admitted = self.notes.admitted().unwrap_or(self.started);
            let answered = self.answered.unwrap_or(now);
            log!(
                self,
                WARN,
                status = "OK",
                slow = true,
                read_ms = milliseconds(self.started, admitted),
                execute_ms = milliseconds(admitted, answered),
                wait_ms = fraction(self.trace.waited()),
                batch_ms = fraction(self.trace.in_batches()),
                send_ms = milliseconds(answered, now),
            );
        } else if logged.sample <= 1 {
            log!(self, INFO, status = "OK",);
        } else if self.evidence.successes.fetch_add(1, Ordering::Relaxed).is_multiple_of(logged.sample) {
            log!(self, INFO, status = "OK", sample = logged.sample,);
        }
    }

    fn log(&self, status: &Status) {
        match status.code() {
            Code::Internal | Code::Unknown | Code::DataLoss => failed!(self, status, ERROR),
            Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded => {
                failed!(self, status, WARN);
            }
            // Health is checked every second, and a watch ends when its client disconnects: DEBUG is enough.
            Code::Ok if self.foreign.is_some() => log!(self, DEBUG, status = "OK",),
            Code::Cancelled if self.foreign.is_some() => failed!(self, status, DEBUG),
            Code::Ok => self.log_success(),
            Code::Cancelled
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Unauthenticated => failed!(self, status, INFO),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.written {
            let why = "call cancelled: the client reset it, or its connection ended";
            self.write(&framework(Code::Cancelled, ErrorReason::Cancelled, why));
        }
    }
}

/// Milliseconds from one moment to another, to the microsecond.
fn milliseconds(from: Instant, to: Instant) -> f64 {
    fraction(to.saturating_duration_since(from))
}

/// A time in milliseconds, to the microsecond.
fn fraction(time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact for the first 285 years of a call")]
    let micros = time.as_micros() as f64;
    micros / 1_000.0
}

/// The client's id if it is safe to log; otherwise a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sane = |id: &&HeaderValue| {
        let is_safe = |&c: &u8| c.is_ascii_alphanumeric() || b"-_.:".contains(&c);
        (1..=128).contains(&id.len()) && id.as_bytes().iter().all(is_safe)
    };
    headers.get(REQUEST_ID).filter(sane).cloned().unwrap_or_else(new_id)
}

/// 16 unique hexadecimal digits: a counter, hashed with a random seed of this process.
fn new_id() -> HeaderValue {
    static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let id = format!("{:016x}", SEED.hash_one(COUNT.fetch_add(1, Ordering::Relaxed)));
    HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

/// The name of a method that is not of a Prism service. Such a path may hold anything; only gRPC's own services are named.
fn foreign(path: &str) -> String {
    let is_safe = |c: u8| c.is_ascii_alphanumeric() || b"/._".contains(&c);
    if path.starts_with("/grpc.") && path.len() <= 100 && path.bytes().all(is_safe) {
        path.trim_start_matches('/').to_owned()
    } else {
        "unknown".to_owned()
    }
}

/// The line is written when the response body ends.
impl FrameFilter<Status> for Line {
    type Error = Status;

    fn frame(
        &mut self,
        frame: Option<Result<Frame<Bytes>, Status>>,
        _: impl FnOnce() -> bool,
    ) -> Option<Result<Frame<Bytes>, Status>> {
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.end(trailers);
                }
            }
            Some(Err(status)) => self.write(status),
            None => {}
        }
        frame
    }
}
