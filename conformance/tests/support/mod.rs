//! Stores for the tests of random cases and scenarios: the reference backend that outlives its restarts, the same on a
//! clock that runs, and one with a fault.

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

/// The reference backend in a place that outlives it, with one change to what it is asked or answers.
pub(crate) struct Shared<F> {
    memory: Arc<Memory>,
    claims: Capabilities,
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
        self.claims
    }

    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error> {
        self.memory.put((self.fault)(put)).await
    }
}

pub(crate) type MemoryHarness = InProcess<Memory, Shared<Fault>>;

/// The reference backend; a restart finds what was there.
pub(crate) fn memory() -> MemoryHarness {
    faulty("memory", |put| put)
}

/// One that writes no content type.
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

/// The reference backend, claiming no more than this.
pub(crate) fn claiming(claims: Capabilities) -> MemoryHarness {
    flawed("claiming", claims, |put| put)
}

fn flawed(name: &str, claims: Capabilities, fault: Fault) -> MemoryHarness {
    let place = || Ok(Memory::default());
    let open = move |memory: Arc<Memory>| async move { Ok(Shared { memory, claims, fault }) };
    InProcess::durable(name, place, open).claiming(claims)
}

/// A view of a fresh store of `harness`.
pub(crate) async fn ctx(harness: &dyn Harness<KeyValue>) -> Ctx {
    let instance = harness.open().await.unwrap();
    Ctx::new(instance, "test".to_owned(), Mode::InProcess, Budget::Quick, 1)
        .offering(harness.claims(), harness.abilities())
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

    fn claims(&self) -> Capabilities {
        self.0.claims()
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
        Arc::new(Moving { store: self.0.store(), instance: Arc::clone(&self.0) })
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

/// A store before whose every answer time passes.
struct Moving {
    store: Arc<dyn Store>,
    instance: Arc<dyn Instance<KeyValue>>,
}

impl Moving {
    async fn later(&self) -> &dyn Store {
        self.instance.advance(Duration::from_micros(370)).await;
        &*self.store
    }
}

#[async_trait]
impl Store for Moving {
    async fn put(&self, request: PutRequest) -> Result<PutResponse, Failure> {
        self.later().await.put(request).await
    }

    async fn get(&self, request: GetRequest) -> Result<GetResponse, Failure> {
        self.later().await.get(request).await
    }

    async fn delete(&self, request: DeleteRequest) -> Result<DeleteResponse, Failure> {
        self.later().await.delete(request).await
    }

    async fn scan(
        &self,
        request: ScanRequest,
        messages: Option<usize>,
    ) -> Result<Vec<ScanResponse>, Failure> {
        self.later().await.scan(request, messages).await
    }

    async fn describe(&self, request: DescribeRequest) -> Result<DescribeResponse, Failure> {
        self.later().await.describe(request).await
    }
}
