//! Cleanup of test resources after the end of their run, also after SIGKILL: by a shell script in a separate session, or
//! after a machine crash by the next run.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::process::Process;

const SCRIPT: &str = include_str!("watchdog.sh");

/// A resource to remove.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Leftover {
    /// A folder with a cluster in it, and the server that runs on it.
    Cluster { folder: PathBuf },
    /// A folder with a broker's data, and the broker whose pid is in it.
    Broker { folder: PathBuf },
    /// A container, with CLI and address of its engine.
    Container { engine: PathBuf, host: String, name: String },
    /// A database on an external server. The environment holds the server's address.
    Database { psql: PathBuf, environment: Vec<(String, String)>, name: String },
}

/// The per-user private folder in which processes share the records of their servers.
///
/// # Errors
/// It cannot be created, or belongs to another user.
pub(crate) fn registry() -> Result<PathBuf, Error> {
    let uid = rustix::process::getuid().as_raw();
    let path = std::env::temp_dir().join(format!("prism-testkit-{uid}"));
    match fs::DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(Error::io(&format!("cannot create the folder {}", path.display()), &error));
        }
        _ => {}
    }
    let found = fs::symlink_metadata(&path)
        .map_err(|error| Error::io(&format!("cannot read {}", path.display()), &error))?;
    if !found.is_dir() || found.uid() != uid || found.mode() & 0o077 != 0 {
        return Err(Error::Machine(format!(
            "{} is not a folder with access for this user only: remove it",
            path.display()
        )));
    }
    Ok(path)
}

/// Creates a folder in the registry; its name begins with the owning process.
pub(crate) fn home(owner: &Process, label: &str) -> Result<PathBuf, Error> {
    let home = registry()?.join(format!("{owner}-{label}"));
    fs::create_dir_all(&home)
        .map_err(|error| Error::io(&format!("cannot create the folder {}", home.display()), &error))?;
    Ok(home)
}

/// Schedules the removal of `leftover`, then of `home`, for when `owner` ends or `home` disappears.
pub(crate) fn watch(owner: &Process, home: &Path, leftover: &Leftover) -> Result<(), Error> {
    let record = serde_json::to_vec(leftover).expect("paths and names are text");
    fs::write(home.join("leftover.json"), record)
        .map_err(|error| Error::io(&format!("cannot write into {}", home.display()), &error))?;
    spawn(owner, home, leftover).map_err(|error| Error::io("cannot start the watchdog with sh", &error))
}

fn spawn(owner: &Process, home: &Path, leftover: &Leftover) -> std::io::Result<()> {
    // A separate session, out of reach of Ctrl-C and of a runner that kills its process group. Without setsid, a separate
    // process group and ignoring SIGHUP come close.
    let mut command = if find_program("setsid").is_some() {
        let mut command = Command::new("setsid");
        command.arg("sh");
        command
    } else {
        let mut command = Command::new("sh");
        command.process_group(0);
        command
    };
    command.args(["-s", "--", &owner.pid.to_string(), &owner.start]).arg(home);
    match leftover {
        Leftover::Cluster { folder } => command.arg("cluster").arg(folder),
        Leftover::Broker { folder } => command.arg("broker").arg(folder),
        Leftover::Container { engine, host, name } => command
            .arg("container")
            .arg(engine)
            .arg(name)
            .env("DOCKER_HOST", host)
            .env("CONTAINER_HOST", host),
        Leftover::Database { psql, environment, name } => {
            command.arg("database").arg(psql).arg(name).envs(environment.iter().cloned())
        }
    };
    // A test's working directory may be deleted while the watchdog runs.
    command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut shell = command.spawn()?;
    // The pipe is dropped at the end of the statement: end of script for the shell.
    shell.stdin.take().expect("stdin is piped").write_all(SCRIPT.as_bytes())?;
    // The shell backgrounds its work and exits.
    shell.wait()?;
    Ok(())
}

/// Removes the leftovers of ended runs and processes that no watchdog removed.
pub(crate) fn reap(registry: &Path) {
    for entry in fs::read_dir(registry).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let mut parts = name.splitn(3, '-');
        let (Some(pid), Some(start)) = (parts.next(), parts.next()) else { continue };
        let Ok(owner) = format!("{pid}-{start}").parse::<Process>() else { continue };
        if owner.alive() {
            continue;
        }
        let record = fs::read(entry.path().join("leftover.json")).ok();
        match record.and_then(|json| serde_json::from_slice(&json).ok()) {
            // Another watchdog may be at work on it: removal is idempotent.
            Some(leftover) => drop(spawn(&owner, &entry.path(), &leftover)),
            // The process died before it created anything.
            None => drop(fs::remove_dir_all(entry.path())),
        }
    }
}

/// Path of the first executable of this name on PATH.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| fs::metadata(file).is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0))
}
