//! Audits calls: the line of a call is written once its answer is known, and before the answer is sent.
//!
//! Whether a call is audited depends on its namespace, which is known once its request is decoded: [`CallNotes`] carry the
//! question to the service, and the subject of an audited call back. A call of an audited method that is refused before is
//! audited as well, without namespace.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;
use prism_contract::Error;
use prism_mutants::seeded;
use prism_wire::call::{AuditCheck, CallNotes};
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::Service;
use tower::layer::{LayerFn, layer_fn};

use super::call::Call;
use super::panics::trailers;
use crate::audit::{Audit, NotWritten, Record};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// Minimum time to wait for a line, past the call's deadline if need be; also the maximum if lines may be lost. Shorter than
/// the time for which an answer may be sent after the deadline.
const MIN_WAIT: Duration = Duration::from_millis(500);

/// The audit of a server.
#[derive(Clone)]
pub struct AuditOptions {
    /// The log.
    pub log: Audit,
    /// Whether calls to a namespace are audited. Called for each call of an audited method.
    pub audits: Arc<dyn Fn(&str) -> bool + Send + Sync>,
}

/// Audits the calls that `options` name; `None`: no call.
pub(super) fn layer<S>(options: Option<AuditOptions>) -> LayerFn<impl Fn(S) -> Auditing<S> + Clone> {
    let auditor = options.map(|AuditOptions { log, audits }| {
        let check = |audits: Arc<dyn Fn(&str) -> bool + Send + Sync>| {
            let log = log.clone();
            AuditCheck::new(move |namespace| {
                if !audits(namespace) {
                    return Ok(false);
                }
                // Nothing may be executed whose line cannot be written.
                if log.is_ready() { Ok(true) } else { Err(Error::unavailable(NotWritten)) }
            })
        };
        let (by_namespace, always) = (check(audits), check(Arc::new(|_| true)));
        Arc::new(Auditor { log, by_namespace, always })
    });
    layer_fn(move |inner| Auditing { auditor: auditor.clone(), inner })
}

struct Auditor {
    log: Audit,
    /// Of calls that read or write data.
    by_namespace: AuditCheck,
    /// Of calls of administrators, which may turn the audit of a namespace on and off.
    always: AuditCheck,
}

#[derive(Clone)]
pub(super) struct Auditing<S> {
    auditor: Option<Arc<Auditor>>,
    inner: S,
}

impl<S, B> Service<Request<Body>> for Auditing<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Send + 'static,
    B: HttpBody<Data = Bytes, Error = Status> + Send + Unpin + 'static,
{
    type Response = Response<Audited<B>>;
    type Error = S::Error;
    type Future = Answer<S::Future, B, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let pending = self.auditor.as_ref().and_then(|auditor| Pending::of(auditor, &request));
        Answer { inner: self.inner.call(request), pending, audited: None }
    }
}

/// A call that may have to be audited. If it is dropped before, its call was cancelled.
pub(super) struct Pending {
    auditor: Arc<Auditor>,
    call: Call,
    method: &'static str,
    streams: bool,
    notes: CallNotes,
    recorded: bool,
}

impl Pending {
    /// `None`: a call of a method that is never audited.
    fn of(auditor: &Arc<Auditor>, request: &Request<Body>) -> Option<Self> {
        let call = Call::of(request);
        let method = call.method().filter(|method| method.audited)?;
        let notes = request.extensions().get::<CallNotes>()?.clone();
        let check = if method.administers() { &auditor.always } else { &auditor.by_namespace };
        notes.set_audit(check.clone());
        let (auditor, method, streams) = (Arc::clone(auditor), method.name, method.streams);
        Some(Self { auditor, call, method, streams, notes, recorded: false })
    }

    /// Whether the call has a line, once its response has begun.
    fn is_audited(&self, headers: &HeaderMap) -> bool {
        let is_denied = is_denied(headers) && !seeded("audit/leaves-out-denied-calls");
        self.notes.subject().is_some() || (self.notes.namespace().is_none() && is_denied)
    }

    fn record(&mut self, code: Code) -> Record {
        self.recorded = true;
        let begun = self.call.begun();
        Record {
            time: SystemTime::now(),
            request_id: begun.map(|(id, _)| id.clone()),
            caller: self.call.caller().map(str::to_owned),
            peer: self.call.peer(),
            method: self.method,
            notes: self.notes.clone(),
            code,
            latency: begun.map(|(_, at)| at.elapsed()).unwrap_or_default(),
            messages: self.streams.then(|| self.notes.messages()),
        }
    }

    /// Writes the line of a call that ended with `code`. An error is the status to send in place of the answer.
    async fn write(mut self, code: Code) -> Result<(), Status> {
        let record = self.record(code);
        if seeded("audit/writes-after-answering") {
            let log = self.auditor.log.clone();
            tokio::spawn(async move {
                tokio::time::sleep(MIN_WAIT).await;
                log.write_detached(record);
            });
            return Ok(());
        }
        let now = Instant::now();
        let deadline = self.call.response_deadline().filter(|_| self.auditor.log.refuses());
        let until = deadline.unwrap_or(now).max(now + MIN_WAIT);
        let written = timeout_at(until, self.auditor.log.write(record)).await.unwrap_or(Err(NotWritten));
        match written {
            Err(error) if self.auditor.log.refuses() => Err(self.notes.refuse(Error::unavailable(error))),
            Ok(()) | Err(NotWritten) => Ok(()),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if seeded("audit/leaves-out-cancelled-calls") {
            return;
        }
        if !self.recorded && self.notes.subject().is_some() {
            let record = self.record(Code::Cancelled);
            self.auditor.log.write_detached(record);
        }
    }
}

/// Whether the headers are those of a call that authentication refused.
fn is_denied(headers: &HeaderMap) -> bool {
    matches!(code(headers), Some(Code::Unauthenticated | Code::PermissionDenied))
}

/// The status in headers or trailers.
fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get(&STATUS).map(|code| Code::from_bytes(code.as_bytes()))
}

pin_project! {
    /// A pending response.
    pub(super) struct Answer<F, B, E> {
        #[pin]
        inner: F,
        // `None`: the call is not audited, or `audited` has taken it.
        pending: Option<Pending>,
        audited: Option<BoxFuture<'static, Result<Response<Audited<B>>, E>>>,
    }
}

impl<F, B, E> Future for Answer<F, B, E>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: HttpBody<Data = Bytes, Error = Status> + Send + Unpin + 'static,
    E: Send + 'static,
{
    type Output = Result<Response<Audited<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(audited) = this.audited {
            return audited.poll_unpin(cx);
        }
        let response = ready!(this.inner.poll(cx))?;
        let pending = this.pending.take().filter(|pending| pending.is_audited(response.headers()));
        let Some(pending) = pending else { return Poll::Ready(Ok(response.map(Audited::Plain))) };
        if pending.streams && code(response.headers()).is_none() {
            return Poll::Ready(Ok(response.map(|body| Audited::Stream(Stream::Open { body, pending }))));
        }
        this.audited.insert(unary(response, pending).map(Ok).boxed()).poll_unpin(cx)
    }
}

/// The response of a call that is no stream, once its line is written.
async fn unary<B>(response: Response<B>, pending: Pending) -> Response<Audited<B>>
where
    B: HttpBody<Data = Bytes, Error = Status> + Unpin,
{
    let (parts, mut body) = response.into_parts();
    let mut frames = VecDeque::new();
    let mut ended = code(&parts.headers);
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        match &frame {
            Ok(frame) => ended = frame.trailers_ref().and_then(code).or(ended),
            Err(status) => ended = Some(status.code()),
        }
        frames.push_back(frame);
    }
    match pending.write(ended.unwrap_or(Code::Unknown)).await {
        Ok(()) => Response::from_parts(parts, Audited::Whole(frames)),
        Err(status) => status.into_http(),
    }
}

/// The body of a response.
pub(super) enum Audited<B> {
    /// Of a call that is not audited.
    Plain(B),
    /// Of a call whose line is written.
    Whole(VecDeque<Result<Frame<Bytes>, Status>>),
    /// A stream whose line is written before its status is sent.
    Stream(Stream<B>),
}

/// A stream that is audited.
pub(super) enum Stream<B> {
    Open {
        body: B,
        pending: Pending,
    },
    /// Its line is being written, and its last frame is sent next.
    Ending(BoxFuture<'static, Result<Frame<Bytes>, Status>>),
    Ended,
}

impl<B> Default for Audited<B> {
    fn default() -> Self {
        Self::Whole(VecDeque::new())
    }
}

impl<B: HttpBody<Data = Bytes, Error = Status> + Unpin> Stream<B> {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            match self {
                Self::Open { body, .. } => {
                    let frame = ready!(Pin::new(body).poll_frame(cx));
                    let ended = match &frame {
                        Some(Ok(frame)) if frame.is_data() => None,
                        Some(Ok(frame)) => frame.trailers_ref().and_then(code).or(Some(Code::Unknown)),
                        Some(Err(status)) => Some(status.code()),
                        None => Some(Code::Unknown),
                    };
                    let Some(ended) = ended else { return Poll::Ready(frame) };
                    let Self::Open { pending, .. } = std::mem::replace(self, Self::Ended) else {
                        return Poll::Ready(frame);
                    };
                    *self = Self::Ending(Box::pin(async move {
                        match (pending.write(ended).await, frame) {
                            (Err(status), _) => Ok(trailers(&status)),
                            (Ok(()), Some(frame)) => frame,
                            (Ok(()), None) => Err(Status::unknown("the response has no status")),
                        }
                    }));
                }
                Self::Ending(ending) => {
                    let last = ready!(ending.poll_unpin(cx));
                    *self = Self::Ended;
                    return Poll::Ready(Some(last));
                }
                Self::Ended => return Poll::Ready(None),
            }
        }
    }
}

impl<B: HttpBody<Data = Bytes, Error = Status> + Unpin> HttpBody for Audited<B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match &mut *self {
            Self::Plain(body) => Pin::new(body).poll_frame(cx),
            Self::Whole(frames) => Poll::Ready(frames.pop_front()),
            Self::Stream(stream) => stream.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Plain(body) => body.is_end_stream(),
            Self::Whole(frames) => frames.is_empty(),
            Self::Stream(stream) => matches!(stream, Stream::Ended),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Plain(body) => body.size_hint(),
            Self::Whole(_) | Self::Stream(_) => SizeHint::default(),
        }
    }
}
