//! The client's side of a scan: a stream of messages that can resume after an interruption (SCAN-1).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use prism_contract::keyvalue::request::{ScanRequest, ScanResponse};
use prism_proto::keyvalue::v1 as pb;
use tonic::{Code, Streaming};

use super::client::Client;
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

/// The messages of a scan. Ends after the last message, or with an error.
pub struct Messages(BoxStream<'static, Result<ScanResponse, CallError>>);

impl Stream for Messages {
    type Item = Result<ScanResponse, CallError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

impl Messages {
    pub(super) fn new(client: Client, request: ScanRequest, resume: Resume) -> Self {
        let scan = Scan { client, request, resume, open: None, failures: 0, last: false, done: false };
        Self(stream::unfold(scan, |mut scan| async { Some((scan.next().await?, scan)) }).boxed())
    }
}

struct Scan {
    client: Client,
    /// The request for the rest.
    request: ScanRequest,
    resume: Resume,
    open: Option<Streaming<pb::ScanResponse>>,
    failures: u32,
    /// The last message was received; only the end of the stream is left to read.
    last: bool,
    done: bool,
}

impl Scan {
    async fn next(&mut self) -> Option<Result<ScanResponse, CallError>> {
        while !self.done {
            match self.message().await {
                Ok(Some(message)) => {
                    self.advance(&message);
                    return Some(Ok(message));
                }
                // An interruption after the last message loses nothing.
                Ok(None) | Err(_) if self.last => self.done = true,
                // A complete stream is marked as such by its last message (SCAN-1).
                Ok(None) => {
                    self.done = true;
                    return Some(Err(Unreadable::new(
                        "resume_token",
                        "was not empty where the stream ended",
                    )
                    .into()));
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

    async fn message(&mut self) -> Result<Option<ScanResponse>, CallError> {
        let stream = if let Some(open) = &mut self.open {
            open
        } else {
            self.open.insert(self.client.open_scan(self.request.clone()).await?)
        };
        let message = stream.message().await?;
        Ok(message.map(ScanResponse::from_message).transpose()?)
    }

    /// Moves the request past `message`.
    fn advance(&mut self, message: &ScanResponse) {
        self.failures = 0;
        self.request.resume_token = message.resume_token.clone();
        let received = message.entries.len() as u64;
        let limit_reached = self.request.limit > 0 && received >= self.request.limit;
        self.request.limit = self.request.limit.saturating_sub(received);
        self.last = message.resume_token.is_empty() || limit_reached;
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
