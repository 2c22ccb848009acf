//! Write coalescing: responses made at the same time are sent in one system call.
//!
//! Calls of one connection often complete together: their writes were in one commit, or their reads in one statement. The
//! first response wakes the connection, and the runtime runs it next, before the other responses are made; it would thus
//! send each in a separate system call and packet. If other calls are in flight, the connection therefore yields once to
//! all ready tasks, and then sends everything that has been made.

use std::task::{Context, Poll};

use prism_wire::slots::Slots;

/// Minimum calls in flight for which a connection yields: with fewer there is hardly anything to coalesce.
const MIN_CALLS: usize = 2;

/// Decides when a connection writes.
#[derive(Clone)]
pub(super) struct WriteCoalescing {
    calls: Slots,
    state: State,
}

#[derive(Clone)]
enum State {
    /// It has read, and not written since.
    Read,
    /// It yields to other tasks before it writes.
    Yielding,
    /// It writes until the next read.
    Writing,
}

impl WriteCoalescing {
    /// For a connection of a server with these calls in flight.
    pub(super) fn new(calls: Slots) -> Self {
        Self { calls, state: State::Read }
    }

    /// For a new connection of the same server.
    pub(super) fn for_connection(&self) -> Self {
        Self::new(self.calls.clone())
    }

    /// Called when the connection reads, which HTTP/2 does first whenever it is polled.
    pub(super) fn reads(&mut self) {
        if matches!(self.state, State::Writing) {
            self.state = State::Read;
        }
    }

    /// Ready if the connection may write now; otherwise it is woken after all ready tasks have run.
    pub(super) fn may_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if matches!(self.state, State::Read) && self.calls.taken() >= MIN_CALLS {
            self.state = State::Yielding;
            // A task that wakes itself goes to the back of the runtime's queue.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.state = State::Writing;
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Waker;

    use async_trait::async_trait;
    use bytes::Bytes;
    use futures::future::join_all;
    use futures::stream::{self, StreamExt};
    use prism_contract::keyvalue::request::GetRequest;
    use prism_contract::keyvalue::{Edge, Get, ItemPage, KeyValueBackend, Memory};
    use prism_contract::{Error, Lifecycle, forward};
    use prism_wire::channel::Options;
    use prism_wire::clock::SystemClock;
    use prism_wire::keyvalue::Client;
    use prism_wire::keyvalue::Service;
    use rcgen::generate_simple_self_signed;
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::Barrier;
    use tonic::transport::server::Connected;
    use tonic::transport::{Identity, Server, ServerTlsConfig};
    use tower::ServiceBuilder;

    use super::super::io::Io;
    use super::super::shed;
    use super::*;
    use crate::metrics::Metrics;

    /// A stream that counts its writes, with or without vectored I/O.
    struct Counting(TcpStream, Arc<AtomicUsize>, bool);

    impl Connected for Io<Counting> {
        type ConnectInfo = ();

        fn connect_info(&self) {}
    }

    impl AsyncRead for Counting {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Counting {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.0).poll_write(cx, buf)
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
        }

        fn is_write_vectored(&self) -> bool {
            self.2
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    /// Completes its reads once all of them have arrived.
    struct Together {
        memory: Memory,
        all: Barrier,
    }

    impl Lifecycle for Together {
        forward!(Lifecycle: self => self.memory, [check, sweep, close]);
    }

    #[async_trait]
    impl KeyValueBackend for Together {
        forward!(KeyValueBackend: self => self.memory, [capabilities, put, delete, scan]);

        async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
            self.all.wait().await;
            self.memory.get(get).await
        }
    }

    /// Client options and a server with TLS.
    fn secured(mut client: Options) -> (Options, Server) {
        let certified = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (cert, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
        client.endpoint = format!("https://{}", client.endpoint);
        client.ca = Some(cert.clone().into_bytes());
        client.server_name = Some("localhost".to_owned());
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(cert, key));
        (client, Server::builder().tls_config(tls).unwrap())
    }

    /// Number of writes by the server for `calls` simultaneous responses, after a warm-up round that is not counted.
    async fn writes(calls: usize, tls: bool, vectored: bool) -> usize {
        let written = Arc::new(AtomicUsize::new(0));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Options::new(listener.local_addr().unwrap().to_string());
        let (client, server) = if tls { secured(client) } else { (client, Server::builder()) };
        let slots = Slots::new(100);
        let backend = Together { memory: Memory::default(), all: Barrier::new(calls) };
        let layer = ServiceBuilder::new().layer(shed::layer(&slots, &Arc::default()));
        let counted = Arc::clone(&written);
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let connection = Io::new(
                Counting(stream, counted, vectored),
                Bytes::new(),
                WriteCoalescing::new(slots),
                Metrics::default(),
            );
            let service = Service::new(Edge::new(Arc::new(backend), "0"), SystemClock);
            let router = server.layer(layer.into_inner()).add_service(service.into_server());
            let incoming = stream::iter([Ok::<_, io::Error>(connection)]).chain(stream::pending());
            router.serve_with_incoming(incoming).await
        });
        let client = Client::connect(&client).await.unwrap();
        let get = GetRequest { namespace: "n".to_owned(), id: "r".to_owned(), ..GetRequest::default() };
        let mut before = 0;
        for _ in 0..2 {
            before = written.load(Ordering::Relaxed);
            join_all((0..calls).map(|_| client.get(get.clone()))).await.into_iter().for_each(|answer| {
                assert!(answer.unwrap().items.is_empty());
            });
        }
        server.abort();
        written.load(Ordering::Relaxed) - before
    }

    // One worker, so that the order of tasks depends on the runtime alone.
    #[rstest::rstest]
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn simultaneous_responses_are_sent_together(
        #[values(false, true)] tls: bool,
        #[values(false, true)] vectored: bool,
    ) {
        let written = writes(64, tls, vectored).await;
        assert!(written <= 8, "64 responses took {written} writes");
    }

    #[test]
    fn a_single_response_is_sent_at_once() {
        let mut coalescing = WriteCoalescing::new(Slots::new(1));
        assert!(coalescing.may_write(&mut Context::from_waker(Waker::noop())).is_ready());
    }
}
