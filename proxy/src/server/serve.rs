//! Serves one connection: HTTP/2 until its client leaves, the server drains, or the connection is old.

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
use super::coalescing::WriteCoalescing;
use super::connection::Connection;
use super::incoming::{Begun, Transport};
use super::io::Io;
use super::stream::Streams;

/// Calls that one connection may have open at once; more wait at the client.
const STREAMS_PER_CONNECTION: u32 = 1_000;
/// What a client may send of one request before it is told to go on. Larger than HTTP/2's 64 KiB, so that a Put of a few values
/// does not wait for a round trip.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// A connection whose client has silently gone is noticed after these two.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a client has to leave once it was told to and no call is in flight.
const LEAVE: Duration = Duration::from_secs(1);
/// Connections get up to this much older than asked, so that those that began together do not end together.
const AGE_SPREAD: u64 = 10;

/// What all connections are served with.
#[derive(Clone)]
pub(super) struct Serving<S> {
    pub(super) service: S,
    pub(super) coalescing: WriteCoalescing,
    pub(super) shutdown: Shutdown,
    pub(super) age: Age,
}

/// How old a connection may get.
#[derive(Debug, Clone, Copy)]
pub(super) struct Age {
    /// When its client is asked to make another; `None`: never.
    pub(super) most: Option<Duration>,
    /// How long its calls then have to end.
    pub(super) grace: Duration,
}

impl<S, B> Serving<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes, Error = Status> + Send + 'static,
{
    /// Serves a connection until it ends.
    pub(super) async fn connection(self, begun: Begun) {
        let Begun { transport, first, seat } = begun;
        let coalescing = self.coalescing.another();
        match transport {
            Transport::Plain(stream) => {
                self.serve(Io::new(stream, first, coalescing), &seat.connection).await
            }
            Transport::Tls(stream) => self.serve(Io::new(stream, first, coalescing), &seat.connection).await,
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
        let mut closing = pin!(closing(connection, &self.shutdown, self.age.most));
        let end = tokio::select! {
            _ = &mut serving => return,
            () = cut(connection, &self.shutdown) => return,
            end = &mut closing => end,
        };
        // From here on new calls go elsewhere, and those in flight may end.
        serving.as_mut().graceful_shutdown();
        let patience = async {
            match end {
                End::Aged => tokio::time::sleep(self.age.grace).await,
                // A drain has its own time, at the end of which all connections are cut.
                End::Asked => std::future::pending().await,
            }
        };
        let left = async {
            connection.quiet().await;
            tokio::time::sleep(LEAVE).await;
        };
        tokio::select! {
            _ = serving => {}
            () = cut(connection, &self.shutdown) => {}
            () = patience => {}
            () = left => {}
        }
    }
}

/// Why a connection is to end once its calls have.
enum End {
    Asked,
    Aged,
}

async fn closing(connection: &Connection, shutdown: &Shutdown, most: Option<Duration>) -> End {
    let aged = async {
        match most {
            Some(most) => tokio::time::sleep(spread(most)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = shutdown.draining() => End::Asked,
        () = connection.closing().cancelled() => End::Asked,
        () = aged => End::Aged,
    }
}

async fn cut(connection: &Connection, shutdown: &Shutdown) {
    let abort: CancellationToken = shutdown.abort_token();
    tokio::select! {
        () = abort.cancelled() => {}
        () = connection.cut().cancelled() => {}
    }
}

/// `age`, and up to a tenth more.
fn spread(age: Duration) -> Duration {
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
        // Each layer is ready at any time: those that refuse answer.
        self.service.clone().call(request)
    }
}
