//! An in-process harness, reached through a socket.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::try_join_all;
use prism_wire::channel::Options;

use super::gateway::Connected;
use super::{CaughtUp, Gateway, Remote, Server};
use crate::core::{Abilities, Case, Failure, Harness, Instance, Mode, OpenError, Restart};

/// A harness whose stores are served on loopback ports and reached over gRPC. Its name ends in `-grpc`; clock, capabilities
/// and abilities are those of the inner harness.
pub struct OverGrpc<A: Remote> {
    name: String,
    inner: Arc<dyn Harness<A>>,
}

impl<A: Remote> OverGrpc<A> {
    /// `harness`, over gRPC.
    pub fn new(harness: impl Harness<A>) -> Self {
        Self::of(Arc::new(harness))
    }

    /// A shared harness, over gRPC.
    pub fn of(harness: Arc<dyn Harness<A>>) -> Self {
        Self { name: format!("{}-grpc", harness.name()), inner: harness }
    }
}

#[async_trait]
impl<A: Remote> Harness<A> for OverGrpc<A> {
    fn name(&self) -> &str {
        &self.name
    }

    fn mode(&self) -> Mode {
        Mode::Wire
    }

    fn capabilities(&self) -> A::Capabilities {
        self.inner.capabilities()
    }

    fn abilities(&self) -> Abilities {
        self.inner.abilities()
    }

    async fn open(&self) -> Result<Box<dyn Instance<A>>, OpenError> {
        open(self.inner.open().await?).await
    }

    async fn open_for(&self, case: &Case<A>) -> Result<Box<dyn Instance<A>>, OpenError> {
        open(self.inner.open_for(case).await?).await
    }
}

async fn open<A: Remote>(inner: Box<dyn Instance<A>>) -> Result<Box<dyn Instance<A>>, OpenError> {
    let servers = serve(&*inner).await?;
    let gateway = Arc::new(Socket { servers: Mutex::new(servers), inner });
    let connected = Connected::to(gateway, Options::new("")).await?;
    Ok(Box::new(connected.with_caught_up(CaughtUp::EmptyMessage)))
}

async fn serve<A: Remote>(inner: &dyn Instance<A>) -> Result<Vec<Arc<Server>>, OpenError> {
    let starting = inner.gateways().into_iter().map(Server::start::<A>);
    Ok(try_join_all(starting).await?.into_iter().map(Arc::new).collect())
}

struct Socket<A: Remote> {
    // Dropped, and thereby stopped, before the store that they serve.
    servers: Mutex<Vec<Arc<Server>>>,
    inner: Box<dyn Instance<A>>,
}

impl<A: Remote> Socket<A> {
    fn servers(&self) -> Vec<Arc<Server>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl<A: Remote> Gateway for Socket<A> {
    fn addresses(&self) -> Vec<String> {
        self.servers().iter().map(|server| server.address().to_string()).collect()
    }

    fn tick(&self) -> Duration {
        self.inner.tick()
    }

    async fn advance(&self, by: Duration) {
        self.inner.advance(by).await;
    }

    async fn sweep(&self) -> Result<(), Failure> {
        self.inner.sweep().await
    }

    async fn restart(&self, how: Restart) -> Result<(), OpenError> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.inner.restart(how).await?;
        let new = serve(&*self.inner).await?;
        *self.servers.lock().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    async fn outage(&self, unavailable: bool) -> Result<(), OpenError> {
        self.inner.outage(unavailable).await?;
        // A real gateway checks its database; this test server has no health check, so its status is set here.
        for server in self.servers() {
            server.serving(!unavailable).await;
        }
        Ok(())
    }

    async fn set_retention(&self, namespace: &str, retention: Duration) -> Result<(), OpenError> {
        self.inner.set_retention(namespace, retention).await
    }

    async fn durable_settings(&self) -> Result<(bool, String), OpenError> {
        self.inner.durable_settings().await
    }

    fn resident_bytes(&self) -> Option<u64> {
        self.inner.resident_bytes()
    }

    fn log_length(&self) -> Option<u64> {
        self.inner.log_length()
    }

    fn log_since(&self, start: u64) -> Option<Vec<u8>> {
        self.inner.log_since(start)
    }

    fn log(&self) -> Option<String> {
        self.inner.log()
    }
}
