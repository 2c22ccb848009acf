//! Servers to run the suite against: a sound one, one that stores nothing, one that hangs, and some that are not gRPC
//! servers.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::stream::BoxStream;
use prism_conformance::keyvalue::{EdgeStore, KeyValue, Store};
use prism_conformance::wire::Server;
use prism_conformance::{Failure, ManualClock};
use prism_contract::keyvalue::CONTRACT_VERSION;
use prism_contract::keyvalue::request::{
    DeleteRequest, DeleteResponse, DescribeRequest, DescribeResponse, GetRequest, GetResponse, PutRequest,
    PutResponse, ScanRequest, ScanResponse,
};
use prism_contract::keyvalue::{Capabilities, Limits, Memory, PutResult};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Serves `store` until the returned server is dropped.
pub(crate) async fn serve(store: impl Store + 'static) -> Server {
    Server::start::<KeyValue>(Arc::new(store)).await.expect("the server starts")
}

/// The reference backend on the real clock.
pub(crate) struct Sound {
    store: EdgeStore,
    clock: Arc<ManualClock>,
    /// When the clock was last set.
    set: Mutex<Instant>,
}

impl Sound {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        let store = EdgeStore::new(Arc::new(Memory::default()), Arc::clone(&clock));
        Self { store, clock, set: Mutex::new(Instant::now()) }
    }

    /// The store, with its clock set to the current time.
    fn now(&self) -> &EdgeStore {
        let mut set = self.set.lock().unwrap();
        // Whole microseconds, so that no fraction of one is lost.
        let passed = Duration::from_micros(u64::try_from(set.elapsed().as_micros()).unwrap());
        self.clock.advance(passed);
        *set += passed;
        &self.store
    }
}

#[async_trait]
impl Store for Sound {
    async fn put(&self, request: PutRequest) -> Result<PutResponse, Failure> {
        self.now().put(request).await
    }

    async fn get(&self, request: GetRequest) -> Result<GetResponse, Failure> {
        self.now().get(request).await
    }

    async fn delete(&self, request: DeleteRequest) -> Result<DeleteResponse, Failure> {
        self.now().delete(request).await
    }

    async fn scan(
        &self,
        request: ScanRequest,
        messages: Option<usize>,
    ) -> Result<Vec<ScanResponse>, Failure> {
        self.now().scan(request, messages).await
    }

    async fn scan_messages(
        &self,
        request: ScanRequest,
    ) -> Result<BoxStream<'static, Result<ScanResponse, Failure>>, Failure> {
        self.now().scan_messages(request).await
    }

    async fn describe(&self, request: DescribeRequest) -> Result<DescribeResponse, Failure> {
        self.now().describe(request).await
    }
}

/// Acknowledges everything and stores nothing.
pub(crate) struct Discarding;

#[async_trait]
impl Store for Discarding {
    async fn put(&self, request: PutRequest) -> Result<PutResponse, Failure> {
        let results = request.items.iter().map(|_| PutResult { applied: true, version: 1 }).collect();
        Ok(PutResponse { results })
    }

    async fn get(&self, _: GetRequest) -> Result<GetResponse, Failure> {
        Ok(GetResponse::default())
    }

    async fn delete(&self, _: DeleteRequest) -> Result<DeleteResponse, Failure> {
        Ok(DeleteResponse { deleted_count: 0 })
    }

    async fn scan(&self, _: ScanRequest, _: Option<usize>) -> Result<Vec<ScanResponse>, Failure> {
        Ok(vec![ScanResponse::default()])
    }

    async fn describe(&self, _: DescribeRequest) -> Result<DescribeResponse, Failure> {
        Ok(description())
    }
}

/// Answers Describe, and hangs in every other call.
pub(crate) struct Hanging;

#[async_trait]
impl Store for Hanging {
    async fn put(&self, _: PutRequest) -> Result<PutResponse, Failure> {
        pending().await
    }

    async fn get(&self, _: GetRequest) -> Result<GetResponse, Failure> {
        pending().await
    }

    async fn delete(&self, _: DeleteRequest) -> Result<DeleteResponse, Failure> {
        pending().await
    }

    async fn scan(&self, _: ScanRequest, _: Option<usize>) -> Result<Vec<ScanResponse>, Failure> {
        pending().await
    }

    async fn describe(&self, _: DescribeRequest) -> Result<DescribeResponse, Failure> {
        Ok(description())
    }
}

fn description() -> DescribeResponse {
    DescribeResponse {
        server_version: "test".to_owned(),
        contract_version: CONTRACT_VERSION.to_owned(),
        capabilities: Capabilities::ALL,
        limits: Limits::V1,
    }
}

/// The address of a closed port.
pub(crate) async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Listens, answers each connection's first bytes with `answer` and leaves it open; with `None` it never answers.
pub(crate) async fn raw_server(answer: Option<&'static str>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            if let Some(answer) = answer {
                let mut request = [0; 1_024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
            open.push(stream);
        }
    });
    address
}
