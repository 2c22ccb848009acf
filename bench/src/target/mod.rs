//! The servers under test: separate processes on loopback, each with its data in a temporary folder.

mod echo;
mod etcd;
mod kind;
mod locations;
mod postgres;
mod prism;
mod redis;
mod sql;

use std::any::Any;
use std::fmt;

use self::kind::Installed;
pub use self::kind::Kind;
pub(crate) use self::kind::postgres_folders;
pub use self::locations::Locations;
pub use self::postgres::{Postgres, hold};
pub use self::prism::Storage;
pub(crate) use self::sql::{PGBENCH_TABLE, sqlite_options};
use crate::client::{Client, Etcd, Grpc, Redis};
use crate::failure::Failure;
use crate::process::{Server, data_folder};
use crate::value::Sizes;

/// A running target. Server and data are removed on drop.
pub struct Target {
    /// Its kind.
    pub kind: Kind,
    /// Its version.
    pub version: String,
    /// Its address.
    pub endpoint: String,
    /// The database of a gateway: a file or a URL; else empty.
    pub database: String,
    /// Its server process, if it has a dedicated one.
    pub server: Option<Server>,
    /// Guard of its data, dropped after the server.
    #[expect(dead_code, reason = "held for its drop")]
    data: Box<dyn Any + Send>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("kind", &self.kind)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// The outcome of starting a target.
#[derive(Debug)]
pub enum Started {
    /// It accepts connections.
    Running(Box<Target>),
    /// It is not installed; how to install it.
    NotInstalled(&'static str),
}

/// Starts a target. `postgres` is required if the target needs it; `values` are the sizes of the echo's values.
///
/// # Errors
/// It is installed but does not start.
pub async fn start(
    kind: Kind,
    locations: &Locations,
    postgres: Option<&Postgres>,
    values: &str,
) -> Result<Started, Failure> {
    if let Installed::No(how) = kind.installed(postgres.is_some()) {
        return Ok(Started::NotInstalled(how));
    }
    let url = postgres.map(|postgres| postgres.url.as_str()).unwrap_or_default();
    let folder = data_folder(locations.data.as_deref())?;
    let target = match kind {
        Kind::Echo => echo::start(locations, folder, values).await,
        Kind::PrismSqlite => prism::start(locations, folder, Storage::Sqlite, None).await,
        Kind::PrismPostgres => prism::start(locations, folder, Storage::Postgres(url), None).await,
        Kind::SqliteDirect => sql::sqlite(folder).await,
        Kind::PostgresDirect => sql::postgres(url).await,
        Kind::Pgbench => sql::pgbench(url).await,
        Kind::Etcd => etcd::start(folder).await,
        Kind::Redis => redis::start(folder).await,
    };
    target.map(|target| Started::Running(Box::new(target)))
}

/// Starts a gateway on this storage, with this configuration file.
///
/// # Errors
/// It does not start.
pub async fn start_gateway(
    locations: &Locations,
    storage: Storage<'_>,
    config: &str,
) -> Result<Target, Failure> {
    prism::start(locations, data_folder(locations.data.as_deref())?, storage, Some(config)).await
}

impl Target {
    /// Opens `connections` connections with `in_flight` clients on each. Where a connection carries one call at a time, each
    /// client gets a dedicated one.
    ///
    /// # Errors
    /// It does not accept connections.
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
                // pgbench has its own clients.
                Kind::Pgbench => {}
            }
        }
        Ok(clients)
    }
}

/// Parses value sizes from the command line: `N` or `MIN..MAX`.
///
/// # Errors
/// The allowed values.
pub fn sizes(text: &str) -> Result<Sizes, String> {
    let number = |text: &str| text.parse::<usize>().unwrap_or(0);
    match text.split_once("..") {
        Some((min, max)) => Sizes::new(number(min), number(max)),
        None => Sizes::new(number(text), number(text)),
    }
}
