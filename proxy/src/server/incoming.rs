//! Connections as they come in: no more than allowed, and each can be cut.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{Stream, stream};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

use super::gather::Gather;

/// How long to wait after a connection could not be accepted, most likely for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// The connections of `listener`, at most `most` at a time. Further ones wait in the system's queue. When `abort` is
/// cancelled, each fails its next read and write, which ends it. Each writes as its own of `gather` says.
pub(super) fn accept(
    listener: TcpListener,
    most: usize,
    abort: CancellationToken,
    gather: impl Fn() -> Gather,
) -> impl Stream<Item = io::Result<Connection>> {
    let room = Arc::new(Semaphore::new(most));
    stream::unfold((listener, room, abort, gather), |(listener, room, abort, gather)| async move {
        let permit = Arc::clone(&room).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // Small answers should not wait for more to say. Failing this makes them slower and no more.
                    let _ = stream.set_nodelay(true);
                    let connection = Connection::new(stream, &abort, gather(), permit);
                    return Some((Ok(connection), (listener, room, abort, gather)));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    })
}

/// A connection that can be cut.
pub(super) struct Connection<S = TcpStream> {
    stream: S,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    gather: Gather,
    _permit: OwnedSemaphorePermit,
}

impl<S> Connection<S> {
    pub(super) fn new(
        stream: S,
        abort: &CancellationToken,
        gather: Gather,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self { stream, cut: Box::pin(abort.clone().cancelled_owned()), gather, _permit: permit }
    }

    fn unless_cut(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server stopped")),
            Poll::Pending => Ok(()),
        }
    }
}

impl<S: Connected> Connected for Connection<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> S::ConnectInfo {
        self.stream.connect_info()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.unless_cut(cx)?;
        self.gather.reads();
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.unless_cut(cx)?;
        ready!(self.gather.may_write(cx));
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.unless_cut(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.unless_cut(cx)?;
        ready!(self.gather.may_write(cx));
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
