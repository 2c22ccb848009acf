//! The servers that are measured, each a process of its own on loopback, with its data in a folder that goes with it.

mod echo;
mod etcd;
mod kind;
mod places;
mod postgres;
mod prism;
mod redis;
mod sql;

use std::any::Any;
use std::fmt;

use self::kind::Installed;
pub use self::kind::Kind;
pub(crate) use self::kind::postgres_folders;
pub use self::places::Places;
pub use self::postgres::{Postgres, hold};
pub use self::prism::Storage;
pub(crate) use self::sql::PGBENCH_TABLE;
use crate::client::{Client, Etcd, Grpc, Redis};
use crate::failure::Failure;
use crate::process::{Server, data_folder};
use crate::value::Sizes;

/// A target that takes connections. All of it goes with the value.
pub struct Target {
    /// What it is.
    pub kind: Kind,
    /// Which version of it.
    pub version: String,
    /// How to reach it.
    pub endpoint: String,
    /// Where a gateway keeps its data: a file or a URL; else empty.
    pub database: String,
    /// Its server, where there is one process alone.
    pub server: Option<Server>,
    /// Dropped after the server: its data.
    #[expect(dead_code, reason = "it is held, not used")]
    behind: Box<dyn Any + Send>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("kind", &self.kind)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// What came of starting a target.
#[derive(Debug)]
pub enum Started {
    /// It takes connections.
    Running(Box<Target>),
    /// It is not on this machine; what would bring it.
    NotInstalled(&'static str),
}

/// Starts a target. `postgres` is there if the target needs it; the echo answers with values as `values` says.
///
/// # Errors
/// It is installed and does not start.
pub async fn start(
    kind: Kind,
    places: &Places,
    postgres: Option<&Postgres>,
    values: &str,
) -> Result<Started, Failure> {
    if let Installed::Not(how) = kind.installed(postgres.is_some()) {
        return Ok(Started::NotInstalled(how));
    }
    let url = postgres.map(|postgres| postgres.url.as_str()).unwrap_or_default();
    let folder = data_folder(places.data.as_deref())?;
    let target = match kind {
        Kind::Echo => echo::start(places, folder, values).await,
        Kind::PrismSqlite => prism::start(places, folder, Storage::Sqlite).await,
        Kind::PrismPostgres => prism::start(places, folder, Storage::Postgres(url)).await,
        Kind::SqliteDirect => sql::sqlite(folder).await,
        Kind::PostgresDirect => sql::postgres(url).await,
        Kind::Pgbench => sql::pgbench(url).await,
        Kind::Etcd => etcd::start(folder).await,
        Kind::Redis => redis::start(folder).await,
    };
    target.map(|target| Started::Running(Box::new(target)))
}

impl Target {
    /// Clients on `connections` connections, `in_flight` of them on each. Where a connection carries one call at a time,
    /// each client has one of its own.
    ///
    /// # Errors
    /// It does not take connections.
    pub async fn clients(&self, connections: usize, in_flight: usize) -> Result<Vec<Client>, Failure> {
        let mut clients = Vec::with_capacity(connections * in_flight);
        let url = self.endpoint.as_str();
        for _ in 0..connections {
            match self.kind {
                Kind::Echo | Kind::PrismSqlite | Kind::PrismPostgres => {
                    let client = Grpc::connect(url, self.kind.stores()).await?;
                    clients.extend((0..in_flight).map(|_| Client::Grpc(client.clone())));
                }
                Kind::Etcd => {
                    let client = Etcd::connect(url).await?;
                    clients.extend((0..in_flight).map(|_| Client::Etcd(client.clone())));
                }
                Kind::Redis => {
                    let client = Redis::connect(url).await?;
                    clients.extend((0..in_flight).map(|_| Client::Redis(client.clone())));
                }
                Kind::PostgresDirect => {
                    for _ in 0..in_flight {
                        clients.push(Client::Postgres(crate::client::Postgres::connect(url).await?));
                    }
                }
                Kind::SqliteDirect => {
                    for _ in 0..in_flight {
                        clients.push(Client::Sqlite(sql::open(url).await?));
                    }
                }
                // It brings its own.
                Kind::Pgbench => {}
            }
        }
        Ok(clients)
    }
}

/// Sizes as the command line writes them: `N` or `MIN..MAX`.
///
/// # Errors
/// Says what is allowed.
pub fn sizes(text: &str) -> Result<Sizes, String> {
    let number = |text: &str| text.parse::<usize>().unwrap_or(0);
    match text.split_once("..") {
        Some((least, most)) => Sizes::new(number(least), number(most)),
        None => Sizes::new(number(text), number(text)),
    }
}
