//! The task of one HTTP/2 stream, which ends when its call's time is over, whether or not the client takes the answer (ERR-4).

use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::connection::Connection;

/// How long after its deadline an answer may still be taken. What is left then is dropped, and the stream reset.
const GRACE: Duration = Duration::from_secs(1);

/// What a call's layers know about its stream. It is among a request's extensions.
#[derive(Clone, Default)]
pub(super) struct StreamEnd(Arc<OnceLock<Instant>>);

impl StreamEnd {
    /// The call was answered; its deadline was this.
    pub(super) fn answered(&self, deadline: Instant) {
        let _ = self.0.set(deadline + GRACE);
    }
}

/// Runs the streams of one connection. HTTP/2 calls the service with a request and spawns its stream at once after it, on one
/// task, so the end that was made for the request belongs to that stream.
#[derive(Clone)]
pub(super) struct Streams {
    connection: Arc<Connection>,
    next: Arc<Mutex<Option<StreamEnd>>>,
}

impl Streams {
    pub(super) fn of(connection: Arc<Connection>) -> Self {
        Self { connection, next: Arc::default() }
    }

    /// A request has come, whose stream is spawned next.
    pub(super) fn begin(&self) -> StreamEnd {
        let end = StreamEnd::default();
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(end.clone());
        end
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let end = self.next.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        let open = Open::on(Arc::clone(&self.connection));
        tokio::spawn(StreamTask { stream, end, timer: None, open });
    }
}

/// Counts an open stream.
struct Open(Arc<Connection>);

impl Open {
    fn on(connection: Arc<Connection>) -> Self {
        connection.streams.open();
        Self(connection)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.stream_ended();
    }
}

pin_project! {
    struct StreamTask<F> {
        #[pin]
        stream: F,
        end: StreamEnd,
        timer: Option<Pin<Box<Sleep>>>,
        open: Open,
    }
}

impl<F: Future<Output = ()>> Future for StreamTask<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if this.stream.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        // Most answers are taken at once, and need no timer.
        let Some(end) = this.end.0.get() else { return Poll::Pending };
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(*end)));
        timer.as_mut().poll(cx)
    }
}
