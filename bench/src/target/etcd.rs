//! etcd, one member, with its default durability.

use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Kind, Target};
use crate::client::{CallFailure, Etcd};
use crate::failure::Failure;
use crate::process::{Server, first_line, free_address};

pub(super) async fn start(folder: TempDir) -> Result<Target, Failure> {
    let (clients, peers) = (free_address()?, free_address()?);
    let (endpoint, peers) = (format!("http://{clients}"), format!("http://{peers}"));
    let mut command = Command::new("etcd");
    command
        .arg("--data-dir")
        .arg(folder.path().join("data"))
        .args(["--listen-client-urls", &endpoint, "--advertise-client-urls", &endpoint])
        .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
        .args(["--initial-cluster", &format!("default={peers}")])
        // The default quota of 2 GiB would end a long run.
        .args(["--quota-backend-bytes", "8589934592", "--logger", "zap", "--log-level", "error"]);
    let mut server = Server::start("etcd", &mut command, folder.path())?;
    server.ready(clients).await?;
    await_leader(&endpoint).await?;
    let version = first_line("etcd", "--version").unwrap_or_default();
    Ok(Target {
        kind: Kind::Etcd,
        version,
        endpoint,
        database: String::new(),
        server: Some(server),
        data: Box::new(folder),
    })
}

/// Waits for the leader election: a member accepts connections before it can serve them.
async fn await_leader(endpoint: &str) -> Result<(), Failure> {
    let mut client = Etcd::connect(endpoint).await?;
    let began = Instant::now();
    while let Err(failure) = client.get(0).await {
        if began.elapsed() > Duration::from_secs(30) {
            let (CallFailure::Error(why) | CallFailure::Wrong(why)) = failure else { continue };
            return Err(Failure::of("etcd", &why));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
