//! Connections as they come in: TLS and the beginning of HTTP/2 have their time, and whatever does not speak it is told so.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::task::TaskTracker;

use super::Shutdown;
use super::connection::{Pending, Seat, Table};

/// How long to wait after a connection could not be accepted, most likely for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);
/// What an HTTP/2 client sends first.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const ONLY_HTTP2: &str = "this is a gRPC server, which speaks HTTP/2 only; a client of gRPC, such as grpcurl or prism, can call it";
const NO_TLS: &str = "this port speaks plain text, not TLS; use http://";
const TLS_ONLY: &str = "plain HTTP was sent to an HTTPS server, which speaks TLS; use https://";
/// The first byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// A stream to a client that has begun to speak HTTP/2.
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection that has its place, and what was read from it.
pub(super) struct Begun {
    pub(super) transport: Transport,
    pub(super) first: Bytes,
    pub(super) seat: Seat,
}

/// Why a connection did not come to its first request.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("it said nothing")]
    Silent,
    #[error("it does not speak HTTP/2 and was answered 400: {0}")]
    Foreign(&'static str),
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// Accepts connections for as long as it is polled.
pub(super) struct Acceptor {
    pub(super) listener: TcpListener,
    pub(super) table: Arc<Table>,
    pub(super) tls: Option<TlsAcceptor>,
    /// How long TLS, the beginning of HTTP/2, and the wait for a place may take together.
    pub(super) handshake_timeout: Duration,
    pub(super) shutdown: Shutdown,
    /// The tasks of connections.
    pub(super) tasks: TaskTracker,
}

impl Acceptor {
    /// Accepts connections, and has `serve` serve each that begins to speak HTTP/2.
    pub(super) async fn accept<F: Future<Output = ()> + Send + 'static>(
        &self,
        serve: impl Fn(Begun) -> F + Clone + Send + Sync + 'static,
    ) {
        loop {
            let (stream, peer) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            // Small answers should not wait for more to say. Failing this makes them slower and no more.
            let _ = stream.set_nodelay(true);
            let (pending, tls, patience) =
                (self.table.accepted(peer), self.tls.clone(), self.handshake_timeout);
            let (serve, shutdown) = (serve.clone(), self.shutdown.clone());
            self.tasks.spawn(async move {
                let begun = tokio::select! {
                    begun = begin(stream, pending, tls, patience) => begun,
                    () = shutdown.draining() => None,
                };
                if let Some(begun) = begun {
                    serve(begun).await;
                }
            });
        }
    }
}

/// A connection until it has begun to speak HTTP/2 and has its place; `None`: it came to nothing.
async fn begin(
    stream: TcpStream,
    pending: Pending,
    tls: Option<TlsAcceptor>,
    patience: Duration,
) -> Option<Begun> {
    let peer = pending.peer();
    let beginning = timeout(patience, async {
        let opened = async {
            let (transport, first) = open(stream, tls).await?;
            Ok(Begun { transport, first, seat: pending.seat().await })
        };
        tokio::select! {
            biased;
            () = pending.evicted() => Err(None),
            begun = opened => begun.map_err(Some),
        }
    });
    match beginning.await {
        Ok(Ok(begun)) => Some(begun),
        // What only looks whether the port takes connections is no news.
        Ok(Err(Some(why @ (Ended::Silent | Ended::Failed(_))))) => {
            tracing::debug!(%peer, %why, "a connection ended before its first request");
            None
        }
        Ok(Err(Some(why @ Ended::Foreign(_)))) => {
            tracing::info!(%peer, %why, "a connection ended before its first request");
            None
        }
        Ok(Err(None)) => {
            tracing::warn!(%peer, "a connection was closed before its first request: too many that say nothing");
            None
        }
        Err(_) => {
            tracing::warn!(
                %peer,
                timeout_ms = patience.as_millis(),
                "a connection was closed before its first request: no TLS handshake, no HTTP/2 preface, or no place in time"
            );
            None
        }
    }
}

async fn open(mut stream: TcpStream, tls: Option<TlsAcceptor>) -> Result<(Transport, Bytes), Ended> {
    let Some(tls) = tls else {
        let first = preface(&mut stream, NO_TLS).await?;
        return Ok((Transport::Plain(stream), first));
    };
    let mut byte = [0; 1];
    if stream.peek(&mut byte).await? == 0 {
        return Err(Ended::Silent);
    }
    // Who speaks HTTP/2 without TLS is told so by TLS' own alert; who speaks HTTP/1 can read words.
    if byte[0].is_ascii_uppercase() && byte[0] != PREFACE[0] {
        return Err(refuse(&mut stream, TLS_ONLY).await);
    }
    let mut stream = match tls.accept(stream).into_fallible().await {
        Ok(stream) => stream,
        Err((error, mut stream)) => {
            // The alert that says why was sent.
            let _ = close(&mut stream).await;
            return Err(Ended::Failed(error));
        }
    };
    let first = preface(&mut stream, ONLY_HTTP2).await?;
    Ok((Transport::Tls(Box::new(stream)), first))
}

/// Reads what HTTP/2 begins with; answers anything else in words.
async fn preface(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    to_tls: &'static str,
) -> Result<Bytes, Ended> {
    let mut first = BytesMut::with_capacity(PREFACE.len());
    while first.len() < PREFACE.len() {
        let mut rest = (&mut *stream).take((PREFACE.len() - first.len()) as u64);
        if rest.read_buf(&mut first).await? == 0 {
            return Err(Ended::Silent);
        }
        if !PREFACE.starts_with(&first) {
            let why = if first[0] == TLS_HANDSHAKE { to_tls } else { ONLY_HTTP2 };
            return Err(refuse(stream, why).await);
        }
    }
    Ok(first.freeze())
}

/// Answers as HTTP/1.1, and closes the connection.
async fn refuse(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), why: &'static str) -> Ended {
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{why}\n",
        why.len() + 1
    );
    let written = async {
        stream.write_all(answer.as_bytes()).await?;
        close(stream).await
    };
    match written.await {
        Ok(()) => Ended::Foreign(why),
        Err(error) => Ended::Failed(error),
    }
}

/// Closes a stream in order. Up to 256 KiB that the client still sends are read and dropped: closing a socket with unread bytes
/// resets the connection, and the reset can overtake the last answer.
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
