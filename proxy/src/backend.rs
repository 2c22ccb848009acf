//! Opens the backend that the configuration names.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use prism_backends::postgres::{self, Postgres};
use prism_backends::sqlite::{self, Sqlite};
use prism_contract::keyvalue::{KeyValueBackend, Memory};

use crate::config::{Database, DatabaseKind, masked_url};

/// Why a database could not be opened. For the operator, so it may name the path.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The password file is unreadable.
    #[error(
        "database.postgres.password_file: the file cannot be read: {why}; write the path of a file that holds the password"
    )]
    Password {
        /// The system's error. The path is not kept: it may be a misplaced password.
        why: std::io::Error,
    },
    /// The database is unavailable or unsuitable.
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
    /// The file is unavailable or unsuitable.
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
}

/// Opens the database, and initializes it if it is new.
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
        password: password.map(|content| content.trim_end_matches(['\r', '\n']).to_owned()),
        retention: database.tombstone_retention,
        ..database.postgres.clone()
    })
}

/// Logs the settings that durability depends on: only the database server's operator can change them.
async fn log_settings(backend: &Postgres) {
    match backend.settings().await {
        Ok(settings) if settings.are_durable() => tracing::info!(%settings, "database settings"),
        Ok(settings) => {
            tracing::warn!(%settings, "the database settings are not durable: a power loss may lose acknowledged writes");
        }
        Err(error) => tracing::warn!(%error, "the database settings are unknown"),
    }
}

/// A database's location for the log: a path, or a URL without its password.
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
