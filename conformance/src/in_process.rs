//! Backends in this process: the contract's own edge and a manual clock before a [`KeyValueBackend`].

use std::future::Future;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use prism_contract::keyvalue::request::{
    DeleteRequest, DeleteResponse, DescribeRequest, DescribeResponse, GetRequest, GetResponse, PutRequest,
    PutResponse, ScanRequest, ScanResponse,
};
use prism_contract::keyvalue::{Capabilities, Edge, KeyValueBackend};

use crate::{
    Abilities, Ability, Case, Failure, Harness, Instance, ManualClock, Need, OpenError, Restart, Store,
};

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
/// Asks a backend whether its database's settings are the durable ones, and what they are.
type Settings<B> = Arc<dyn Fn(Arc<B>) -> Opened<(bool, String)> + Send + Sync>;
/// Says more about the target.
pub(crate) type Details =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Vec<(String, String)>> + Send>> + Send + Sync>;

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
    settings: Option<Settings<B>>,
    gateways: usize,
    left_out: Option<String>,
    details: Option<Details>,
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
            settings: None,
            gateways: 1,
            left_out: None,
            details: None,
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
            settings: None,
            gateways: 1,
            left_out: None,
            details: None,
        }
    }

    /// The same backend with these claims.
    #[must_use]
    pub fn claiming(mut self, claims: Capabilities) -> Self {
        self.claims = claims;
        self
    }

    /// The same backend, none of whose cases runs, for this reason if there is one (see [`Harness::left_out`]).
    #[must_use]
    pub fn leaving_out(mut self, reason: Option<String>) -> Self {
        self.left_out = reason;
        self
    }

    /// The same backend, with more to say about it in reports (see [`Harness::details`]).
    #[must_use]
    pub fn with_details<F, O>(mut self, details: F) -> Self
    where
        F: Fn() -> O + Send + Sync + 'static,
        O: Future<Output = Vec<(String, String)>> + Send + 'static,
    {
        self.details = Some(Arc::new(move || Box::pin(details())));
        self
    }

    /// The same backend, opened so often at once in one place for the cases about several gateways on one database (LIN-1,
    /// PAGE-6).
    #[must_use]
    pub fn with_gateways(mut self, gateways: NonZero<usize>) -> Self {
        self.gateways = gateways.get();
        self
    }

    /// The same backend, whose database is asked by `settings` whether its own settings are the durable ones, and what
    /// they are in words (DUR-4).
    #[must_use]
    pub fn with_settings<F, O>(mut self, settings: F) -> Self
    where
        F: Fn(Arc<B>) -> O + Send + Sync + 'static,
        O: Future<Output = Result<(bool, String), OpenError>> + Send + 'static,
    {
        self.settings = Some(Arc::new(move |backend| Box::pin(settings(backend))));
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
        let always = if self.settings.is_some() { always.with(Ability::Settings) } else { always };
        let always = if self.gateways > 1 { always.with(Ability::Gateways) } else { always };
        if self.reopens { always.with(Ability::Restart).with(Ability::Crash) } else { always }
    }

    fn left_out(&self) -> Option<String> {
        self.left_out.clone()
    }

    async fn details(&self) -> Vec<(String, String)> {
        match &self.details {
            Some(details) => details().await,
            None => Vec::new(),
        }
    }

    async fn open(&self) -> Result<Box<dyn Instance>, OpenError> {
        self.open_with(1).await
    }

    async fn open_for(&self, case: &Case) -> Result<Box<dyn Instance>, OpenError> {
        let several = case.needs.contains(&Need::Ability(Ability::Gateways));
        self.open_with(if several { self.gateways } else { 1 }).await
    }
}

impl<S: Send + Sync + 'static, B: KeyValueBackend> InProcess<S, B> {
    async fn open_with(&self, gateways: usize) -> Result<Box<dyn Instance>, OpenError> {
        let (place, open) = (Arc::new((self.place)()?), Arc::clone(&self.open));
        let backends = Mutex::new(open_all(&open, &place, gateways).await?);
        Ok(Box::new(Opening {
            clock: Arc::default(),
            backends,
            place,
            open,
            settings: self.settings.clone(),
        }))
    }
}

/// One after the other, since the first may have to set the place up.
async fn open_all<S, B>(
    open: &Open<S, B>,
    place: &Arc<S>,
    gateways: usize,
) -> Result<Vec<Arc<B>>, OpenError> {
    let mut backends = Vec::with_capacity(gateways);
    for _ in 0..gateways {
        backends.push(Arc::new(open(Arc::clone(place)).await?));
    }
    Ok(backends)
}

/// Backends opened in one place. A crash drops them without closing them.
struct Opening<S, B> {
    clock: Arc<ManualClock>,
    // Dropped before the place they live in. Empty only while a restart is under way.
    backends: Mutex<Vec<Arc<B>>>,
    place: Arc<S>,
    open: Open<S, B>,
    settings: Option<Settings<B>>,
}

impl<S, B> Opening<S, B> {
    fn backends(&self) -> MutexGuard<'_, Vec<Arc<B>>> {
        self.backends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn backend(&self) -> Arc<B> {
        let backends = self.backends();
        Arc::clone(backends.first().expect("a backend is open except while a restart is under way"))
    }
}

#[async_trait]
impl<S: Send + Sync + 'static, B: KeyValueBackend> Instance for Opening<S, B> {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(EdgeStore::new(self.backend(), Arc::clone(&self.clock)))
    }

    fn gateways(&self) -> Vec<Arc<dyn Store>> {
        let gateway = |backend: &Arc<B>| EdgeStore::new(Arc::clone(backend) as _, Arc::clone(&self.clock));
        self.backends().iter().map(|backend| Arc::new(gateway(backend)) as Arc<dyn Store>).collect()
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
        let old = std::mem::take(&mut *self.backends());
        let gateways = old.len();
        if how == Restart::Clean {
            for backend in &old {
                backend.close().await;
            }
        }
        drop(old);
        let new = open_all(&self.open, &self.place, gateways).await?;
        *self.backends() = new;
        Ok(())
    }

    async fn durable_settings(&self) -> Result<(bool, String), OpenError> {
        match &self.settings {
            Some(ask) => ask(self.backend()).await,
            None => Err(OpenError::new("this harness was not told how to ask for the database's settings")),
        }
    }
}
