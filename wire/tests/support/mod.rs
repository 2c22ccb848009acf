//! A server on a separate port, over a backend that a test can observe and control.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prism_contract::keyvalue::request::{ItemInput, PutRequest};
use prism_contract::keyvalue::{Edge, EntryPage, KeyValueBackend, Memory, Scan};
use prism_contract::{Error, Lifecycle, Timestamp, forward};
use prism_wire::channel::Options;
use prism_wire::clock::ManualClock;
use prism_wire::keyvalue::Client;
use prism_wire::keyvalue::Service;
use prism_wire::layer::StatusesLayer;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;

/// The reference backend with a scan counter and injected failures.
#[derive(Default)]
pub(crate) struct Watched {
    /// The data.
    pub(crate) memory: Memory,
    /// Number of pages read.
    pub(crate) scans: AtomicUsize,
    /// Indices of the scans, counted from 0, that fail with UNAVAILABLE.
    pub(crate) unavailable_at: Vec<usize>,
}

impl Lifecycle for Watched {
    forward!(Lifecycle: self => self.memory, [check, sweep, close]);
}

#[async_trait::async_trait]
impl KeyValueBackend for Watched {
    forward!(KeyValueBackend: self => self.memory, [capabilities, put, get, delete]);

    async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
        let number = self.scans.fetch_add(1, Ordering::SeqCst);
        if self.unavailable_at.contains(&number) {
            return Err(Error::unavailable("injected failure"));
        }
        self.memory.scan(scan).await
    }
}

/// Serves `backend` until the test ends, and connects to it.
pub(crate) async fn serve(backend: Arc<Watched>) -> (Client, SocketAddr, ManualClock) {
    let clock = ManualClock::new(Timestamp::from_micros(1_000_000).unwrap());
    let service = Service::new(Edge::new(backend, "9.9.9"), clock.clone()).into_server();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder().layer(StatusesLayer).add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let client = Client::connect(&Options::new(address.to_string())).await.unwrap();
    (client, address, clock)
}

/// A Put of one item into record `id` of namespace `n`.
pub(crate) fn put(id: &str, key: &'static str, value: impl Into<bytes::Bytes>) -> PutRequest {
    PutRequest {
        namespace: "n".to_owned(),
        id: id.to_owned(),
        items: vec![ItemInput { key: key.into(), value: value.into(), ..ItemInput::default() }],
        ..PutRequest::default()
    }
}
