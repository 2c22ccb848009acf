//! The gateway, as `prism serve` runs it by default: durable, on loopback.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{Kind, Places, Target};
use crate::client::Grpc;
use crate::failure::Failure;
use crate::process::{Server, first_line, free_address};

/// Where the gateway keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage<'a> {
    /// A SQLite file in its folder.
    Sqlite,
    /// The Postgres with this address.
    Postgres(&'a str),
}

/// Starts `prism serve`. Variables `PRISM_…` of the environment hold for it too, so that settings can be tried; only the
/// line for each call is not logged unless PRISM_LOGGING_LEVEL says otherwise.
///
/// # Errors
/// It does not start.
pub(super) async fn start(places: &Places, folder: TempDir, storage: Storage<'_>) -> Result<Target, Failure> {
    let address = free_address()?;
    let kind = match storage {
        Storage::Sqlite => Kind::PrismSqlite,
        Storage::Postgres(_) => Kind::PrismPostgres,
    };
    let database = match storage {
        Storage::Sqlite => folder.path().join("prism.db").to_string_lossy().into_owned(),
        Storage::Postgres(url) => url.to_owned(),
    };
    let mut command = command(&places.prism, folder.path(), storage);
    command.args(["serve", "--listen", &address.to_string()]);
    let mut server = Server::start(kind.name(), &mut command, folder.path())?;
    server.ready(address).await?;
    let version = first_line(&places.prism, "--version").unwrap_or_default();
    Ok(Target {
        kind,
        version,
        endpoint: Grpc::endpoint(address),
        database,
        server: Some(server),
        behind: Box::new(folder),
    })
}

fn command(program: &Path, folder: &Path, storage: Storage<'_>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_remove("DATABASE_URL").env_remove("PRISM_CONFIG");
    match storage {
        Storage::Sqlite => {
            command.env_remove("PRISM_DATABASE_URL");
            command.env("PRISM_DATABASE_TYPE", "sqlite").env("PRISM_DATABASE_PATH", folder.join("prism.db"));
        }
        Storage::Postgres(url) => {
            command.env_remove("PRISM_DATABASE_PATH");
            command.env("PRISM_DATABASE_TYPE", "postgres").env("PRISM_DATABASE_URL", url);
        }
    }
    // As many as `scale` opens, and more than the default; what they cost is part of what is measured.
    if std::env::var_os("PRISM_SERVER_MAX_CONNECTIONS").is_none() {
        command.env("PRISM_SERVER_MAX_CONNECTIONS", "4000");
    }
    if std::env::var_os("PRISM_LOGGING_LEVEL").is_none() {
        command.env("PRISM_LOGGING_LEVEL", "warn");
    }
    command
}
