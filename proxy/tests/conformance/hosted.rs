//! Gateways in this process, over real sockets, on a manual clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use prism_conformance::wire::Gateway;
use prism_conformance::{Failure, OpenError, Restart};
use prism_contract::{Error, Timestamp};
use prism_proxy::server::{AuditOptions, Options, RunError, Services, Shutdown, run};
use prism_wire::clock::{Clock, ManualClock};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Time between two messages of a Tail: short, since a message without events shows that nothing more is there.
const HEARTBEAT: Duration = Duration::from_millis(50);

/// Opens the backends of a gateway.
pub(crate) type Open =
    Box<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Switched>, OpenError>> + Send + Sync>;

/// Running gateways.
pub(crate) struct Hosted {
    clock: Arc<ManualClock>,
    /// Empty only during a restart.
    running: Mutex<Vec<Running>>,
    count: usize,
    // Holds the location, so it is dropped after the gateways.
    open: Open,
}

struct Running {
    address: String,
    backend: Arc<dyn Switched>,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), RunError>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shutdown.abort();
        self.task.abort();
    }
}

impl Hosted {
    /// Starts `count` gateways at this time.
    pub(crate) async fn start(open: Open, count: usize, at: Timestamp) -> Result<Self, OpenError> {
        let clock = Arc::new(ManualClock::new(at));
        let hosted = Self { clock, running: Mutex::default(), count, open };
        hosted.start_all().await?;
        Ok(hosted)
    }

    /// Sequential, since the first may have to set up the database.
    async fn start_all(&self) -> Result<(), OpenError> {
        for _ in 0..self.count {
            let running = Running::start(&self.open, &self.clock).await?;
            self.running().push(running);
        }
        Ok(())
    }

    fn running(&self) -> MutexGuard<'_, Vec<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn backends(&self) -> Vec<Arc<dyn Switched>> {
        self.running().iter().map(|running| Arc::clone(&running.backend)).collect()
    }

    fn backend(&self) -> Arc<dyn Switched> {
        self.backends().into_iter().next().expect("a gateway runs except while it restarts")
    }
}

impl Running {
    async fn start(open: &Open, clock: &Arc<ManualClock>) -> Result<Self, OpenError> {
        let backend = open().await?;
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(OpenError::new)?;
        let address = listener.local_addr().map_err(OpenError::new)?.to_string();
        let shutdown = Shutdown::new();
        let audit = backend.audit();
        let options = Options {
            clock: Arc::clone(clock) as Arc<dyn Clock>,
            audit,
            heartbeat: HEARTBEAT,
            ..Options::default()
        };
        let served = run(Arc::clone(&backend).services(), listener, shutdown.clone(), options);
        Ok(Self { address, backend, shutdown, task: tokio::spawn(served) })
    }

    async fn stop(mut self, how: Restart) -> Result<(), OpenError> {
        match how {
            Restart::Clean => {
                self.shutdown.drain();
                (&mut self.task).await.map_err(OpenError::new)?.map_err(OpenError::new)
            }
            Restart::Crash => Ok(()),
        }
    }
}

#[async_trait]
impl Gateway for Hosted {
    fn addresses(&self) -> Vec<String> {
        self.running().iter().map(|running| running.address.clone()).collect()
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    async fn sweep(&self) -> Result<(), Failure> {
        Ok(self.backend().sweep_all(self.clock.now()).await?)
    }

    async fn restart(&self, how: Restart) -> Result<(), OpenError> {
        let old = std::mem::take(&mut *self.running());
        for running in old {
            running.stop(how).await?;
        }
        self.start_all().await
    }

    async fn outage(&self, unavailable: bool) -> Result<(), OpenError> {
        for backend in self.backends() {
            backend.set_unavailable(unavailable);
        }
        Ok(())
    }

    async fn durable_settings(&self) -> Result<(bool, String), OpenError> {
        self.backend().settings().await
    }
}

/// A backend with a simulated outage, and access to its settings.
#[async_trait]
pub(crate) trait Switched: Send + Sync {
    fn set_unavailable(&self, unavailable: bool);
    async fn settings(&self) -> Result<(bool, String), OpenError>;
    fn services(self: Arc<Self>) -> Services;

    /// Sweeps everything that has expired by this time.
    async fn sweep_all(self: Arc<Self>, now: Timestamp) -> Result<(), Error> {
        for store in self.services().stores {
            while store.keyvalue.sweep(now).await?.more {}
        }
        Ok(())
    }

    fn audit(&self) -> Option<AuditOptions> {
        None
    }
}
