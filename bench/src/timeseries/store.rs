//! The targets: gateways, and the databases without one.

use tempfile::TempDir;

use super::events::{Batch, Layout, name_of};
use super::gateway::{CONFIG, Gateway};
use super::postgres::Session;
use super::{file, postgres, sqlite};
use crate::failure::Failure;
use crate::process::data_folder;
use crate::target::{Locations, Postgres, Storage, Target, start_gateway};

/// A kind of target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `prism serve` on SQLite.
    PrismSqlite,
    /// The same tables in a SQLite file, without a gateway: one connection, an INSERT of each batch.
    SqliteDirect,
    /// A file that is synced after each batch.
    File,
    /// `prism serve` on Postgres.
    PrismPostgres,
    /// The same tables in the same Postgres: an INSERT of each batch.
    PostgresInsert,
    /// The same tables in the same Postgres: a COPY of each batch.
    PostgresCopy,
    /// The same tables in the same Postgres: each round is COPYed by two sessions, in one transaction each.
    PostgresBulk,
}

impl Kind {
    /// All kinds, in table order.
    pub const ALL: [Self; 7] = [
        Self::PrismSqlite,
        Self::SqliteDirect,
        Self::File,
        Self::PrismPostgres,
        Self::PostgresInsert,
        Self::PostgresCopy,
        Self::PostgresBulk,
    ];

    /// Its name in tables.
    pub fn name(self) -> String {
        crate::arguments::value_name(&self)
    }

    /// Whether it is a gateway.
    pub fn is_gateway(self) -> bool {
        matches!(self, Self::PrismSqlite | Self::PrismPostgres)
    }

    pub(super) fn needs_postgres(self) -> bool {
        match self {
            Self::PrismPostgres | Self::PostgresInsert | Self::PostgresCopy | Self::PostgresBulk => true,
            Self::PrismSqlite | Self::SqliteDirect | Self::File => false,
        }
    }

    /// Whether queries are measured. Those of the three direct targets of Postgres are the same.
    pub(super) fn reads(self) -> bool {
        self.is_gateway() || matches!(self, Self::SqliteDirect | Self::PostgresInsert)
    }
}

/// A running target.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) kind: Kind,
    /// The gateway, if it is one.
    pub(super) gateway: Option<Target>,
    /// The URL of a schema in Postgres.
    url: String,
    sqlite: Option<sqlite::Writer>,
    file: Option<file::Writer>,
    folder: TempDir,
}

/// A client that appends.
#[derive(Debug)]
pub(super) enum Writer {
    Gateway(Gateway),
    Sqlite(sqlite::Writer),
    File(file::Writer),
    Insert(Session),
    Copy(Session),
}

/// A client that queries.
#[derive(Debug)]
pub(super) enum Reader {
    Gateway(Gateway),
    Sqlite(sqlite::Reader),
    Postgres(Session),
}

impl Store {
    /// Starts a target; `None`: it needs a Postgres, and there is none.
    pub(super) async fn start(
        kind: Kind,
        locations: &Locations,
        database: Option<&Postgres>,
    ) -> Result<Option<Self>, Failure> {
        if kind.needs_postgres() && database.is_none() {
            return Ok(None);
        }
        let base = database.map_or("", |postgres| postgres.url.as_str());
        let folder = data_folder(locations.data.as_deref())?;
        let mut store = Self { kind, gateway: None, url: String::new(), sqlite: None, file: None, folder };
        match kind {
            Kind::PrismSqlite => {
                store.gateway = Some(start_gateway(locations, Storage::Sqlite, CONFIG).await?);
            }
            Kind::PrismPostgres => {
                store.gateway = Some(start_gateway(locations, Storage::Postgres(base), CONFIG).await?);
            }
            Kind::SqliteDirect => store.sqlite = Some(sqlite::create(&store.path()).await?),
            Kind::File => store.file = Some(file::create(&store.path())?),
            Kind::PostgresInsert | Kind::PostgresCopy | Kind::PostgresBulk => {
                store.url = postgres::create(base, &kind.name().replace('-', "_")).await?;
            }
        }
        Ok(Some(store))
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("direct.db")
    }

    /// Connects to the gateway.
    pub(super) async fn connect(&self) -> Result<Gateway, Failure> {
        let endpoint = self.gateway.as_ref().map(|gateway| gateway.endpoint.as_str());
        Gateway::connect(endpoint.unwrap_or_default()).await
    }

    /// The clients that append: so many connections to a gateway with so many clients each, or as many clients.
    pub(super) async fn writers(&self, connections: usize, in_flight: usize) -> Result<Vec<Writer>, Failure> {
        let mut writers = Vec::new();
        for _ in 0..connections {
            let gateway = if self.kind.is_gateway() { Some(self.connect().await?) } else { None };
            for _ in 0..in_flight {
                writers.push(match (self.kind, &gateway, &self.sqlite, &self.file) {
                    (Kind::PostgresInsert, ..) => Writer::Insert(Session::open(&self.url).await?),
                    (_, Some(gateway), ..) => Writer::Gateway(gateway.clone()),
                    (_, _, Some(sqlite), _) => Writer::Sqlite(sqlite.clone()),
                    (_, _, _, Some(file)) => Writer::File(file.clone()),
                    _ => Writer::Copy(Session::open(&self.url).await?),
                });
            }
        }
        Ok(writers)
    }

    /// A client that queries.
    pub(super) async fn reader(&self) -> Result<Reader, Failure> {
        match self.kind {
            Kind::PrismSqlite | Kind::PrismPostgres => self.connect().await.map(Reader::Gateway),
            Kind::SqliteDirect => sqlite::open(&self.path()).await.map(Reader::Sqlite),
            _ => Session::open(&self.url).await.map(Reader::Postgres),
        }
    }
}

impl Writer {
    pub(super) async fn append(&mut self, layout: &Layout, batch: Batch) -> Result<(), Failure> {
        match self {
            Self::Gateway(gateway) => {
                gateway.append(layout, batch, |event| name_of(layout.series_of(event))).await
            }
            Self::Sqlite(writer) => writer.append(layout, batch).await,
            Self::File(writer) => writer.append(layout, batch).await,
            Self::Insert(session) => session.insert(layout, batch).await,
            Self::Copy(session) => session.copy(layout, batch).await,
        }
    }
}

impl Reader {
    /// The numbers of the last events of a series.
    pub(super) async fn last(&mut self, layout: &Layout, series: u64) -> Result<Vec<u64>, Failure> {
        match self {
            Self::Gateway(gateway) => gateway.last(layout, series).await,
            Self::Sqlite(reader) => reader.last(layout, series).await,
            Self::Postgres(session) => session.last(layout, series).await,
        }
    }
}
