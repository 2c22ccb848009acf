//! The suite against the gateway itself, through real sockets: the same `run` that the command line calls, over each
//! backend it can serve.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use prism_backends::{Postgres, Sqlite, postgres, sqlite};
use prism_conformance::keyvalue::wire::Served;
use prism_conformance::wire::Gateway;
use prism_conformance::{Abilities, Ability, Failure, OpenError, Restart};
use prism_contract::keyvalue::{
    Capabilities, Delete, EntryPage, Get, ItemPage, KeyValueBackend, Memory, Put, PutResult, Scan,
};
use prism_contract::{Error, Lifecycle, Namespace, Swept, Timestamp};
use prism_proxy::server::{Options, RunError, Shutdown, run};
use prism_testkit::{Backend, LazySchema, left_out};
use prism_wire::clock::{Clock, ManualClock};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

prism_conformance::conformance!(
    gateway("memory-gateway", KEEPS_NOTHING, 1, || Ok(()), |_| async { Ok(Memory::default()) }, no_settings),
    gateway("sqlite-gateway", KEEPS_ALL, 1, folder, open_sqlite, sqlite_settings)
        .leaving_out(left_out(Backend::Sqlite)),
    gateway("postgres-gateway", SHARED, 2, || Ok(LazySchema::new()), open_postgres, postgres_settings)
        .with_details(provider)
        .leaving_out(left_out(Backend::Postgres)),
);

const KEEPS_NOTHING: Abilities =
    Abilities::NONE.with(Ability::ManualClock).with(Ability::Sweep).with(Ability::Outage);
const KEEPS_ALL: Abilities =
    KEEPS_NOTHING.with(Ability::Restart).with(Ability::Crash).with(Ability::Settings);
/// Two gateways on one database.
const SHARED: Abilities = KEEPS_ALL.with(Ability::Gateways);

fn folder() -> Result<TempDir, OpenError> {
    tempfile::tempdir().map_err(OpenError::new)
}

async fn open_sqlite(folder: Arc<TempDir>) -> Result<Sqlite, OpenError> {
    Sqlite::open(sqlite::Options::new(folder.path().join("prism.db"))).await.map_err(OpenError::new)
}

fn sqlite_settings(sqlite: &Sqlite) -> Asked<'_> {
    Box::pin(async {
        let settings = sqlite.settings().await.map_err(OpenError::new)?;
        Ok((settings.are_durable(), settings.to_string()))
    })
}

async fn open_postgres(schema: Arc<LazySchema>) -> Result<Postgres, OpenError> {
    let url = schema.url().await.map_err(OpenError::new)?;
    Postgres::open(postgres::Options::new(url)).await.map_err(OpenError::new)
}

fn postgres_settings(postgres: &Postgres) -> Asked<'_> {
    Box::pin(async {
        let settings = postgres.settings().await.map_err(OpenError::new)?;
        Ok((settings.are_durable(), settings.to_string()))
    })
}

/// Where the Postgres server came from, its version, collation and durability settings.
async fn provider() -> Vec<(String, String)> {
    let server = match prism_testkit::Postgres::shared().await {
        Ok(server) => server.describe().to_string(),
        Err(error) => error.to_string(),
    };
    vec![("database server".to_owned(), server)]
}

fn no_settings(_: &Memory) -> Asked<'_> {
    Box::pin(async { Err(OpenError::new("memory has no settings")) })
}

/// Whether a database's settings are the durable ones, and what they are (DUR-4).
type Asked<'a> = BoxFuture<'a, Result<(bool, String), OpenError>>;
type Ask<B> = for<'a> fn(&'a B) -> Asked<'a>;

/// So many gateways, each over the backend that `open` opens in a place that they share, and whose settings `ask` asks for.
fn gateway<S, B, O>(
    name: &str,
    abilities: Abilities,
    count: usize,
    place: fn() -> Result<S, OpenError>,
    open: fn(Arc<S>) -> O,
    ask: Ask<B>,
) -> Served
where
    S: Send + Sync + 'static,
    B: KeyValueBackend,
    O: Future<Output = Result<B, OpenError>> + Send + 'static,
{
    let host = move || async move {
        let place = Arc::new(place()?);
        let open: Open = Box::new(move || {
            let opening = open(Arc::clone(&place));
            Box::pin(async move { Ok(Arc::new(Cuttable::new(opening.await?, ask)) as Arc<dyn Switched>) })
        });
        Hosted::start(open, count).await
    };
    Served::new(name, host).able(abilities)
}

type Open = Box<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Switched>, OpenError>> + Send + Sync>;

/// Running gateways.
struct Hosted {
    clock: Arc<ManualClock>,
    /// Empty only while a restart is under way.
    running: Mutex<Vec<Running>>,
    count: usize,
    // Dropped after the gateway that uses its place.
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
    async fn start(open: Open, count: usize) -> Result<Self, OpenError> {
        let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
        let hosted = Self { clock, running: Mutex::default(), count, open };
        hosted.start_all().await?;
        Ok(hosted)
    }

    /// One after the other, since the first may have to set the place up.
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
        let options = Options { clock: Arc::clone(clock) as Arc<dyn Clock>, ..Options::default() };
        let served = run(Arc::clone(&backend).served(), listener, shutdown.clone(), options);
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
        let backend = self.backend().served();
        while backend.sweep(self.clock.now()).await?.more {}
        Ok(())
    }

    async fn restart(&self, how: Restart) -> Result<(), OpenError> {
        let old = std::mem::take(&mut *self.running());
        for running in old {
            running.stop(how).await?;
        }
        self.start_all().await
    }

    async fn outage(&self, away: bool) -> Result<(), OpenError> {
        for backend in self.backends() {
            backend.switch(away);
        }
        Ok(())
    }

    async fn durable_settings(&self) -> Result<(bool, String), OpenError> {
        self.backend().settings().await
    }
}

/// A backend whose database can be taken away, and asked for its settings.
#[async_trait]
trait Switched: Send + Sync {
    fn switch(&self, away: bool);
    async fn settings(&self) -> Result<(bool, String), OpenError>;
    fn served(self: Arc<Self>) -> Arc<dyn KeyValueBackend>;
}

/// Stands before a backend and answers as an outage does while its database is away. A wrapper is a store too: the suite
/// runs through it.
struct Cuttable<B> {
    backend: B,
    ask: Ask<B>,
    away: AtomicBool,
}

impl<B> Cuttable<B> {
    fn new(backend: B, ask: Ask<B>) -> Self {
        Self { backend, ask, away: AtomicBool::new(false) }
    }

    fn reach(&self) -> Result<&B, Error> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Error::unavailable("the database was taken away"));
        }
        Ok(&self.backend)
    }
}

#[async_trait]
impl<B: KeyValueBackend> Switched for Cuttable<B> {
    fn switch(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    async fn settings(&self) -> Result<(bool, String), OpenError> {
        (self.ask)(&self.backend).await
    }

    fn served(self: Arc<Self>) -> Arc<dyn KeyValueBackend> {
        self
    }
}

#[async_trait]
impl<B: KeyValueBackend> Lifecycle for Cuttable<B> {
    async fn check(&self) -> Result<(), Error> {
        self.reach()?.check().await
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        self.reach()?.sweep(now).await
    }

    async fn close(&self) {
        self.backend.close().await;
    }
}

#[async_trait]
impl<B: KeyValueBackend> KeyValueBackend for Cuttable<B> {
    fn capabilities(&self, namespace: &Namespace) -> Capabilities {
        self.backend.capabilities(namespace)
    }

    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error> {
        self.reach()?.put(put).await
    }

    async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        self.reach()?.get(get).await
    }

    async fn delete(&self, delete: Delete) -> Result<u64, Error> {
        self.reach()?.delete(delete).await
    }

    async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
        self.reach()?.scan(scan).await
    }
}
