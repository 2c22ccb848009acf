//! The client's side of a response stream: messages that go on after an interruption, by the token of the last one.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use tonic::{Code, Streaming};

use crate::channel::{CallError, Fault};
use crate::message::{Unreadable, WireResponse};

/// The policy for a stream interrupted by UNAVAILABLE or DEADLINE_EXCEEDED.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// End with the error.
    Never,
    /// Resume with the last message's token, up to this many times in a row without a message in between. Waits for the
    /// server's retry delay, or else with exponential backoff from 100 ms; at most 5 s.
    UpTo(u32),
}

/// The messages of a response stream. Ends after the last message, or with an error.
pub struct Messages<M>(BoxStream<'static, Result<M, CallError>>);

impl<M> Stream for Messages<M> {
    type Item = Result<M, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

/// Whether a message was the last one of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More messages follow.
    More,
    /// Only the end of the stream is left to read.
    Last,
}

/// A call with a response stream, and the request for what is left of it.
pub(crate) trait Resumable: Send + 'static {
    /// A message of the stream.
    type Message: WireResponse<Message: Send> + Send;

    /// The field and the fault of a stream that ends without a last message.
    const UNFINISHED: (&'static str, &'static str);

    /// Sends the request.
    fn open(&self) -> impl Future<Output = Result<Streaming<WireMessage<Self>>, CallError>> + Send;

    /// Moves the request past `message`.
    fn advance(&mut self, message: &Self::Message) -> Progress;
}

type WireMessage<R> = <<R as Resumable>::Message as WireResponse>::Message;

impl<M: WireResponse<Message: Send> + Send + 'static> Messages<M> {
    /// The messages of `call`, whose request is sent when the stream is first polled.
    pub(crate) fn new<R: Resumable<Message = M>>(call: R, resume: Resume) -> Self {
        let reading = Reading { call, resume, open: None, failures: 0, last: false, done: false };
        Self(stream::unfold(reading, |mut reading| async { Some((reading.next().await?, reading)) }).boxed())
    }
}

struct Reading<R: Resumable> {
    call: R,
    resume: Resume,
    open: Option<Streaming<WireMessage<R>>>,
    failures: u32,
    /// The last message was received; only the end of the stream is left to read.
    last: bool,
    done: bool,
}

impl<R: Resumable> Reading<R> {
    async fn next(&mut self) -> Option<Result<R::Message, CallError>> {
        while !self.done {
            match self.message().await {
                Ok(Some(message)) => {
                    self.failures = 0;
                    self.last = self.call.advance(&message) == Progress::Last;
                    return Some(Ok(message));
                }
                // An interruption after the last message loses nothing.
                Ok(None) | Err(_) if self.last => self.done = true,
                // A complete stream is marked as such by its last message.
                Ok(None) => {
                    self.done = true;
                    let (field, why) = R::UNFINISHED;
                    return Some(Err(Unreadable::new(field, why).into()));
                }
                Err(error) => {
                    let Some(delay) = self.backoff(&error) else {
                        self.done = true;
                        return Some(Err(error));
                    };
                    tokio::time::sleep(delay).await;
                }
            }
        }
        None
    }

    async fn message(&mut self) -> Result<Option<R::Message>, CallError> {
        let stream = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(self.call.open().await?),
        };
        let message = stream.message().await?;
        Ok(message.map(R::Message::from_message).transpose()?)
    }

    /// The delay before resuming; `None`: do not resume.
    fn backoff(&mut self, error: &CallError) -> Option<Duration> {
        let status = error
            .status()
            .filter(|status| matches!(status.code, Code::Unavailable | Code::DeadlineExceeded))?;
        let Resume::UpTo(most) = self.resume else { return None };
        let is_pointless = |fault: Fault| {
            // Without any answer so far there is nothing to resume, and the cause may be a missing certificate: the caller
            // learns it at once, and not after all the delays.
            fault.is_permanent() || fault == Fault::EndsUnanswered
        };
        if Fault::read(&status.message).is_some_and(is_pointless) {
            return None;
        }
        if self.failures >= most {
            return None;
        }
        let backoff = Duration::from_millis(100).saturating_mul(1 << self.failures.min(6));
        self.failures += 1;
        self.open = None;
        Some(status.retry_after.unwrap_or(backoff).min(Duration::from_secs(5)))
    }
}

/// Counts `received` against the limit of a request, 0 for none; a stream ends with the limit, or where nothing is left.
pub(crate) fn advance(limit: &mut u64, received: usize, nothing_left: bool) -> Progress {
    let received = received as u64;
    let limit_reached = *limit > 0 && received >= *limit;
    *limit = limit.saturating_sub(received);
    if nothing_left || limit_reached { Progress::Last } else { Progress::More }
}
