//! Opens the backend that the configuration names.

use std::fmt;
use std::sync::Arc;

use prism_backends::sqlite::{self, Sqlite};
use prism_contract::keyvalue::{KeyValueBackend, Memory};

use crate::config::{Database, DatabaseKind, masked_url};

/// Why a database could not be opened. It is for whoever starts the server, and may name the path.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The backend is not in this version.
    #[error(
        "database.type is postgres, which this version cannot serve yet; write sqlite, or memory for tests"
    )]
    NotBuilt,
    /// The file is not one that can be served.
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
}

/// Opens the database, and makes it ready if it is new.
pub async fn open(database: &Database) -> Result<Arc<dyn KeyValueBackend>, OpenError> {
    match database.kind {
        DatabaseKind::Memory => Ok(Arc::new(Memory::new(database.tombstone_retention))),
        DatabaseKind::Sqlite => Ok(Arc::new(Sqlite::open(sqlite_options(database)).await?)),
        DatabaseKind::Postgres => Err(OpenError::NotBuilt),
    }
}

fn sqlite_options(database: &Database) -> sqlite::Options {
    let said = &database.sqlite;
    sqlite::Options {
        path: database.path.clone(),
        readers: said.readers,
        waiting_reads: said.waiting_reads,
        read_wait: said.read_wait,
        busy_timeout: said.busy_timeout,
        retention: database.tombstone_retention,
        queue_length: said.queue_length,
        queue_bytes: said.queue_bytes,
        max_batch: said.max_batch,
    }
}

/// Where a database is, for the log: a path, or a URL without its password.
pub struct Location<'a>(pub &'a Database);

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            DatabaseKind::Memory => f.write_str("(nowhere)"),
            DatabaseKind::Sqlite => self.0.path.display().fmt(f),
            DatabaseKind::Postgres => f.write_str(&masked_url(self.0.url.as_deref().unwrap_or_default())),
        }
    }
}
