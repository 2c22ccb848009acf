//! Takes away what was made for tests once they are gone, also if they were killed: a shell script in a session of its own,
//! and for what even that leaves (a machine that went down), the next run.

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

/// What has to be taken away.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Leftover {
    /// A folder with a cluster in it, and the server that runs on it.
    Cluster { folder: PathBuf },
    /// A container, by the command and the address of its engine.
    Container { engine: PathBuf, host: String, name: String },
    /// A database on a server that is not ours. The environment names the server.
    Database { psql: PathBuf, environment: Vec<(String, String)>, name: String },
}

/// The folder for what processes of this user know of each other's servers: private, one per user.
///
/// # Errors
/// It cannot be made, or somebody else made it.
pub(crate) fn registry() -> Result<PathBuf, Error> {
    let uid = rustix::process::getuid().as_raw();
    let path = std::env::temp_dir().join(format!("prism-testkit-{uid}"));
    match fs::DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(Error::io(&format!("cannot make the folder {}", path.display()), &error));
        }
        _ => {}
    }
    let found = fs::symlink_metadata(&path)
        .map_err(|error| Error::io(&format!("cannot read {}", path.display()), &error))?;
    if !found.is_dir() || found.uid() != uid || found.mode() & 0o077 != 0 {
        return Err(Error::Machine(format!(
            "{} must be a folder of this user that nobody else can enter: remove it",
            path.display()
        )));
    }
    Ok(path)
}

/// Makes `name` in the registry: a folder whose name begins with the process that it belongs to.
pub(crate) fn home(owner: &Process, label: &str) -> Result<PathBuf, Error> {
    let home = registry()?.join(format!("{owner}-{label}"));
    fs::create_dir_all(&home)
        .map_err(|error| Error::io(&format!("cannot make the folder {}", home.display()), &error))?;
    Ok(home)
}

/// Sees to it that `leftover` and then `home` go when `owner` is gone, or when `home` is.
pub(crate) fn watch(owner: &Process, home: &Path, leftover: &Leftover) -> Result<(), Error> {
    let record = serde_json::to_vec(leftover).expect("paths and names are text");
    fs::write(home.join("leftover.json"), record)
        .map_err(|error| Error::io(&format!("cannot write into {}", home.display()), &error))?;
    spawn(owner, home, leftover).map_err(|error| Error::io("cannot start the watchdog with sh", &error))
}

fn spawn(owner: &Process, home: &Path, leftover: &Leftover) -> std::io::Result<()> {
    // A session of its own, so that neither Ctrl-C nor a runner that ends a group of processes ends it too. Where there is
    // no setsid, a group of its own and deafness to SIGHUP come close.
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
    // The folder of a test may be gone before this is.
    command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut shell = command.spawn()?;
    // Dropped at the end of the statement, which is the end of the script for the shell.
    shell.stdin.take().expect("a pipe was asked for").write_all(SCRIPT.as_bytes())?;
    // The shell puts its work into the background and ends.
    shell.wait()?;
    Ok(())
}

/// Takes away what runs and processes have left that are gone, and that no watchdog took away.
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
            // Another watchdog may be at it: all that is done can be done twice.
            Some(leftover) => drop(spawn(&owner, &entry.path(), &leftover)),
            // The process died before it made anything.
            None => drop(fs::remove_dir_all(entry.path())),
        }
    }
}

/// The first folder of PATH that has an executable of this name.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| fs::metadata(file).is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0))
}
