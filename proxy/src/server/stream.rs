//! The task of one HTTP/2 stream, which ends after its call's deadline even if the client does not read the response
//! (ERR-4).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};

use super::call::Call;
use super::connection::Connection;

/// Time after its deadline in which a response may still be read. The rest is then dropped, and the stream reset.
const GRACE: Duration = Duration::from_secs(1);

/// The executor for the streams of one connection. hyper calls the service with a request and spawns its stream right after,
/// on the same task, so the last call belongs to the spawned stream.
#[derive(Clone)]
pub(super) struct Streams {
    connection: Arc<Connection>,
    next: Arc<Mutex<Option<Call>>>,
}

impl Streams {
    pub(super) fn of(connection: Arc<Connection>) -> Self {
        Self { connection, next: Arc::default() }
    }

    /// Registers a request for `path`, whose stream is spawned next.
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
        // Most responses are read at once, and need no timer.
        let deadline = this.call.as_ref().and_then(Call::response_deadline);
        let Some(deadline) = deadline else { return Poll::Pending };
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline + GRACE)));
        timer.as_mut().poll(cx)
    }
}
