//! Redis, configured for durability: each write is synced to disk before its acknowledgement.

use std::process::Command;

use tempfile::TempDir;

use super::{Kind, Target};
use crate::failure::Failure;
use crate::process::{Server, first_line, free_address};

pub(super) async fn start(folder: TempDir) -> Result<Target, Failure> {
    let address = free_address()?;
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &address.port().to_string(), "--bind", &address.ip().to_string()])
        .args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""])
        .arg("--dir")
        .arg(folder.path());
    let mut server = Server::start("redis", &mut command, folder.path())?;
    server.ready(address).await?;
    let version = first_line("redis-server", "--version").unwrap_or_default();
    let version = version.split(" sha=").next().unwrap_or_default();
    Ok(Target {
        kind: Kind::Redis,
        version: format!("{version}, appendonly yes, appendfsync always"),
        endpoint: format!("redis://{address}"),
        database: String::new(),
        server: Some(server),
        data: Box::new(folder),
    })
}
