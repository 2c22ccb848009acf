//! Stores for the tests of random cases and scenarios: the reference backend with durable data, the same on a running
//! clock, and with a fault.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use prism_conformance::keyvalue::{Ctx, InProcess, KeyValue, Store};
use prism_conformance::{Abilities, Ability, Budget, Failure, Harness, Instance, Mode, OpenError, Restart};
use prism_contract::keyvalue::request::{
    DeleteRequest, DeleteResponse, DescribeRequest, DescribeResponse, GetRequest, GetResponse, PutRequest,
    PutResponse, ScanRequest, ScanResponse,
};
use prism_contract::keyvalue::{Capabilities, KeyValueBackend, Memory, Put, PutResult};
use prism_contract::{Error, Lifecycle, Namespace, forward};

/// The reference backend on memory that outlives it, with a fault in its Puts.
pub(crate) struct Shared<F> {
    memory: Arc<Memory>,
    capabilities: Capabilities,
    fault: F,
}

/// A change to a Put, as a fault would make it.
pub(crate) type Fault = fn(Put) -> Put;

impl Lifecycle for Shared<Fault> {
    forward!(Lifecycle: self => self.memory, [check, sweep, close]);
}

#[async_trait]
impl KeyValueBackend for Shared<Fault> {
    forward!(KeyValueBackend: self => self.memory, [get, delete, scan]);

    fn capabilities(&self, _: &Namespace) -> Capabilities {
        self.capabilities
    }

    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error> {
        self.memory.put((self.fault)(put)).await
    }
}

pub(crate) type MemoryHarness = InProcess<Memory, Shared<Fault>>;

/// The reference backend; its data survives a restart.
pub(crate) fn memory() -> MemoryHarness {
    faulty("memory", |put| put)
}

/// The reference backend without content types.
pub(crate) fn forgetting_content_types() -> MemoryHarness {
    faulty("forgetting", |mut put| {
        put.items.iter_mut().for_each(|item| item.content_type.clear());
        put
    })
}

/// The reference backend with a fault.
pub(crate) fn faulty(name: &str, fault: Fault) -> MemoryHarness {
    flawed(name, Capabilities::ALL, fault)
}

/// The reference backend with these capabilities.
pub(crate) fn declaring(capabilities: Capabilities) -> MemoryHarness {
    flawed("declaring", capabilities, |put| put)
}

fn flawed(name: &str, capabilities: Capabilities, fault: Fault) -> MemoryHarness {
    let location = || Ok(Memory::default());
    let open = move |memory: Arc<Memory>| async move { Ok(Shared { memory, capabilities, fault }) };
    InProcess::durable(name, location, open).with_capabilities(capabilities)
}

/// A context on a fresh store of `harness`.
pub(crate) async fn ctx(harness: &dyn Harness<KeyValue>) -> Ctx {
    let instance = harness.open().await.unwrap();
    Ctx::new(instance, "test".to_owned(), Mode::InProcess, Budget::Quick, 1)
        .offering(harness.capabilities(), harness.abilities())
}

/// A harness whose clock moves a little with every request, as a real one does, and whose tick is short.
pub(crate) struct RunningClock(MemoryHarness);

impl RunningClock {
    pub(crate) fn over(harness: MemoryHarness) -> Self {
        Self(harness)
    }
}

#[async_trait]
impl Harness<KeyValue> for RunningClock {
    fn name(&self) -> &'static str {
        "running"
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn abilities(&self) -> Abilities {
        self.0.abilities().without(Ability::ManualClock)
    }

    async fn open(&self) -> Result<Box<dyn Instance<KeyValue>>, OpenError> {
        Ok(Box::new(Running(Arc::from(self.0.open().await?))))
    }
}

struct Running(Arc<dyn Instance<KeyValue>>);

#[async_trait]
impl Instance<KeyValue> for Running {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(Advancing { store: self.0.store(), instance: Arc::clone(&self.0) })
    }

    fn tick(&self) -> Duration {
        Duration::from_millis(20)
    }

    async fn advance(&self, by: Duration) {
        self.0.advance(by + Duration::from_micros(130)).await;
    }

    async fn sweep(&self) -> Result<(), Failure> {
        self.0.sweep().await
    }

    async fn restart(&self, how: Restart) -> Result<(), OpenError> {
        self.0.restart(how).await
    }
}

/// A store whose clock advances before every call.
struct Advancing {
    store: Arc<dyn Store>,
    instance: Arc<dyn Instance<KeyValue>>,
}

impl Advancing {
    async fn advanced(&self) -> &dyn Store {
        self.instance.advance(Duration::from_micros(370)).await;
        &*self.store
    }
}

#[async_trait]
impl Store for Advancing {
    async fn put(&self, request: PutRequest) -> Result<PutResponse, Failure> {
        self.advanced().await.put(request).await
    }

    async fn get(&self, request: GetRequest) -> Result<GetResponse, Failure> {
        self.advanced().await.get(request).await
    }

    async fn delete(&self, request: DeleteRequest) -> Result<DeleteResponse, Failure> {
        self.advanced().await.delete(request).await
    }

    async fn scan(
        &self,
        request: ScanRequest,
        messages: Option<usize>,
    ) -> Result<Vec<ScanResponse>, Failure> {
        self.advanced().await.scan(request, messages).await
    }

    async fn describe(&self, request: DescribeRequest) -> Result<DescribeResponse, Failure> {
        self.advanced().await.describe(request).await
    }
}
