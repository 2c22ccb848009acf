//! The gateway with the defaults of `prism serve`: durable, on loopback.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{Kind, Locations, Target};
use crate::client::Grpc;
use crate::failure::Failure;
use crate::process::{Server, first_line, free_address};

/// The gateway's storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage<'a> {
    /// A SQLite file in its folder.
    Sqlite,
    /// The Postgres at this URL.
    Postgres(&'a str),
}

/// Starts `prism serve`. It inherits `PRISM_…` environment variables, to try out settings; the per-call log line is off
/// unless PRISM_LOGGING_LEVEL is set. `config` is the text of its configuration file, if it has one.
///
/// # Errors
/// It does not start.
pub(super) async fn start(
    locations: &Locations,
    folder: TempDir,
    storage: Storage<'_>,
    config: Option<&str>,
) -> Result<Target, Failure> {
    let address = free_address()?;
    let kind = match storage {
        Storage::Sqlite => Kind::PrismSqlite,
        Storage::Postgres(_) => Kind::PrismPostgres,
    };
    let database = match storage {
        Storage::Sqlite => folder.path().join("prism.db").to_string_lossy().into_owned(),
        Storage::Postgres(url) => url.to_owned(),
    };
    let mut command = command(&locations.prism, folder.path(), storage);
    command.args(["serve", "--listen", &address.to_string()]);
    if let Some(config) = config {
        let file = folder.path().join("prism.yaml");
        std::fs::write(&file, config).map_err(|why| Failure::of("the configuration", &why))?;
        command.arg("--config").arg(file);
    }
    let mut server = Server::start(kind.name(), &mut command, folder.path())?;
    server.ready(address).await?;
    let version = first_line(&locations.prism, "--version").unwrap_or_default();
    let version = format!("{version}; {}", settings(&command));
    Ok(Target {
        kind,
        version,
        endpoint: Grpc::endpoint(address),
        database,
        server: Some(server),
        data: Box::new(folder),
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
    // Enough for `scale`, which opens more than the default; their cost is part of the measurement.
    if std::env::var_os("PRISM_SERVER_MAX_CONNECTIONS").is_none() {
        command.env("PRISM_SERVER_MAX_CONNECTIONS", "4000");
    }
    if std::env::var_os("PRISM_LOGGING_LEVEL").is_none() {
        command.env("PRISM_LOGGING_LEVEL", "warn");
    }
    command
}

/// Settings that differ from the defaults, for the report, without addresses and secrets.
fn settings(command: &Command) -> String {
    let is_public = |name: &str| {
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
        is_public(name).then(|| format!("{name}={value}"))
    });
    settings.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_listed_without_secrets() {
        let mut command = Command::new("prism");
        command
            .env("PRISM_DATABASE_URL", "postgres://me:secret@host/db")
            .env("PRISM_AUTH_TOKENS", "[secret]");
        command.env("PRISM_LOGGING_LEVEL", "warn").env_remove("PRISM_CONFIG");
        let text = settings(&command);
        assert!(text.contains("PRISM_LOGGING_LEVEL=warn") && !text.contains("secret"), "{text}");
    }
}
