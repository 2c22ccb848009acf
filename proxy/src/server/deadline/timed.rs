//! The body of a stream that has a deadline.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};
use tonic::Status;
use tonic::body::Body;

use super::deadline_exceeded;
use crate::server::panics::trailers;

/// A stream with a deadline. A separate task enforces it and frees what the stream holds, since a stream whose client reads
/// nothing is not polled.
pub(super) struct Timed {
    state: Arc<Mutex<State>>,
    watch: AbortHandle,
}

enum State {
    /// Not expired; with the waker to notify at the deadline.
    Open(Body, Waker),
    /// The deadline has passed, and the status has not been sent yet.
    Expired,
    Ended,
}

impl Timed {
    /// `body` until `deadline`, and DEADLINE_EXCEEDED from then on.
    pub(super) fn body(body: Body, deadline: Instant) -> Body {
        let state = Arc::new(Mutex::new(State::Open(body, Waker::noop().clone())));
        let watched = Arc::clone(&state);
        let watch = tokio::spawn(async move {
            sleep_until(deadline).await;
            let before = {
                let mut state = watched.lock().unwrap_or_else(PoisonError::into_inner);
                match *state {
                    State::Open(..) => std::mem::replace(&mut *state, State::Expired),
                    State::Expired | State::Ended => return,
                }
            };
            if let State::Open(body, waker) = before {
                // Dropped outside the lock: it may hold the scan's last page.
                drop(body);
                waker.wake();
            }
        });
        Body::new(Self { state, watch: watch.abort_handle() })
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl http_body::Body for Timed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        // A std mutex: only the watch task competes for it, once, and it is never held across an await.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Open(body, waker) => {
                waker.clone_from(cx.waker());
                let polled = Pin::new(body).poll_frame(cx);
                if let Poll::Ready(None | Some(Err(_))) = polled {
                    *state = State::Ended;
                }
                polled
            }
            State::Expired => {
                *state = State::Ended;
                Poll::Ready(Some(Ok(trailers(&deadline_exceeded()))))
            }
            State::Ended => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Open(body, _) => body.is_end_stream(),
            State::Expired => false,
            State::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
