//! The suite against the gateway over real sockets: the same `run` as the command line, over each backend, and over all at
//! once.

#[path = "conformance/hosted.rs"]
mod hosted;
#[path = "conformance/stack.rs"]
mod stack;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures::future::BoxFuture;
use prism_backends::{Postgres, Sqlite, postgres, sqlite};
use prism_conformance::keyvalue::wire::Served;
use prism_conformance::{Abilities, Ability, OpenError};
use prism_contract::keyvalue::{
    Capabilities, Delete, EntryPage, Get, ItemPage, KeyValueBackend, Memory, Put, PutResult, Scan,
};
use prism_contract::{Error, Lifecycle, Namespace, Swept, Timestamp};
use prism_proxy::server::Services;
use prism_testkit::{Backend, LazySchema, left_out};
use tempfile::TempDir;

use hosted::{Hosted, Open, Switched};

prism_conformance::conformance!(
    gateway("memory-gateway", KEEPS_NOTHING, 1, || Ok(()), |_| async { Ok(Memory::default()) }, no_settings),
    gateway("sqlite-gateway", KEEPS_ALL, 1, folder, open_sqlite, sqlite_settings)
        .leaving_out(left_out(Backend::Sqlite)),
    gateway("postgres-gateway", SHARED, 2, || Ok(LazySchema::new()), open_postgres, postgres_settings)
        .with_details(provider)
        .leaving_out(left_out(Backend::Postgres)),
    stack().with_details(provider).leaving_out(left_out(Backend::Postgres)),
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

fn sqlite_settings(sqlite: &Sqlite) -> SettingsFuture<'_> {
    Box::pin(async {
        let settings = sqlite.settings().await.map_err(OpenError::new)?;
        Ok((settings.are_durable(), settings.to_string()))
    })
}

async fn open_postgres(schema: Arc<LazySchema>) -> Result<Postgres, OpenError> {
    let url = schema.url().await.map_err(OpenError::new)?;
    Postgres::open(postgres::Options::new(url)).await.map_err(OpenError::new)
}

fn postgres_settings(postgres: &Postgres) -> SettingsFuture<'_> {
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

fn no_settings(_: &Memory) -> SettingsFuture<'_> {
    Box::pin(async { Err(OpenError::new("memory has no settings")) })
}

/// Whether a database's settings are the durable ones, and what they are (DUR-4).
type SettingsFuture<'a> = BoxFuture<'a, Result<(bool, String), OpenError>>;
type ReadSettings<B> = for<'a> fn(&'a B) -> SettingsFuture<'a>;

/// `count` gateways, each over a backend opened by `open` at a shared location; `read_settings` reads the backend's
/// settings.
fn gateway<S, B, O>(
    name: &str,
    abilities: Abilities,
    count: usize,
    locate: fn() -> Result<S, OpenError>,
    open: fn(Arc<S>) -> O,
    read_settings: ReadSettings<B>,
) -> Served
where
    S: Send + Sync + 'static,
    B: KeyValueBackend,
    O: Future<Output = Result<B, OpenError>> + Send + 'static,
{
    let host = move || async move {
        let location = Arc::new(locate()?);
        let open: Open = Box::new(move || {
            let opening = open(Arc::clone(&location));
            Box::pin(async move {
                Ok(Arc::new(Cuttable::new(opening.await?, read_settings)) as Arc<dyn Switched>)
            })
        });
        Hosted::start(open, count, Timestamp::EPOCH).await
    };
    Served::new(name, host).able(abilities)
}

/// Two gateways, each on SQLite, Postgres and memory at once: by the prefix of its namespace, a case runs on one of them,
/// encrypted or not, audited or not, with a rate and a policy or without.
fn stack() -> Served {
    let host = || async {
        let location = Arc::new(stack::Location::new()?);
        let open: Open = Box::new(move || {
            let location = Arc::clone(&location);
            Box::pin(async move { Ok(Arc::new(stack::Stack::open(&location).await?) as Arc<dyn Switched>) })
        });
        Hosted::start(open, 2, Timestamp::EPOCH).await
    };
    Served::new("stack-gateway", host).able(SHARED)
}

/// Wraps a backend and fails as in an outage while it is set unavailable. A wrapper is a store too: the suite runs through
/// it.
struct Cuttable<B> {
    backend: B,
    read_settings: ReadSettings<B>,
    unavailable: AtomicBool,
}

impl<B> Cuttable<B> {
    fn new(backend: B, read_settings: ReadSettings<B>) -> Self {
        Self { backend, read_settings, unavailable: AtomicBool::new(false) }
    }

    fn reach(&self) -> Result<&B, Error> {
        if self.unavailable.load(Ordering::SeqCst) {
            return Err(Error::unavailable("simulated outage"));
        }
        Ok(&self.backend)
    }
}

#[async_trait]
impl<B: KeyValueBackend> Switched for Cuttable<B> {
    fn set_unavailable(&self, unavailable: bool) {
        self.unavailable.store(unavailable, Ordering::SeqCst);
    }

    async fn settings(&self) -> Result<(bool, String), OpenError> {
        (self.read_settings)(&self.backend).await
    }

    fn services(self: Arc<Self>) -> Services {
        self.into()
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
