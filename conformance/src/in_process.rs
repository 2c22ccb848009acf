//! Backends in this process: the contract's own edge and a manual clock before a [`KeyValueBackend`].

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use prism_contract::keyvalue::request::{
    DeleteRequest, DeleteResponse, DescribeRequest, DescribeResponse, GetRequest, GetResponse, PutRequest,
    PutResponse, ScanRequest, ScanResponse,
};
use prism_contract::keyvalue::{Capabilities, Edge, KeyValueBackend};

use crate::{Abilities, Ability, Failure, Harness, Instance, ManualClock, OpenError, Restart, Store};

/// A backend behind the contract's edge, by a manual clock.
pub struct EdgeStore {
    edge: Edge<dyn KeyValueBackend>,
    clock: Arc<ManualClock>,
}

impl EdgeStore {
    /// `backend` as of `clock`.
    pub fn new(backend: Arc<dyn KeyValueBackend>, clock: Arc<ManualClock>) -> Self {
        Self { edge: Edge::new(backend, "in-process"), clock }
    }
}

#[async_trait]
impl Store for EdgeStore {
    async fn put(&self, request: PutRequest) -> Result<PutResponse, Failure> {
        Ok(self.edge.put(self.clock.now(), request).await?)
    }

    async fn get(&self, request: GetRequest) -> Result<GetResponse, Failure> {
        Ok(self.edge.get(self.clock.now(), request).await?)
    }

    async fn delete(&self, request: DeleteRequest) -> Result<DeleteResponse, Failure> {
        Ok(self.edge.delete(self.clock.now(), request).await?)
    }

    async fn scan(
        &self,
        request: ScanRequest,
        messages: Option<usize>,
    ) -> Result<Vec<ScanResponse>, Failure> {
        let mut cursor = self.edge.scan(request)?;
        let mut read = Vec::new();
        while messages != Some(read.len()) {
            let Some(message) = cursor.next(self.clock.now()).await? else { break };
            read.push(message);
        }
        Ok(read)
    }

    async fn scan_messages(
        &self,
        request: ScanRequest,
    ) -> Result<BoxStream<'static, Result<ScanResponse, Failure>>, Failure> {
        let (cursor, clock) = (self.edge.scan(request)?, Arc::clone(&self.clock));
        let messages = stream::try_unfold((cursor, clock), |(mut cursor, clock)| async move {
            let message = cursor.next(clock.now()).await?;
            Ok(message.map(|message| (message, (cursor, clock))))
        });
        Ok(messages.boxed())
    }

    async fn describe(&self, request: DescribeRequest) -> Result<DescribeResponse, Failure> {
        Ok(self.edge.describe(&request)?)
    }
}

type Opened<B> = Pin<Box<dyn Future<Output = Result<B, OpenError>> + Send>>;
type Open<S, B> = Arc<dyn Fn(Arc<S>) -> Opened<B> + Send + Sync>;

/// The harness of a backend that opens in this process: a name, and a closure that makes a backend.
///
/// ```
/// # use prism_conformance::{InProcess, OpenError};
/// # use prism_contract::keyvalue::Memory;
/// let harness = InProcess::new("mine", || async { Ok::<_, OpenError>(Memory::default()) });
/// ```
pub struct InProcess<S, B> {
    name: String,
    claims: Capabilities,
    reopens: bool,
    place: Arc<dyn Fn() -> Result<S, OpenError> + Send + Sync>,
    open: Open<S, B>,
}

impl<B: KeyValueBackend> InProcess<(), B> {
    /// A backend that keeps nothing between two openings; it claims everything unless told otherwise.
    pub fn new<F, O>(name: impl Into<String>, open: F) -> Self
    where
        F: Fn() -> O + Send + Sync + 'static,
        O: Future<Output = Result<B, OpenError>> + Send + 'static,
    {
        Self {
            name: name.into(),
            claims: Capabilities::ALL,
            reopens: false,
            place: Arc::new(|| Ok(())),
            open: Arc::new(move |_| Box::pin(open())),
        }
    }
}

impl<S: Send + Sync + 'static, B: KeyValueBackend> InProcess<S, B> {
    /// A backend that keeps its data in a place: `place` makes a fresh one whose drop cleans up (a temporary folder), and
    /// `open` opens a backend there, again after a restart or a crash.
    pub fn durable<P, F, O>(name: impl Into<String>, place: P, open: F) -> Self
    where
        P: Fn() -> Result<S, OpenError> + Send + Sync + 'static,
        F: Fn(Arc<S>) -> O + Send + Sync + 'static,
        O: Future<Output = Result<B, OpenError>> + Send + 'static,
    {
        Self {
            name: name.into(),
            claims: Capabilities::ALL,
            reopens: true,
            place: Arc::new(place),
            open: Arc::new(move |place| Box::pin(open(place))),
        }
    }

    /// The same backend with these claims.
    #[must_use]
    pub fn claiming(mut self, claims: Capabilities) -> Self {
        self.claims = claims;
        self
    }
}

#[async_trait]
impl<S: Send + Sync + 'static, B: KeyValueBackend> Harness for InProcess<S, B> {
    fn name(&self) -> &str {
        &self.name
    }

    fn claims(&self) -> Capabilities {
        self.claims
    }

    fn abilities(&self) -> Abilities {
        let always = Abilities::NONE.with(Ability::ManualClock).with(Ability::Sweep);
        if self.reopens { always.with(Ability::Restart).with(Ability::Crash) } else { always }
    }

    async fn open(&self) -> Result<Box<dyn Instance>, OpenError> {
        let place = Arc::new((self.place)()?);
        let backend: Arc<dyn KeyValueBackend> = Arc::new((self.open)(Arc::clone(&place)).await?);
        Ok(Box::new(Opening {
            clock: Arc::default(),
            place,
            open: Arc::clone(&self.open),
            backend: Mutex::new(Some(backend)),
        }))
    }
}

/// One opened backend. A crash drops the backend without closing it.
struct Opening<S, B> {
    clock: Arc<ManualClock>,
    // Dropped before the place it lives in.
    backend: Mutex<Option<Arc<dyn KeyValueBackend>>>,
    place: Arc<S>,
    open: Open<S, B>,
}

impl<S, B> Opening<S, B> {
    fn backend(&self) -> Arc<dyn KeyValueBackend> {
        let backend = self.backend.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(backend.as_ref().expect("a backend is open except while a restart is under way"))
    }
}

#[async_trait]
impl<S: Send + Sync + 'static, B: KeyValueBackend> Instance for Opening<S, B> {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(EdgeStore::new(self.backend(), Arc::clone(&self.clock)))
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    async fn sweep(&self) -> Result<(), Failure> {
        let backend = self.backend();
        while backend.sweep(self.clock.now()).await?.more {}
        Ok(())
    }

    async fn restart(&self, how: Restart) -> Result<(), OpenError> {
        let old = self.backend.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Restart::Clean, Some(old)) = (how, &old) {
            old.close().await;
        }
        drop(old);
        let new = (self.open)(Arc::clone(&self.place)).await?;
        *self.backend.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(new));
        Ok(())
    }
}
