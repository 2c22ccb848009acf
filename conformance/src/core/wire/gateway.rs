//! Any way to have a server, as a harness.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::{BoxFuture, try_join_all};
use prism_wire::channel::Options;

use super::{Connection, Ledger, Remote};
use crate::core::in_process::Details;
use crate::core::{Abilities, Failure, Harness, Instance, Mode, OpenError, RawCalls, Restart, StatusCode};

/// A running server, and what may be done to it besides asking it. Dropping it stops it and cleans up.
#[async_trait]
pub trait Gateway: Send + Sync {
    /// Where it listens now, as `host:port` or a URL; several, if several gateways serve the same data.
    fn addresses(&self) -> Vec<String>;

    /// The shortest span that tests should let pass; see [`Instance::tick`].
    fn tick(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// Lets time pass; see [`Instance::advance`].
    async fn advance(&self, by: Duration);

    /// Drops what is dead; see [`Instance::sweep`].
    async fn sweep(&self) -> Result<(), Failure> {
        Err(Failure::new(StatusCode::Unimplemented, "this gateway cannot be told to sweep"))
    }

    /// Stops it and starts it on the same data, at the same addresses or at others; see [`Instance::restart`].
    async fn restart(&self, how: Restart) -> Result<(), OpenError> {
        Err(OpenError::new(format!("this gateway cannot restart ({how:?})")))
    }

    /// Takes the database away, or brings it back; see [`Instance::outage`].
    async fn outage(&self, away: bool) -> Result<(), OpenError> {
        Err(OpenError::new(format!("this gateway's database cannot be taken away ({away})")))
    }

    /// See [`Instance::durable_settings`].
    async fn durable_settings(&self) -> Result<(bool, String), OpenError> {
        Err(OpenError::new("this gateway does not ask for the database's settings"))
    }

    /// See [`Instance::resident_bytes`].
    fn resident_bytes(&self) -> Option<u64> {
        None
    }

    /// See [`Instance::log`].
    fn log(&self) -> Option<String> {
        None
    }
}

/// A gateway under test, with the connections to it.
pub(super) struct Connected {
    gateway: Arc<dyn Gateway>,
    options: Options,
    /// Where to note what is written, if the gateway outlives the run.
    ledger: Option<Arc<Ledger>>,
    connections: Mutex<Vec<Connection>>,
}

impl Connected {
    /// Connects to every address of `gateway`, with the credentials of `options`.
    pub(super) async fn to(gateway: Arc<dyn Gateway>, options: Options) -> Result<Self, OpenError> {
        Self::noting(gateway, options, None).await
    }

    /// The same, and notes in `ledger` what is written.
    pub(super) async fn noting(
        gateway: Arc<dyn Gateway>,
        options: Options,
        ledger: Option<Arc<Ledger>>,
    ) -> Result<Self, OpenError> {
        let connected = Self { gateway, options, ledger, connections: Mutex::default() };
        connected.reconnect().await?;
        Ok(connected)
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
        Ok(connection.noting(self.ledger.clone()))
    }

    fn connections(&self) -> Vec<Connection> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        Ok(A::store(self.connection(&options).await?))
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

    async fn outage(&self, away: bool) -> Result<(), OpenError> {
        self.gateway.outage(away).await
    }

    fn raw(&self) -> Option<Arc<dyn RawCalls>> {
        Some(Arc::new(self.first()))
    }

    fn resident_bytes(&self) -> Option<u64> {
        self.gateway.resident_bytes()
    }

    fn log(&self) -> Option<String> {
        self.gateway.log()
    }

    async fn durable_settings(&self) -> Result<(bool, String), OpenError> {
        self.gateway.durable_settings().await
    }
}

type Open = dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Gateway>, OpenError>> + Send + Sync;

/// The harness of a server that a closure starts: a name, what it claims, what can be done to it, and the closure.
pub struct Served<A: Remote> {
    name: String,
    claims: A::Capabilities,
    abilities: Abilities,
    options: Options,
    open: Arc<Open>,
    left_out: Option<String>,
    details: Option<Details>,
}

impl<A: Remote> Served<A> {
    /// A server that `open` starts; it claims this and can only be asked, unless told otherwise.
    pub fn opened<G, F, O>(name: impl Into<String>, claims: A::Capabilities, open: F) -> Self
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
            claims,
            abilities: Abilities::NONE,
            options: Options::new(""),
            open: Arc::new(open),
            left_out: None,
            details: None,
        }
    }

    /// The same server with these claims.
    #[must_use]
    pub fn claiming(mut self, claims: A::Capabilities) -> Self {
        self.claims = claims;
        self
    }

    /// The same server, to which this can be done.
    #[must_use]
    pub fn able(mut self, abilities: Abilities) -> Self {
        self.abilities = abilities;
        self
    }

    /// The same server, none of whose cases runs, for this reason if there is one (see [`Harness::left_out`]).
    #[must_use]
    pub fn leaving_out(mut self, reason: Option<String>) -> Self {
        self.left_out = reason;
        self
    }

    /// The same server, with more to say about it in reports (see [`Harness::details`]).
    #[must_use]
    pub fn with_details<F, O>(mut self, details: F) -> Self
    where
        F: Fn() -> O + Send + Sync + 'static,
        O: Future<Output = Vec<(String, String)>> + Send + 'static,
    {
        self.details = Some(Arc::new(move || Box::pin(details())));
        self
    }

    /// The same server, reached with these credentials; the address is the gateway's own.
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

    fn claims(&self) -> A::Capabilities {
        self.claims
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
        Ok(Box::new(Connected::to((self.open)().await?, self.options.clone()).await?))
    }
}
