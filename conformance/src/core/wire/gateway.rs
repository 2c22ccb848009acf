//! A custom server as a harness.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{BoxFuture, try_join_all};
use prism_wire::channel::Options;

use super::{CaughtUp, Connection, Ledger, Remote};
use crate::core::in_process::Details;
use crate::core::{
    Abilities, Failure, Harness, Instance, Mode, OpenError, RawCalls, Restart, StatusCode, span,
};

/// A running server and its control operations. Dropping it stops it and cleans up.
#[async_trait]
pub trait Gateway: Send + Sync {
    /// The current listen addresses, as `host:port` or a URL; several, if several gateways serve the same data.
    fn addresses(&self) -> Vec<String>;

    /// The clock tick, the shortest useful time to advance; see [`Instance::tick`].
    fn tick(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// Advances the clock, or waits; see [`Instance::advance`].
    async fn advance(&self, by: Duration);

    /// Removes expired items and tombstones past retention; see [`Instance::sweep`].
    async fn sweep(&self) -> Result<(), Failure> {
        Err(Failure::new(StatusCode::Unimplemented, "this gateway cannot sweep on request"))
    }

    /// Restarts it on the same data, at the same or other addresses; see [`Instance::restart`].
    async fn restart(&self, how: Restart) -> Result<(), OpenError> {
        Err(OpenError::new(format!("this gateway cannot restart ({how})")))
    }

    /// Makes the database unavailable, or available again; see [`Instance::outage`].
    async fn outage(&self, unavailable: bool) -> Result<(), OpenError> {
        let state = if unavailable { "unavailable" } else { "available" };
        Err(OpenError::new(format!("this gateway cannot make its database {state}")))
    }

    /// See [`Instance::set_retention`].
    async fn set_retention(&self, namespace: &str, retention: Duration) -> Result<(), OpenError> {
        let retention = span(retention);
        Err(OpenError::new(format!("this gateway cannot set the retention of {namespace} to {retention}")))
    }

    /// See [`Instance::durable_settings`].
    async fn durable_settings(&self) -> Result<(bool, String), OpenError> {
        Err(OpenError::new("this gateway cannot read the database's settings"))
    }

    /// See [`Instance::resident_bytes`].
    fn resident_bytes(&self) -> Option<u64> {
        None
    }

    /// See [`Instance::log_length`].
    fn log_length(&self) -> Option<u64> {
        None
    }

    /// See [`Instance::log_since`].
    fn log_since(&self, start: u64) -> Option<Vec<u8>> {
        let _ = start;
        None
    }

    /// See [`Instance::log`].
    fn log(&self) -> Option<String> {
        None
    }
}

/// A gateway under test and its connections.
pub(super) struct Connected {
    gateway: Arc<dyn Gateway>,
    options: Options,
    /// Records the writes, if the gateway outlives the run.
    ledger: Option<Arc<Ledger>>,
    /// Whether other cases use the gateway, too.
    is_shared: bool,
    caught_up: CaughtUp,
    connections: Mutex<Vec<Connection>>,
}

impl Connected {
    /// Connects to every address of `gateway`, with the credentials of `options`.
    pub(super) async fn to(gateway: Arc<dyn Gateway>, options: Options) -> Result<Self, OpenError> {
        Self::with_ledger(gateway, options, None).await
    }

    /// The same, with a ledger that records the writes.
    pub(super) async fn with_ledger(
        gateway: Arc<dyn Gateway>,
        options: Options,
        ledger: Option<Arc<Ledger>>,
    ) -> Result<Self, OpenError> {
        let (is_shared, caught_up) = (false, CaughtUp::default());
        let connected =
            Self { gateway, options, ledger, is_shared, caught_up, connections: Mutex::default() };
        connected.reconnect().await?;
        Ok(connected)
    }

    /// The same gateway, whose endless streams show in this way that everything has been sent.
    pub(super) fn with_caught_up(mut self, caught_up: CaughtUp) -> Self {
        self.caught_up = caught_up;
        self
    }

    /// The same gateway, which other cases use, too.
    pub(super) fn shared(self) -> Self {
        Self { is_shared: true, ..self }
    }

    async fn reconnect(&self) -> Result<(), OpenError> {
        let connecting = self.gateway.addresses().into_iter().map(|endpoint| {
            let options = Options { endpoint, ..self.options.clone() };
            async move { self.connection(&options).await }
        });
        let new = try_join_all(connecting).await?;
        *self.connections.lock().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    async fn connection(&self, options: &Options) -> Result<Connection, OpenError> {
        let connection = Connection::open(options).await.map_err(OpenError::new)?;
        Ok(connection.with_ledger(self.ledger.clone()))
    }

    fn connections(&self) -> Vec<Connection> {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner).clone();
        connections.into_iter().map(|connection| connection.with_caught_up(self.caught_up)).collect()
    }

    fn first(&self) -> Connection {
        self.connections().swap_remove(0)
    }
}

#[async_trait]
impl<A: Remote> Instance<A> for Connected {
    fn store(&self) -> Arc<A::Store> {
        A::store(self.first())
    }

    fn gateways(&self) -> Vec<Arc<A::Store>> {
        self.connections().into_iter().map(A::store).collect()
    }

    async fn connect(&self) -> Result<Arc<A::Store>, OpenError> {
        let endpoint = self.gateway.addresses().swap_remove(0);
        let options = Options { endpoint, ..self.options.clone() };
        Ok(A::store(self.connection(&options).await?.with_caught_up(self.caught_up)))
    }

    fn tick(&self) -> Duration {
        self.gateway.tick()
    }

    async fn advance(&self, by: Duration) {
        self.gateway.advance(by).await;
    }

    async fn sweep(&self) -> Result<(), Failure> {
        self.gateway.sweep().await
    }

    async fn restart(&self, how: Restart) -> Result<(), OpenError> {
        self.gateway.restart(how).await?;
        self.reconnect().await
    }

    async fn outage(&self, unavailable: bool) -> Result<(), OpenError> {
        self.gateway.outage(unavailable).await
    }

    async fn set_retention(&self, namespace: &str, retention: Duration) -> Result<(), OpenError> {
        self.gateway.set_retention(namespace, retention).await
    }

    fn raw(&self) -> Option<Arc<dyn RawCalls>> {
        Some(Arc::new(self.first()))
    }

    fn resident_bytes(&self) -> Option<u64> {
        self.gateway.resident_bytes()
    }

    fn log_length(&self) -> Option<u64> {
        self.gateway.log_length()
    }

    fn log_since(&self, start: u64) -> Option<Vec<u8>> {
        self.gateway.log_since(start)
    }

    fn is_shared(&self) -> bool {
        self.is_shared
    }

    fn log(&self) -> Option<String> {
        self.gateway.log()
    }

    async fn durable_settings(&self) -> Result<(bool, String), OpenError> {
        self.gateway.durable_settings().await
    }
}

type Open = dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Gateway>, OpenError>> + Send + Sync;

/// The harness of a server started by a closure: name, capabilities, abilities, and the closure.
pub struct Served<A: Remote> {
    name: String,
    capabilities: A::Capabilities,
    abilities: Abilities,
    options: Options,
    open: Arc<Open>,
    left_out: Option<String>,
    details: Option<Details>,
    caught_up: CaughtUp,
}

impl<A: Remote> Served<A> {
    /// A server started by `open`, with these capabilities and, by default, no abilities.
    pub fn opened<G, F, O>(name: impl Into<String>, capabilities: A::Capabilities, open: F) -> Self
    where
        G: Gateway + 'static,
        F: Fn() -> O + Send + Sync + 'static,
        O: Future<Output = Result<G, OpenError>> + Send + 'static,
    {
        let open = move || -> BoxFuture<'static, Result<Arc<dyn Gateway>, OpenError>> {
            let opening = open();
            Box::pin(async move { Ok(Arc::new(opening.await?) as Arc<dyn Gateway>) })
        };
        Self {
            name: name.into(),
            capabilities,
            abilities: Abilities::NONE,
            options: Options::new(""),
            open: Arc::new(open),
            left_out: None,
            details: None,
            caught_up: CaughtUp::default(),
        }
    }

    /// Sets the declared capabilities.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: A::Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// Sets the abilities.
    #[must_use]
    pub fn able(mut self, abilities: Abilities) -> Self {
        self.abilities = abilities;
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

    /// Sets how endless streams show that everything has been sent.
    #[must_use]
    pub fn with_caught_up(mut self, caught_up: CaughtUp) -> Self {
        self.caught_up = caught_up;
        self
    }

    /// Sets the credentials; the address is the gateway's.
    #[must_use]
    pub fn by(mut self, options: Options) -> Self {
        self.options = options;
        self
    }
}

#[async_trait]
impl<A: Remote> Harness<A> for Served<A> {
    fn name(&self) -> &str {
        &self.name
    }

    fn mode(&self) -> Mode {
        Mode::Wire
    }

    fn capabilities(&self) -> A::Capabilities {
        self.capabilities
    }

    fn abilities(&self) -> Abilities {
        self.abilities
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
        let connected = Connected::to((self.open)().await?, self.options.clone()).await?;
        Ok(Box::new(connected.with_caught_up(self.caught_up)))
    }
}
