//! The echo: this program as a server without storage.

use std::process::Command;

use tempfile::TempDir;

use super::{Kind, Locations, Target};
use crate::client::Grpc;
use crate::failure::Failure;
use crate::process::{Server, free_address};

pub(super) async fn start(locations: &Locations, folder: TempDir, values: &str) -> Result<Target, Failure> {
    let address = free_address()?;
    let mut command = Command::new(&locations.own);
    command.args(["echo", "--listen", &address.to_string(), "--value-bytes", values]);
    let mut server = Server::start("echo", &mut command, folder.path())?;
    server.ready(address).await?;
    Ok(Target {
        kind: Kind::Echo,
        version: format!("tonic, as in prism-bench {}", env!("CARGO_PKG_VERSION")),
        endpoint: Grpc::endpoint(address),
        database: String::new(),
        server: Some(server),
        data: Box::new(folder),
    })
}
