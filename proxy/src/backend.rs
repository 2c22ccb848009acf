//! Opens the backend that the configuration names.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use prism_backends::postgres::{self, Postgres};
use prism_backends::sqlite::{self, Sqlite};
use prism_contract::keyvalue::{KeyValueBackend, Memory};

use crate::config::{Database, DatabaseKind, masked_url};

/// Why a database could not be opened. It is for whoever starts the server, and may name the path.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The password cannot be read.
    #[error(
        "database.postgres.password_file: the file cannot be read: {why}; write the path of a file that holds the password"
    )]
    Password {
        /// What the system said. The path is not kept: it may be the password, put into the wrong place.
        why: std::io::Error,
    },
    /// The database is not one that can be served.
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
    /// The file is not one that can be served.
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
}

/// Opens the database, and makes it ready if it is new.
pub async fn open(database: &Database) -> Result<Arc<dyn KeyValueBackend>, OpenError> {
    Ok(match database.kind {
        DatabaseKind::Memory => Arc::new(Memory::new(database.tombstone_retention)),
        DatabaseKind::Sqlite => Arc::new(Sqlite::open(sqlite_options(database)).await?),
        DatabaseKind::Postgres => {
            let backend = Postgres::open(postgres_options(database)?).await?;
            log_settings(&backend).await;
            Arc::new(backend)
        }
    })
}

fn sqlite_options(database: &Database) -> sqlite::Options {
    sqlite::Options {
        path: database.path.clone(),
        retention: database.tombstone_retention,
        ..database.sqlite.clone()
    }
}

fn postgres_options(database: &Database) -> Result<postgres::Options, OpenError> {
    let read = |path: &PathBuf| std::fs::read_to_string(path).map_err(|why| OpenError::Password { why });
    let password = database.password_file.as_ref().map(read).transpose()?;
    Ok(postgres::Options {
        url: database.url.clone().unwrap_or_default(),
        password: password.map(|text| text.trim_end_matches(['\r', '\n']).to_owned()),
        retention: database.tombstone_retention,
        ..database.postgres.clone()
    })
}

/// Logs what durability rests on: only the server's operator can change it.
async fn log_settings(backend: &Postgres) {
    match backend.settings().await {
        Ok(settings) if settings.are_durable() => tracing::info!(%settings, "the database's settings"),
        Ok(settings) => {
            tracing::warn!(%settings, "the database's settings are not durable: a loss of power may take answered writes");
        }
        Err(error) => tracing::warn!(%error, "the database's settings are not known"),
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
