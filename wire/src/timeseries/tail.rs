//! The stream of a Tail, of both sides: events in append order, with heartbeats, until the client leaves or the server
//! drains.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{Stream, stream};
use prism_contract::Error;
use prism_contract::timeseries::request::{TailFrom, TailRequest, TailResponse};
use prism_contract::timeseries::{Directory, TailCursor};
use prism_proto::timeseries::v1 as pb;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::{Status, Streaming};

use super::client::Client;
use crate::channel::CallError;
use crate::clock::Clock;
use crate::message::WireResponse;
use crate::pages::StreamCall;
use crate::resume::{self, Progress, Resumable};

/// Maximum time for reading one page: a Tail has no deadline, and a client must not wait for a store that hangs.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A Tail in progress. A message is made when the client has taken the one before, so a slow reader holds no page and no
/// slot (TAIL-5).
pub(super) struct Follow<D, C> {
    cursor: TailCursor<D>,
    clock: Arc<C>,
    heartbeat: Duration,
    /// Completes when the server begins to drain.
    drain: BoxFuture<'static, ()>,
    /// When the last message was made; `None`: none was.
    last: Option<Instant>,
}

impl<D: Directory, C: Clock> Follow<D, C> {
    pub(super) fn new(
        cursor: TailCursor<D>,
        clock: Arc<C>,
        heartbeat: Duration,
        drain: BoxFuture<'static, ()>,
    ) -> Self {
        Self { cursor, clock, heartbeat, drain, last: None }
    }

    /// The messages, without end. Dropping the stream drops the call (ERR-4).
    pub(super) fn messages(
        self,
        call: StreamCall,
    ) -> impl Stream<Item = Result<pb::TailResponse, Status>> + Send {
        stream::unfold(Some((self, call)), |state| async {
            let (mut follow, mut call) = state?;
            match follow.next(&mut call).await {
                Ok(message) => {
                    call.notes.count_message();
                    follow.last = Some(Instant::now());
                    Some((Ok(message.into_message()), Some((follow, call))))
                }
                Err(error) => Some((Err(call.notes.refuse(error)), None)),
            }
        })
    }

    /// The next message: events, or a heartbeat when it is due (TAIL-4).
    async fn next(&mut self, call: &mut StreamCall) -> Result<TailResponse, Error> {
        let Self { cursor, clock, heartbeat, drain, last } = self;
        let Some(last) = last else {
            let start = page(call, cursor.start(clock.now()));
            return tokio::select! {
                biased;
                () = drain => Err(draining()),
                message = start => message,
            };
        };
        let due = *last + *heartbeat;
        loop {
            let (message, more) = tokio::select! {
                biased;
                () = &mut *drain => return Err(draining()),
                read = page(call, cursor.read(clock.now())) => read?,
            };
            if !message.events.is_empty() {
                return Ok(message);
            }
            // Also while events flow that do not match.
            if Instant::now() >= due {
                return Ok(cursor.heartbeat());
            }
            if more {
                // A store that answers without waiting must not keep the thread.
                tokio::task::yield_now().await;
                continue;
            }
            tokio::select! {
                biased;
                () = &mut *drain => return Err(draining()),
                () = sleep_until(due) => return Ok(cursor.heartbeat()),
                () = cursor.wait(clock.now()) => {}
            }
        }
    }
}

/// Reads a page; a slot is held meanwhile.
async fn page<T>(call: &mut StreamCall, read: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let _slot = call.enter();
    timeout(READ_TIMEOUT, read)
        .await
        .unwrap_or_else(|_| Err(Error::unavailable("a page of a Tail was not read in time")))
}

/// The end of a Tail whose last token works at another gateway (TAIL-7).
fn draining() -> Error {
    Error::unavailable("the server is draining")
}

/// The messages of a Tail: they end with an error only.
pub type TailMessages = resume::Messages<TailResponse>;

/// A client's Tail, with the request for the rest (TAIL-3).
pub(super) struct TailCall {
    pub(super) client: Client,
    pub(super) request: TailRequest,
}

impl Resumable for TailCall {
    type Message = TailResponse;

    const UNFINISHED: (&'static str, &'static str) =
        ("token", "was the last one where the stream ended; a Tail has no end");

    async fn open(&self) -> Result<Streaming<pb::TailResponse>, CallError> {
        self.client.open_tail(self.request.clone()).await
    }

    fn advance(&mut self, message: &TailResponse) -> Progress {
        self.request.from = TailFrom::Token(message.token.clone());
        Progress::More
    }
}
