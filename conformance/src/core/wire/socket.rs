//! Any harness of this process, reached through a socket.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::try_join_all;
use prism_wire::channel::Options;

use super::gateway::Connected;
use super::{Gateway, Remote, Server};
use crate::core::{Abilities, Case, Failure, Harness, Instance, Mode, OpenError, Restart};

/// A harness whose stores are served on loopback ports and asked by gRPC. Its name ends in `-grpc`; clock, claims and
/// abilities are those of the harness within.
pub struct OverGrpc<A: Remote> {
    name: String,
    within: Arc<dyn Harness<A>>,
}

impl<A: Remote> OverGrpc<A> {
    /// `harness`, over gRPC.
    pub fn new(harness: impl Harness<A>) -> Self {
        Self::of(Arc::new(harness))
    }

    /// A shared harness, over gRPC.
    pub fn of(harness: Arc<dyn Harness<A>>) -> Self {
        Self { name: format!("{}-grpc", harness.name()), within: harness }
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

    fn claims(&self) -> A::Capabilities {
        self.within.claims()
    }

    fn abilities(&self) -> Abilities {
        self.within.abilities()
    }

    async fn open(&self) -> Result<Box<dyn Instance<A>>, OpenError> {
        open(self.within.open().await?).await
    }

    async fn open_for(&self, case: &Case<A>) -> Result<Box<dyn Instance<A>>, OpenError> {
        open(self.within.open_for(case).await?).await
    }
}

async fn open<A: Remote>(within: Box<dyn Instance<A>>) -> Result<Box<dyn Instance<A>>, OpenError> {
    let servers = serve(&*within).await?;
    let gateway = Arc::new(Socket { servers: Mutex::new(servers), within });
    Ok(Box::new(Connected::to(gateway, Options::new("")).await?))
}

async fn serve<A: Remote>(within: &dyn Instance<A>) -> Result<Vec<Arc<Server>>, OpenError> {
    let starting = within.gateways().into_iter().map(Server::start::<A>);
    Ok(try_join_all(starting).await?.into_iter().map(Arc::new).collect())
}

struct Socket<A: Remote> {
    // Stopped before the store goes that they serve.
    servers: Mutex<Vec<Arc<Server>>>,
    within: Box<dyn Instance<A>>,
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
        self.within.tick()
    }

    async fn advance(&self, by: Duration) {
        self.within.advance(by).await;
    }

    async fn sweep(&self) -> Result<(), Failure> {
        self.within.sweep().await
    }

    async fn restart(&self, how: Restart) -> Result<(), OpenError> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.within.restart(how).await?;
        let new = serve(&*self.within).await?;
        *self.servers.lock().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    async fn outage(&self, away: bool) -> Result<(), OpenError> {
        self.within.outage(away).await?;
        // A gateway asks its database how it is; this server of tests is told.
        for server in self.servers() {
            server.serving(!away).await;
        }
        Ok(())
    }

    async fn durable_settings(&self) -> Result<(bool, String), OpenError> {
        self.within.durable_settings().await
    }

    fn resident_bytes(&self) -> Option<u64> {
        self.within.resident_bytes()
    }

    fn log(&self) -> Option<String> {
        self.within.log()
    }
}
