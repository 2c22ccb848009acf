//! The harness of in-process backends, with a manual clock.

use std::future::Future;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use prism_contract::{Lifecycle, Timestamp};

use super::{
    Abilities, Ability, Abstraction, Case, Failure, Harness, Instance, ManualClock, Need, OpenError, Restart,
};

type Opened<B> = Pin<Box<dyn Future<Output = Result<B, OpenError>> + Send>>;
type Open<S, B> = Arc<dyn Fn(Arc<S>) -> Opened<B> + Send + Sync>;
/// Reads from a backend whether its database's settings are durable, and their text.
type Settings<B> = Arc<dyn Fn(Arc<B>) -> Opened<(bool, String)> + Send + Sync>;
/// Changes the retention of a backend's namespace.
type SetRetention<B> = fn(&B, &str, Duration);
/// Additional target details for reports.
pub(crate) type Details =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Vec<(String, String)>> + Send>> + Send + Sync>;

/// The functions that open a backend in this process and wrap it as its clients see it.
pub struct Opener<A: Abstraction, S, B> {
    /// Makes a fresh storage location, which cleans up on drop.
    pub location: Arc<dyn Fn() -> Result<S, OpenError> + Send + Sync>,
    /// Opens a backend in a storage location.
    pub open: Open<S, B>,
    /// A backend as its clients see it, with this clock.
    pub store: fn(Arc<B>, Arc<ManualClock>) -> Arc<A::Store>,
}

impl<A: Abstraction, S, B> Clone for Opener<A, S, B> {
    fn clone(&self) -> Self {
        Self { location: Arc::clone(&self.location), open: Arc::clone(&self.open), store: self.store }
    }
}

/// The harness of a backend that opens in this process.
pub struct InProcess<A: Abstraction, S, B> {
    name: String,
    capabilities: A::Capabilities,
    reopens: bool,
    opener: Opener<A, S, B>,
    settings: Option<Settings<B>>,
    gateways: usize,
    left_out: Option<String>,
    details: Option<Details>,
    set_retention: Option<SetRetention<B>>,
    has_open_windows: bool,
    start: Option<fn() -> Timestamp>,
}

impl<A: Abstraction, S: Send + Sync + 'static, B: Lifecycle> InProcess<A, S, B> {
    /// A backend with this opener and these capabilities; it keeps no data across a restart.
    pub fn opened(name: impl Into<String>, capabilities: A::Capabilities, opener: Opener<A, S, B>) -> Self {
        Self {
            name: name.into(),
            capabilities,
            reopens: false,
            opener,
            settings: None,
            gateways: 1,
            left_out: None,
            details: None,
            set_retention: None,
            has_open_windows: true,
            start: None,
        }
    }

    /// Marks the backend as durable: after a restart or a crash it reopens its storage location with the same data.
    #[must_use]
    pub fn reopening(mut self) -> Self {
        self.reopens = true;
        self
    }

    /// Marks the namespaces as having the policies that the suite publishes ([`Ability::Policies`]), of which the retention
    /// can be changed ([`Ability::Retention`]).
    #[must_use]
    pub fn with_policies(mut self, set_retention: SetRetention<B>) -> Self {
        self.set_retention = Some(set_retention);
        self
    }

    /// Marks the policies as having bounds on both sides of the acceptance window (no [`Ability::OpenWindows`]).
    #[must_use]
    pub fn with_bounded_windows(mut self) -> Self {
        self.has_open_windows = false;
        self
    }

    /// Sets the time at which the manual clock of an instance starts, for a store that compares times with its own clock.
    #[must_use]
    pub fn starting_at(mut self, start: fn() -> Timestamp) -> Self {
        self.start = Some(start);
        self
    }

    /// Sets the declared capabilities.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: A::Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// Skips all cases, if a reason is given (see [`Harness::left_out`]).
    #[must_use]
    pub fn leaving_out(mut self, reason: Option<String>) -> Self {
        self.left_out = reason;
        self
    }

    /// Adds target details for reports (see [`Harness::details`]).
    #[must_use]
    pub fn with_details<F, O>(mut self, details: F) -> Self
    where
        F: Fn() -> O + Send + Sync + 'static,
        O: Future<Output = Vec<(String, String)>> + Send + 'static,
    {
        self.details = Some(Arc::new(move || Box::pin(details())));
        self
    }

    /// Sets how many times the backend is opened on one storage location, for the cases about several gateways on one
    /// database (LIN-1, PAGE-6).
    #[must_use]
    pub fn with_gateways(mut self, gateways: NonZero<usize>) -> Self {
        self.gateways = gateways.get();
        self
    }

    /// Sets the reader of the database's own settings: whether they are durable, and their text (DUR-4).
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
impl<A: Abstraction, S: Send + Sync + 'static, B: Lifecycle> Harness<A> for InProcess<A, S, B> {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self) -> A::Capabilities {
        self.capabilities
    }

    fn abilities(&self) -> Abilities {
        let always = Abilities::NONE.with(Ability::ManualClock).with(Ability::Sweep);
        let always = if self.settings.is_some() { always.with(Ability::Settings) } else { always };
        let always = if self.gateways > 1 { always.with(Ability::Gateways) } else { always };
        let always = match self.set_retention {
            Some(_) => always.with(Ability::Policies).with(Ability::Retention),
            None => always,
        };
        let has_open = self.set_retention.is_some() && self.has_open_windows;
        let always = if has_open { always.with(Ability::OpenWindows) } else { always };
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

    async fn open(&self) -> Result<Box<dyn Instance<A>>, OpenError> {
        self.open_with(1).await
    }

    async fn open_for(&self, case: &Case<A>) -> Result<Box<dyn Instance<A>>, OpenError> {
        let several = case.needs.contains(&Need::Ability(Ability::Gateways));
        self.open_with(if several { self.gateways } else { 1 }).await
    }
}

impl<A: Abstraction, S: Send + Sync + 'static, B: Lifecycle> InProcess<A, S, B> {
    async fn open_with(&self, gateways: usize) -> Result<Box<dyn Instance<A>>, OpenError> {
        let (location, opener) = (Arc::new((self.opener.location)()?), self.opener.clone());
        let backends = Mutex::new(open_all(&opener.open, &location, gateways).await?);
        Ok(Box::new(OpenInstance {
            clock: Arc::new(self.start.map_or_else(ManualClock::default, |start| ManualClock::new(start()))),
            backends,
            location,
            opener,
            settings: self.settings.clone(),
            set_retention: self.set_retention,
        }))
    }
}

/// Sequentially, since the first may have to initialize the storage location.
async fn open_all<S, B>(
    open: &Open<S, B>,
    location: &Arc<S>,
    gateways: usize,
) -> Result<Vec<Arc<B>>, OpenError> {
    let mut backends = Vec::with_capacity(gateways);
    for _ in 0..gateways {
        backends.push(Arc::new(open(Arc::clone(location)).await?));
    }
    Ok(backends)
}

/// Backends opened on one storage location. A crash drops them without closing them.
struct OpenInstance<A: Abstraction, S, B> {
    clock: Arc<ManualClock>,
    // Dropped before their storage location. Empty only during a restart.
    backends: Mutex<Vec<Arc<B>>>,
    location: Arc<S>,
    opener: Opener<A, S, B>,
    settings: Option<Settings<B>>,
    set_retention: Option<SetRetention<B>>,
}

impl<A: Abstraction, S, B> OpenInstance<A, S, B> {
    fn backends(&self) -> MutexGuard<'_, Vec<Arc<B>>> {
        self.backends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn backend(&self) -> Arc<B> {
        let backends = self.backends();
        Arc::clone(backends.first().expect("a backend is open except during a restart"))
    }
}

#[async_trait]
impl<A: Abstraction, S: Send + Sync + 'static, B: Lifecycle> Instance<A> for OpenInstance<A, S, B> {
    fn store(&self) -> Arc<A::Store> {
        (self.opener.store)(self.backend(), Arc::clone(&self.clock))
    }

    fn gateways(&self) -> Vec<Arc<A::Store>> {
        let gateway = |backend: &Arc<B>| (self.opener.store)(Arc::clone(backend), Arc::clone(&self.clock));
        self.backends().iter().map(gateway).collect()
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
        let new = open_all(&self.opener.open, &self.location, gateways).await?;
        *self.backends() = new;
        Ok(())
    }

    async fn set_retention(&self, namespace: &str, retention: Duration) -> Result<(), OpenError> {
        let set = self.set_retention.ok_or_else(|| OpenError::new("this harness has no policies"))?;
        set(&self.backend(), namespace, retention);
        Ok(())
    }

    async fn durable_settings(&self) -> Result<(bool, String), OpenError> {
        match &self.settings {
            Some(read) => read(self.backend()).await,
            None => {
                Err(OpenError::new("this harness has no reader of the database's settings (with_settings)"))
            }
        }
    }
}
