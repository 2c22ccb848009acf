//! The servers that are measured, each a process of its own on loopback, with its data in a folder that goes with it.

mod postgres;
mod prism;

use std::any::Any;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

pub use self::postgres::{Postgres, hold};
pub use self::prism::{Storage, prism};
use crate::client::{Client, Grpc};
use crate::failure::Failure;
use crate::process::{Server, free_address};
use crate::value::Sizes;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Kind {
    /// A server of the same messages that stores nothing: the ceiling.
    Echo,
    /// `prism serve` on SQLite.
    PrismSqlite,
    /// `prism serve` on Postgres.
    PrismPostgres,
}

impl Kind {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::PrismSqlite => "prism-sqlite",
            Self::PrismPostgres => "prism-postgres",
        }
    }

    /// Whether it keeps what is put into it.
    pub fn stores(self) -> bool {
        self != Self::Echo
    }
}

/// Where programs and data are.
#[derive(Debug, Clone)]
pub struct Places {
    /// This program, which is the echo too and holds a Postgres.
    pub own: PathBuf,
    /// The gateway.
    pub prism: PathBuf,
    /// A Postgres that somebody runs; else a cluster is made.
    pub postgres: Option<String>,
    /// Where data goes; else the temporary folder.
    pub data: Option<PathBuf>,
}

impl Places {
    /// Those of the programs that stand beside this one.
    ///
    /// # Errors
    /// There is no gateway there, and none was named.
    pub fn beside(
        prism: Option<PathBuf>,
        postgres: Option<String>,
        data: Option<PathBuf>,
    ) -> Result<Self, Failure> {
        let own = std::env::current_exe().map_err(|why| Failure::of("this program's own path", &why))?;
        let prism = prism.unwrap_or_else(|| own.with_file_name("prism"));
        if !prism.is_file() {
            return Err(Failure::Usage(format!(
                "there is no gateway at '{}'; build it (cargo build --release -p prism-proxy) or name it with --prism PATH",
                prism.display()
            )));
        }
        Ok(Self { own, prism, postgres, data })
    }
}

/// A target that takes connections. All of it goes with the value.
pub struct Target {
    /// What it is.
    pub kind: Kind,
    /// Which version of it.
    pub version: String,
    /// How to reach it.
    pub endpoint: String,
    /// Its server, where there is one process alone.
    pub server: Option<Server>,
    /// Dropped after the server: data, and servers behind it.
    #[expect(dead_code, reason = "it is held, not used")]
    pub(crate) behind: Vec<Box<dyn Any + Send>>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("kind", &self.kind)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl Target {
    /// Clients on `connections` connections, `in_flight` of them on each.
    ///
    /// # Errors
    /// It does not take connections.
    pub async fn clients(&self, connections: usize, in_flight: usize) -> Result<Vec<Client>, Failure> {
        let mut clients = Vec::with_capacity(connections * in_flight);
        for _ in 0..connections {
            let client = Grpc::connect(&self.endpoint, self.kind.stores()).await?;
            clients.extend((0..in_flight).map(|_| Client::Grpc(client.clone())));
        }
        Ok(clients)
    }
}

/// Starts an echo.
///
/// # Errors
/// It does not start.
pub async fn echo(places: &Places, folder: TempDir, values: &str) -> Result<Target, Failure> {
    let address = free_address()?;
    let mut command = Command::new(&places.own);
    command.args(["echo", "--listen", &address.to_string(), "--value-bytes", values]);
    let mut server = Server::start("echo", &mut command, folder.path())?;
    server.ready(address).await?;
    Ok(Target {
        kind: Kind::Echo,
        version: format!("tonic, prism-bench {}", env!("CARGO_PKG_VERSION")),
        endpoint: Grpc::endpoint(address),
        server: Some(server),
        behind: vec![Box::new(folder)],
    })
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
