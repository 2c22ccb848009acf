//! The admin endpoint: metrics, liveness and readiness over HTTP/1.1, on a separate listener without authentication.
//!
//! Bounds: a connection has one request and 10 seconds; at most 32 are open, further ones wait in the kernel's queue; a request
//! has a head of at most 16 KiB, and no body is read. One page is made at a time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::timeout;

use crate::metrics::Metrics;

/// Time that a connection has for its request and its response.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Maximum open connections.
const MOST_CONNECTIONS: usize = 32;
/// Maximum bytes of a request's head.
const HEAD_BYTES: usize = 16 << 10;
/// Pause after a failed accept, most likely for lack of file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);
/// The content type of OpenMetrics.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const PATHS: &str = "/metrics, /healthz and /readyz are served here\n";

/// The admin endpoint of a gateway.
#[derive(Clone)]
pub struct Admin(Arc<Inner>);

struct Inner {
    metrics: Metrics,
    /// Held while a page is made.
    making: Mutex<()>,
    time_limit: Duration,
}

impl Admin {
    /// An endpoint for these metrics.
    pub fn new(metrics: Metrics) -> Self {
        Self(Arc::new(Inner { metrics, making: Mutex::new(()), time_limit: TIME_LIMIT }))
    }

    /// Serves on `listener` for as long as it is polled.
    pub async fn serve(self, listener: TcpListener) {
        let free = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        // This semaphore is never closed.
        while let Ok(permit) = Arc::clone(&free).acquire_owned().await {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::debug!(%error, "a connection to the admin endpoint could not be accepted");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                    continue;
                }
            };
            let admin = self.clone();
            tokio::spawn(async move {
                admin.connection(stream, peer).await;
                drop(permit);
            });
        }
    }

    async fn connection(self, stream: TcpStream, peer: SocketAddr) {
        let time_limit = self.0.time_limit;
        let answer = service_fn(move |request: Request<Incoming>| {
            let admin = self.clone();
            async move { Ok::<_, Infallible>(admin.answer(request.method(), request.uri().path()).await) }
        });
        let mut http = http1::Builder::new();
        http.keep_alive(false).max_buf_size(HEAD_BYTES);
        match timeout(time_limit, http.serve_connection(TokioIo::new(stream), answer)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%peer, %error, "a connection to the admin endpoint failed"),
            Err(_) => {
                tracing::debug!(%peer, "a connection to the admin endpoint was closed: it took too long");
            }
        }
    }

    async fn answer(&self, method: &Method, path: &str) -> Response<String> {
        if !matches!(path, "/metrics" | "/healthz" | "/readyz") {
            return response(StatusCode::NOT_FOUND, TEXT, PATHS);
        }
        if method != Method::GET && method != Method::HEAD {
            let mut refused =
                response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD are allowed\n");
            refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refused;
        }
        match path {
            "/metrics" => self.page().await,
            "/healthz" => response(StatusCode::OK, TEXT, "ok\n"),
            _ => match self.0.metrics.readiness() {
                Ok(()) => response(StatusCode::OK, TEXT, "ready\n"),
                Err(why) => response(StatusCode::SERVICE_UNAVAILABLE, TEXT, why + "\n"),
            },
        }
    }

    /// The metrics. On a thread for blocking work, since it waits for a disk that hangs.
    async fn page(&self) -> Response<String> {
        let _making = self.0.making.lock().await;
        let metrics = self.0.metrics.clone();
        match tokio::task::spawn_blocking(move || metrics.page()).await {
            Ok(page) => response(StatusCode::OK, OPENMETRICS, page),
            Err(_) => {
                response(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "the page could not be made; see the log\n")
            }
        }
    }
}

fn response(status: StatusCode, content_type: &'static str, body: impl Into<String>) -> Response<String> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
