//! Accepts connections: time limit for the TLS handshake and the HTTP/2 preface, and a readable error for other protocols.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::task::TaskTracker;

use super::Shutdown;
use super::connection::{Pending, Permit, Table};
use super::reload::Reload;
use crate::metrics::{HandshakeFailure, Metrics};

/// Pause after a failed accept, most likely for lack of file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);
/// The HTTP/2 connection preface.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const ONLY_HTTP2: &str =
    "this is a gRPC server, which speaks HTTP/2 only; use a gRPC client, such as grpcurl or prism";
const NO_TLS: &str = "this port speaks plain text, not TLS; use http://";
// Contains the words of Go's servers, "to an HTTPS server", by which clients recognise the mistake.
const TLS_ONLY: &str = "plain HTTP was sent to an HTTPS server; use https://";
/// The first byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// A connection whose client speaks HTTP/2.
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection past its handshake, with its permit and the bytes read so far.
pub(super) struct Accepted {
    pub(super) transport: Transport,
    pub(super) first: Bytes,
    pub(super) permit: Permit,
}

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
enum HandshakeError {
    #[error("closed before it sent the preface")]
    Closed,
    #[error("not HTTP/2, answered 400: {0}")]
    NotHttp2(&'static str),
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// Accepts connections for as long as it is polled.
pub(super) struct Acceptor {
    pub(super) listener: TcpListener,
    pub(super) table: Arc<Table>,
    pub(super) tls: Reload,
    /// Time limit for the TLS handshake, the HTTP/2 preface and the wait for a permit together.
    pub(super) handshake_timeout: Duration,
    pub(super) shutdown: Shutdown,
    /// The connections' tasks.
    pub(super) tasks: TaskTracker,
    pub(super) metrics: Metrics,
}

impl Acceptor {
    /// Accepts connections, and calls `serve` with each that completes its handshake.
    pub(super) async fn accept<F: Future<Output = ()> + Send + 'static>(
        &self,
        serve: impl Fn(Accepted) -> F + Clone + Send + Sync + 'static,
    ) {
        loop {
            let (stream, peer) = match self.listener.accept().await {
                Ok(connection) => connection,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                    continue;
                }
            };
            // Small responses are sent without delay. A failure only makes them slower.
            let _ = stream.set_nodelay(true);
            let (pending, tls, time_limit) =
                (self.table.accepted(peer), self.tls.acceptor(), self.handshake_timeout);
            let (serve, shutdown, metrics) = (serve.clone(), self.shutdown.clone(), self.metrics.clone());
            metrics.connections().accepted.fetch_add(1, Ordering::Relaxed);
            self.tasks.spawn(async move {
                let accepted = tokio::select! {
                    accepted = handshake(stream, pending, tls, time_limit, &metrics) => accepted,
                    () = shutdown.draining() => None,
                };
                if let Some(accepted) = accepted {
                    serve(accepted).await;
                }
            });
        }
    }
}

/// Takes a connection through its handshake and the wait for a permit; `None` if it failed.
async fn handshake(
    stream: TcpStream,
    pending: Pending,
    tls: Option<TlsAcceptor>,
    time_limit: Duration,
    metrics: &Metrics,
) -> Option<Accepted> {
    let peer = pending.peer();
    let failed = |why| metrics.connections().failed(why);
    let handshake = timeout(time_limit, async {
        let opened = async {
            let (transport, first) = open(stream, tls).await?;
            Ok(Accepted { transport, first, permit: pending.acquire().await })
        };
        tokio::select! {
            biased;
            () = pending.evicted() => Err(None),
            accepted = opened => accepted.map_err(Some),
        }
    });
    match handshake.await {
        Ok(Ok(accepted)) => Some(accepted),
        // Port probes are not worth more than DEBUG.
        Ok(Err(Some(why @ (HandshakeError::Closed | HandshakeError::Failed(_))))) => {
            failed(if matches!(why, HandshakeError::Closed) {
                HandshakeFailure::Closed
            } else {
                HandshakeFailure::Failed
            });
            tracing::debug!(%peer, %why, "a connection ended before its first request");
            None
        }
        Ok(Err(Some(why @ HandshakeError::NotHttp2(_)))) => {
            failed(HandshakeFailure::NotHttp2);
            tracing::info!(%peer, %why, "a connection ended before its first request");
            None
        }
        Ok(Err(None)) => {
            failed(HandshakeFailure::Evicted);
            tracing::warn!(%peer, "a connection was closed before its first request: too many connections are in their handshake");
            None
        }
        Err(_) => {
            failed(HandshakeFailure::TimedOut);
            tracing::warn!(
                %peer,
                timeout_ms = time_limit.as_millis(),
                "a connection was closed before its first request: timeout of the TLS handshake, the HTTP/2 preface or the wait for a free connection"
            );
            None
        }
    }
}

async fn open(mut stream: TcpStream, tls: Option<TlsAcceptor>) -> Result<(Transport, Bytes), HandshakeError> {
    let Some(tls) = tls else {
        let first = preface(&mut stream, NO_TLS).await?;
        return Ok((Transport::Plain(stream), first));
    };
    let mut byte = [0; 1];
    if stream.peek(&mut byte).await? == 0 {
        return Err(HandshakeError::Closed);
    }
    // HTTP/2 without TLS gets a TLS alert; HTTP/1 gets a readable response.
    if byte[0].is_ascii_uppercase() && byte[0] != PREFACE[0] {
        return Err(refuse(&mut stream, TLS_ONLY).await);
    }
    let mut stream = match tls.accept(stream).into_fallible().await {
        Ok(stream) => stream,
        Err((error, mut stream)) => {
            // The TLS alert with the reason has been sent.
            let _ = close(&mut stream).await;
            return Err(HandshakeError::Failed(error));
        }
    };
    let first = preface(&mut stream, ONLY_HTTP2).await?;
    Ok((Transport::Tls(Box::new(stream)), first))
}

/// Reads the HTTP/2 preface; answers anything else with a readable HTTP/1.1 response.
async fn preface(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    to_tls: &'static str,
) -> Result<Bytes, HandshakeError> {
    let mut first = BytesMut::with_capacity(PREFACE.len());
    while first.len() < PREFACE.len() {
        let mut rest = (&mut *stream).take((PREFACE.len() - first.len()) as u64);
        if rest.read_buf(&mut first).await? == 0 {
            return Err(HandshakeError::Closed);
        }
        if !PREFACE.starts_with(&first) {
            let why = if first[0] == TLS_HANDSHAKE { to_tls } else { ONLY_HTTP2 };
            return Err(refuse(stream, why).await);
        }
    }
    Ok(first.freeze())
}

/// Sends a 400 response over HTTP/1.1, and closes the connection.
async fn refuse(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), why: &'static str) -> HandshakeError {
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{why}\n",
        why.len() + 1
    );
    let written = async {
        stream.write_all(answer.as_bytes()).await?;
        close(stream).await
    };
    match written.await {
        Ok(()) => HandshakeError::NotHttp2(why),
        Err(error) => HandshakeError::Failed(error),
    }
}

/// Closes a stream gracefully. Up to 256 KiB that the client still sends are read and discarded: closing a socket with
/// unread bytes resets the connection, and the reset can overtake the last response.
async fn close(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = [0; 4_096];
    for _ in 0..64 {
        if stream.read(&mut rest).await? == 0 {
            break;
        }
    }
    Ok(())
}
