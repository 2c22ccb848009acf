//! The socket below a connection. It fails with the reason if the server sends nothing, or something other than HTTP/2. The
//! framework would wait for ever, or only report that the connection broke.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tonic::codegen::http::Uri;
use tower::{BoxError, Service, ServiceExt};

use super::diagnosis::Diagnosis;
use super::fault::Fault;

/// Connects to the host of a URI and expects HTTP/2, or TLS if not `plaintext`. `connect_timeout` is split between the
/// host's addresses; after the connection, the server has `first_bytes_timeout` to send something. The fault found in the
/// first bytes is recorded in `diagnosis`.
pub(super) fn connector(
    plaintext: bool,
    connect_timeout: Duration,
    first_bytes_timeout: Duration,
    diagnosis: Diagnosis,
) -> impl Service<Uri, Response = TokioIo<Socket>, Error = BoxError, Future: Send> + Send + 'static {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect_timeout));
    tcp.map_err(BoxError::from).map_response(move |stream| {
        let diagnosis = diagnosis.clone();
        let inspector = Some(Inspector { plaintext, until: Box::pin(sleep(first_bytes_timeout)), diagnosis });
        TokioIo::new(Socket { stream: stream.into_inner(), inspector })
    })
}

/// A socket that inspects the first bytes it reads.
pub(super) struct Socket {
    stream: TcpStream,
    /// `None` once the server has sent something.
    inspector: Option<Inspector>,
}

struct Inspector {
    plaintext: bool,
    until: Pin<Box<Sleep>>,
    diagnosis: Diagnosis,
}

impl Inspector {
    /// The fault of a server that sends these first bytes.
    fn inspect(&self, first: &[u8]) -> Result<(), Fault> {
        match first {
            // A TLS alert or handshake record; the first frame of HTTP/2 begins with its length, which is short.
            [0x15 | 0x16, ..] if self.plaintext => Err(Fault::SpeaksTls),
            [b'H', ..] if first.starts_with(b"HTTP/1") => {
                Err(if self.plaintext { Fault::SpeaksHttp1 } else { Fault::SpeaksPlain })
            }
            _ => Ok(()),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, inspector } = self.get_mut();
        let Some(active) = inspector else { return Pin::new(stream).poll_read(cx, buf) };
        let before = buf.filled().len();
        match Pin::new(stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                let verdict = active.inspect(&buf.filled()[before..]);
                active.diagnosis.set_fault(verdict.err());
                *inspector = None;
                Poll::Ready(verdict.map_err(io::Error::other))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                ready!(active.until.as_mut().poll(cx));
                active.diagnosis.set_fault(Some(Fault::Silent));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, Fault::Silent)))
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
