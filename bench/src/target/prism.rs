//! The gateway, as `prism serve` runs it by default: durable, on loopback.

use std::collections::BTreeMap;
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
    let version = format!("{version}; {}", settings(&command));
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

/// What differs from the defaults, for whoever reads the figures: never an address or a secret.
fn settings(command: &Command) -> String {
    let told = |name: &str| {
        name.starts_with("PRISM_")
            && !["_URL", "_PATH", "TOKEN", "PASSWORD", "PRISM_TEST", "_ENDPOINT"]
                .iter()
                .any(|no| name.contains(no))
    };
    let inherited = std::env::vars_os().map(|(name, value)| (name, Some(value)));
    let set = command.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned)));
    let settings: BTreeMap<_, _> = inherited.chain(set).collect();
    let settings = settings.iter().filter_map(|(name, value)| {
        let (name, value) = (name.to_str()?, value.as_ref()?.to_str()?);
        told(name).then(|| format!("{name}={value}"))
    });
    settings.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_and_secrets_are_not() {
        let mut command = Command::new("prism");
        command
            .env("PRISM_DATABASE_URL", "postgres://me:secret@host/db")
            .env("PRISM_AUTH_TOKENS", "[secret]");
        command.env("PRISM_LOGGING_LEVEL", "warn").env_remove("PRISM_CONFIG");
        let told = settings(&command);
        assert!(told.contains("PRISM_LOGGING_LEVEL=warn") && !told.contains("secret"), "{told}");
    }
}
