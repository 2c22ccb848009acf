//! Serves one connection over HTTP/2 until its client disconnects, the server drains, or the connection is too old.

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use prism_wire::body::Filtered;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tower::Service;

use super::Shutdown;
use super::answers::Arriving;
use super::auth::certificate;
use super::coalescing::WriteCoalescing;
use super::connection::Connection;
use super::incoming::{Accepted, Transport};
use super::io::Io;
use super::stream::Streams;
use crate::metrics::Metrics;

/// Concurrent calls per connection; the client queues the rest.
const STREAMS_PER_CONNECTION: u32 = 1_000;
/// Flow-control window of one request. Larger than HTTP/2's 64 KiB, so that a Put of a few values does not wait for a round
/// trip.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// Keep-alive: a client that vanished silently is detected after the sum of these two.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Time that a client has to disconnect after GOAWAY once no call is in flight.
const CLOSE_GRACE: Duration = Duration::from_secs(1);
/// Up to 1/10 is added to the maximum age, so that connections opened together do not end together.
const AGE_SPREAD: u64 = 10;

/// The shared state that connections are served with.
#[derive(Clone)]
pub(super) struct Serving<S> {
    pub(super) service: S,
    pub(super) coalescing: WriteCoalescing,
    pub(super) shutdown: Shutdown,
    pub(super) age: Age,
    pub(super) metrics: Metrics,
}

/// The age limit of connections.
#[derive(Debug, Clone, Copy)]
pub(super) struct Age {
    /// Age at which the client is asked to reconnect; `None`: never.
    pub(super) max: Option<Duration>,
    /// Time that its calls then have to finish.
    pub(super) grace: Duration,
}

impl<S, B> Serving<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes, Error = Status> + Send + 'static,
{
    /// Serves a connection until it ends.
    pub(super) async fn connection(self, accepted: Accepted) {
        let Accepted { transport, first, permit } = accepted;
        let (coalescing, metrics) = (self.coalescing.for_connection(), self.metrics.clone());
        match transport {
            Transport::Plain(stream) => {
                self.serve(Io::new(stream, first, coalescing, metrics), &permit.connection).await;
            }
            Transport::Tls(stream) => {
                if let Some([certificate, ..]) = stream.get_ref().1.peer_certificates() {
                    permit.connection.set_certificate_names(certificate::names(certificate));
                }
                self.serve(Io::new(stream, first, coalescing, metrics), &permit.connection).await;
            }
        }
    }

    async fn serve(self, io: impl AsyncRead + AsyncWrite + Unpin, connection: &Arc<Connection>) {
        let streams = Streams::of(Arc::clone(connection));
        let mut http = http2::Builder::new(streams.clone());
        http.timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_PER_CONNECTION)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        let calls = Calls { service: self.service, connection: Arc::clone(connection), streams };
        let mut serving = pin!(http.serve_connection(TokioIo::new(io), calls));
        let mut closing = pin!(closing(connection, &self.shutdown, self.age.max));
        let reason = tokio::select! {
            _ = &mut serving => return,
            () = cut(connection, &self.shutdown) => return,
            reason = &mut closing => reason,
        };
        // New calls go to other connections from here on; those in flight may finish.
        serving.as_mut().graceful_shutdown();
        let grace = async {
            match reason {
                CloseReason::TooOld => tokio::time::sleep(self.age.grace).await,
                // A drain has a separate timeout, after which all connections are cut.
                CloseReason::Requested => std::future::pending().await,
            }
        };
        let idle = async {
            connection.wait_idle().await;
            tokio::time::sleep(CLOSE_GRACE).await;
        };
        tokio::select! {
            _ = serving => {}
            () = cut(connection, &self.shutdown) => {}
            () = grace => {}
            () = idle => {}
        }
    }
}

/// Why a connection closes once its calls have ended.
enum CloseReason {
    Requested,
    TooOld,
}

async fn closing(connection: &Connection, shutdown: &Shutdown, max_age: Option<Duration>) -> CloseReason {
    let too_old = async {
        match max_age {
            Some(max_age) => tokio::time::sleep(jittered(max_age)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = shutdown.draining() => CloseReason::Requested,
        () = connection.closing().cancelled() => CloseReason::Requested,
        () = too_old => CloseReason::TooOld,
    }
}

async fn cut(connection: &Connection, shutdown: &Shutdown) {
    let abort: CancellationToken = shutdown.abort_token();
    tokio::select! {
        () = abort.cancelled() => {}
        () = connection.cut().cancelled() => {}
    }
}

/// `age` plus up to a tenth.
fn jittered(age: Duration) -> Duration {
    let tenth = u64::try_from(age.as_millis()).unwrap_or(u64::MAX) / AGE_SPREAD;
    age + Duration::from_millis(RandomState::new().hash_one(()) % (tenth + 1))
}

/// The service of one connection.
struct Calls<S> {
    service: S,
    connection: Arc<Connection>,
    streams: Streams,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Calls<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = S::Future;

    fn call(&self, request: Request<Incoming>) -> S::Future {
        let account = Arc::clone(self.connection.account());
        let mut request = request.map(|body| Body::new(Filtered::new(body, Arriving::new(account))));
        let call = self.streams.begin(request.uri().path());
        request.extensions_mut().insert(call);
        // Every layer is always ready: refusals are responses.
        self.service.clone().call(request)
    }
}
