//! A backend that a test controls, a server over it, and clients of it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use prism_contract::keyvalue::request::{
    DeleteRequest, DescribeRequest, GetRequest, ItemInput, PutRequest, ScanRequest,
};
use prism_contract::keyvalue::{
    Delete, EntryPage, Get, ItemPage, KeyValueBackend, Memory, Put, PutResult, Scan,
};
use prism_contract::timeseries::{self, Policy, TimeSeriesBackend};
use prism_contract::{Error, Lifecycle, Timestamp, forward};
use prism_proxy::catalog::Definitions;
use prism_proxy::config::{Abstraction, NamespaceRule, Namespaces, Rule};
use prism_proxy::server::{Options, RunError, Services, Shutdown, run};
use prism_wire::channel::CallError;
use prism_wire::clock::ManualClock;
use prism_wire::keyvalue::Client;
use prism_wire::status::Decoded;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

use crate::schema::requests::TIMESERIES;

/// The behaviour of a controlled backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Works as the reference backend.
    Works,
    /// Blocks until the mode changes, then follows the new mode.
    Hangs,
    /// Panics.
    Panics,
    /// Fails with UNAVAILABLE, with a cause that no client may see.
    Unavailable,
    /// Works, but Puts and Deletes fail with UNAVAILABLE.
    WritesFail,
    /// Works, but its check never completes.
    Busy,
}

/// The cause of an outage, which must not reach a client.
pub(crate) const CAUSE: &str = "connection to 10.9.8.7 refused";

/// The reference backend under the control of a test.
pub(crate) struct Steered {
    memory: Memory,
    mode: watch::Sender<Mode>,
    /// Calls being executed.
    inside: AtomicUsize,
    /// Calls received.
    calls: AtomicUsize,
    pub(crate) closed: AtomicUsize,
    pub(crate) swept: Mutex<Vec<Timestamp>>,
}

impl Steered {
    pub(crate) fn new(mode: Mode) -> Arc<Self> {
        Arc::new(Self {
            memory: Memory::default(),
            mode: watch::Sender::new(mode),
            inside: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            closed: AtomicUsize::new(0),
            swept: Mutex::default(),
        })
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    pub(crate) fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    async fn pass(&self) -> Result<(), Error> {
        struct Inside<'a>(&'a AtomicUsize);
        impl Drop for Inside<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.inside.fetch_add(1, Ordering::SeqCst);
        let _inside = Inside(&self.inside);
        let mut modes = self.mode.subscribe();
        let mode = *modes.wait_for(|mode| *mode != Mode::Hangs).await.expect("the backend has the sender");
        match mode {
            Mode::Works | Mode::Hangs | Mode::WritesFail | Mode::Busy => {
                // Calls overlap, as they do at a database.
                tokio::task::yield_now().await;
                Ok(())
            }
            Mode::Panics => panic!("as the test asked"),
            Mode::Unavailable => Err(Error::unavailable(CAUSE)),
        }
    }

    async fn pass_write(&self) -> Result<(), Error> {
        self.pass().await?;
        if *self.mode.borrow() == Mode::WritesFail { Err(Error::unavailable(CAUSE)) } else { Ok(()) }
    }
}

#[async_trait::async_trait]
impl Lifecycle for Steered {
    async fn check(&self) -> Result<(), Error> {
        let mode = *self.mode.borrow();
        match mode {
            Mode::Works | Mode::Hangs | Mode::WritesFail => Ok(()),
            Mode::Busy => std::future::pending().await,
            Mode::Panics => panic!("as the test asked"),
            Mode::Unavailable => Err(Error::unavailable(CAUSE)),
        }
    }

    async fn sweep(&self, now: Timestamp) -> Result<prism_contract::Swept, Error> {
        self.swept.lock().unwrap().push(now);
        self.memory.sweep(now).await
    }

    async fn close(&self) {
        self.closed.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl KeyValueBackend for Steered {
    forward!(KeyValueBackend: self => self.memory, [capabilities]);

    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error> {
        self.pass_write().await?;
        self.memory.put(put).await
    }

    async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        self.pass().await?;
        self.memory.get(get).await
    }

    async fn delete(&self, delete: Delete) -> Result<u64, Error> {
        self.pass_write().await?;
        self.memory.delete(delete).await
    }

    async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
        self.pass().await?;
        self.memory.scan(scan).await
    }
}

/// A rule for this namespace, or prefix and `*`, with the policy of TimeSeries.
pub(crate) fn timeseries_rule(name: &str, policy: Policy) -> Rule {
    let namespaces = match name.strip_suffix('*') {
        Some(prefix) => NamespaceRule::Prefix(prefix.to_owned()),
        None => NamespaceRule::Exactly(name.to_owned()),
    };
    Rule { abstraction: Abstraction::TimeSeries(policy), ..Rule::new(namespaces) }
}

/// One store with a backend for each abstraction, and these rules.
pub(crate) fn with_rules(
    keyvalue: Arc<Steered>,
    timeseries: Arc<dyn TimeSeriesBackend>,
    rules: Vec<Rule>,
) -> Services {
    let mut services = Services::from(keyvalue);
    let store = &mut services.stores[0];
    store.timeseries = Some(timeseries);
    let timeseries = store.timeseries.clone();
    let namespaces = Namespaces { rules, ..Namespaces::default() };
    let definitions = Definitions::of(&namespaces, std::slice::from_ref(&store.name));
    services.catalog.change(|snapshot| snapshot.with_rules(definitions).with_timeseries([timeseries]));
    services
}

/// Both abstractions with a control plane. The namespace of the schema's TimeSeries requests is one; others are KeyValue.
pub(crate) fn with_both(keyvalue: Arc<Steered>) -> Services {
    let rule = timeseries_rule(TIMESERIES, Policy::default());
    let services = with_rules(keyvalue, Arc::new(timeseries::Memory::default()), vec![rule]);
    Services { definitions: Some(0), ..services }
}

/// A server that is stopped with its test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: Shutdown,
    pub(crate) clock: ManualClock,
    pub(crate) running: JoinHandle<Result<(), RunError>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.abort();
        self.running.abort();
    }
}

impl Server {
    pub(crate) async fn start(backend: Arc<Steered>) -> Self {
        Self::start_with(backend, |_| {}).await
    }

    pub(crate) async fn start_with(
        backend: impl Into<Services> + Send + 'static,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let clock = ManualClock::new(Timestamp::from_micros(1_000_000).unwrap());
        let mut options = Options { clock: Arc::new(clock.clone()), ..Options::default() };
        change(&mut options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let running = tokio::spawn(run(backend.into(), listener, shutdown.clone(), options));
        Self { address, shutdown, clock, running }
    }

    pub(crate) fn options(&self) -> prism_wire::channel::Options {
        prism_wire::channel::Options::new(self.address.to_string())
    }

    pub(crate) async fn channel(&self) -> Channel {
        self.options().endpoint().unwrap().connect().await.unwrap()
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.options()).await.unwrap()
    }

    pub(crate) async fn timeseries(&self) -> prism_wire::timeseries::Client {
        prism_wire::timeseries::Client::connect(&self.options()).await.unwrap()
    }

    pub(crate) async fn timeseries_with_token(&self, token: &str) -> prism_wire::timeseries::Client {
        let options = prism_wire::channel::Options { token: Some(token.to_owned()), ..self.options() };
        prism_wire::timeseries::Client::connect(&options).await.unwrap()
    }

    pub(crate) async fn client_with_token(&self, token: &str) -> Client {
        let options = prism_wire::channel::Options { token: Some(token.to_owned()), ..self.options() };
        Client::connect(&options).await.unwrap()
    }
}

/// Waits until `holds`, and fails the test if it does not within ten seconds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

pub(crate) fn refusal<T: std::fmt::Debug>(answer: Result<T, CallError>) -> Decoded {
    answer.expect_err("the call succeeded").status().expect("a status").clone()
}

pub(crate) fn item(key: impl Into<Bytes>, value: impl Into<Bytes>) -> ItemInput {
    ItemInput { key: key.into(), value: value.into(), ..ItemInput::default() }
}

pub(crate) fn put(items: Vec<ItemInput>) -> PutRequest {
    PutRequest { namespace: "n".to_owned(), id: "i".to_owned(), items, ..PutRequest::default() }
}

pub(crate) fn get() -> GetRequest {
    GetRequest { namespace: "n".to_owned(), id: "i".to_owned(), ..GetRequest::default() }
}

pub(crate) fn delete() -> DeleteRequest {
    DeleteRequest { namespace: "n".to_owned(), id: "i".to_owned(), ..DeleteRequest::default() }
}

pub(crate) fn scan() -> ScanRequest {
    ScanRequest { namespace: "n".to_owned(), ..ScanRequest::default() }
}

pub(crate) fn describe() -> DescribeRequest {
    DescribeRequest { namespace: "n".to_owned() }
}
