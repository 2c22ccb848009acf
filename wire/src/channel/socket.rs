//! The socket below a connection: one on which a server says nothing, or something that is not HTTP/2, is given up with
//! the reason. The framework would wait for ever, or say no more than that the connection broke.

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

/// Connects to the host of a URI; what comes back is read as HTTP/2 if `plain`, and otherwise as TLS. Each of its
/// addresses has a share of `connect_timeout`, and a server that takes the connection `patience` to say its first
/// word. What the first bytes tell is noted in `diagnosis`.
pub(super) fn connector(
    plain: bool,
    connect_timeout: Duration,
    patience: Duration,
    diagnosis: Diagnosis,
) -> impl Service<Uri, Response = TokioIo<Socket>, Error = BoxError, Future: Send> + Send + 'static {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect_timeout));
    tcp.map_err(BoxError::from).map_response(move |stream| {
        let diagnosis = diagnosis.clone();
        let unheard = Some(Unheard { plain, until: Box::pin(sleep(patience)), diagnosis });
        TokioIo::new(Socket { stream: stream.into_inner(), unheard })
    })
}

/// A socket that looks at the first bytes that it reads.
pub(super) struct Socket {
    stream: TcpStream,
    /// `None` once the server said something.
    unheard: Option<Unheard>,
}

struct Unheard {
    plain: bool,
    until: Pin<Box<Sleep>>,
    diagnosis: Diagnosis,
}

impl Unheard {
    /// What is wrong with a server that begins so.
    fn judge(&self, first: &[u8]) -> Result<(), Fault> {
        match first {
            // An alert or a handshake of TLS; the first frame of HTTP/2 begins with its length, which is short.
            [0x15 | 0x16, ..] if self.plain => Err(Fault::SpeaksTls),
            [b'H', ..] if first.starts_with(b"HTTP/1") => {
                Err(if self.plain { Fault::SpeaksHttp1 } else { Fault::SpeaksPlain })
            }
            _ => Ok(()),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, unheard } = self.get_mut();
        let Some(waiting) = unheard else { return Pin::new(stream).poll_read(cx, buf) };
        let before = buf.filled().len();
        match Pin::new(stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                let verdict = waiting.judge(&buf.filled()[before..]);
                waiting.diagnosis.began(verdict.err());
                *unheard = None;
                Poll::Ready(verdict.map_err(io::Error::other))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                ready!(waiting.until.as_mut().poll(cx));
                waiting.diagnosis.began(Some(Fault::Silent));
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
