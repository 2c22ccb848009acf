//! The task of one HTTP/2 stream, which ends when its call's time is over, whether or not the client takes the answer (ERR-4).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};

use super::call::Call;
use super::connection::Connection;

/// How long after its deadline an answer may still be taken. What is left then is dropped, and the stream reset.
const GRACE: Duration = Duration::from_secs(1);

/// Runs the streams of one connection. HTTP/2 calls the service with a request and spawns its stream at once after it, on one
/// task, so the call of the request is that of the stream.
#[derive(Clone)]
pub(super) struct Streams {
    connection: Arc<Connection>,
    next: Arc<Mutex<Option<Call>>>,
}

impl Streams {
    pub(super) fn of(connection: Arc<Connection>) -> Self {
        Self { connection, next: Arc::default() }
    }

    /// A request for `path` has come, whose stream is spawned next.
    pub(super) fn begin(&self, path: &str) -> Call {
        let call = Call::new(path, Some(Arc::clone(&self.connection)));
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(call.clone());
        call
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let call = self.next.lock().unwrap_or_else(PoisonError::into_inner).take();
        let open = Open::on(Arc::clone(&self.connection));
        tokio::spawn(StreamTask { stream, call, timer: None, open });
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
        call: Option<Call>,
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
        let deadline = this.call.as_ref().and_then(Call::deadline_of_answer);
        let Some(deadline) = deadline else { return Poll::Pending };
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline + GRACE)));
        timer.as_mut().poll(cx)
    }
}
