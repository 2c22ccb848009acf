//! Server processes: started on a free port, killed when their value is dropped.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::failure::Failure;
use crate::machine::{field, kilobytes};

/// Startup timeout of a server.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(30);

/// A running server. Killed on drop: its data is temporary, so no clean shutdown is needed.
#[derive(Debug)]
pub struct Server {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts `command`, with its output in `NAME.log` in `folder`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(name: &str, command: &mut Command, folder: &Path) -> Result<Self, Failure> {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).map_err(|why| Failure::of(&log.display().to_string(), &why))?;
        let program = command.get_program().to_string_lossy().into_owned();
        let child = file
            .try_clone()
            .and_then(|also| command.stdin(Stdio::null()).stdout(file).stderr(also).spawn())
            .map_err(|why| Failure::of(&format!("{name}: '{program}' cannot be started"), &why))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Waits until it accepts connections at `address`.
    ///
    /// # Errors
    /// It exited, or accepts none for half a minute; with the last lines of its output.
    pub async fn ready(&mut self, address: SocketAddr) -> Result<(), Failure> {
        let began = Instant::now();
        loop {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Ok(());
            }
            match self.child.try_wait() {
                Ok(None) if began.elapsed() < STARTUP_TIMEOUT => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                Ok(None) => return Err(self.failure("accepts no connections")),
                Ok(Some(status)) => return Err(self.failure(&format!("ended with {status}"))),
                Err(why) => return Err(self.failure(&why.to_string())),
            }
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Current and peak resident memory, in bytes.
    pub fn memory(&self) -> (u64, u64) {
        let status = format!("/proc/{}/status", self.id());
        let bytes = |name| field(&status, name).and_then(|text| kilobytes(&text)).unwrap_or(0);
        (bytes("VmRSS"), bytes("VmHWM"))
    }

    fn failure(&self, what: &str) -> Failure {
        let output = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = output.lines().rev().take(5).collect();
        let last: Vec<&str> = lines.into_iter().rev().collect();
        Failure::Failed(format!("{} {what}\n{}", self.name, last.join("\n")).trim_end().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A free loopback port. Another process may take it first; the server then fails to start with an error.
///
/// # Errors
/// No port is free.
pub fn free_address() -> Result<SocketAddr, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|why| Failure::of("no free port on loopback", &why))
}

/// A folder for data on a real disk, removed on drop: in `parent`, else in the system's temporary folder, or in /var/tmp
/// if that folder is in memory.
///
/// # Errors
/// It cannot be created.
pub fn data_folder(parent: Option<&Path>) -> Result<TempDir, Failure> {
    let temporary = std::env::temp_dir();
    let parent = parent.unwrap_or(if in_memory(&temporary) { Path::new("/var/tmp") } else { &temporary });
    tempfile::Builder::new()
        .prefix("prism-bench-")
        .tempdir_in(parent)
        .map_err(|why| Failure::of(&format!("cannot create a folder in '{}'", parent.display()), &why))
}

/// Whether the folder is on tmpfs, where durable writes are free.
pub fn in_memory(folder: &Path) -> bool {
    const TMPFS: i128 = 0x0102_1994;
    rustix::fs::statfs(folder).is_ok_and(|system| i128::from(system.f_type) == TMPFS)
}

/// Raises the limit of open files to the maximum, also for child processes: each connection needs one.
pub fn allow_many_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If this fails, opening connections will report it.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Path of a program: on PATH, else in one of `folders`.
pub fn find(program: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(folders.iter().cloned())
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// The first line of a program's output, for its version.
pub fn first_line(program: impl AsRef<OsStr>, argument: &str) -> io::Result<String> {
    let output = Command::new(program).arg(argument).stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_exits_at_startup_is_reported_with_its_output() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo the disk is full >&2; exit 3"]);
        let mut server = Server::start("broken", &mut command, folder.path()).unwrap();
        let why = server.ready(free_address().unwrap()).await.unwrap_err().to_string();
        assert!(
            why.contains("broken ended with exit status: 3") && why.contains("the disk is full"),
            "{why}"
        );
    }

    #[test]
    fn a_server_is_killed_on_drop() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sleep");
        command.arg("60");
        let server = Server::start("sleeper", &mut command, folder.path()).unwrap();
        let process = PathBuf::from(format!("/proc/{}", server.id()));
        assert!(process.exists());
        let (now, peak) = server.memory();
        assert!(now > 0 && peak >= now, "{now} {peak}");
        drop(server);
        assert!(!process.exists());
    }
}
