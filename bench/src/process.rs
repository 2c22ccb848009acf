//! Servers as processes of their own: started on a free port, and gone with the value that stands for them.

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

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server. It is killed when this is dropped: its data is thrown away, so there is nothing to save.
#[derive(Debug)]
pub struct Server {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts `command`; what it says goes to `NAME.log` in `folder`.
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

    /// Waits until it takes connections at `address`.
    ///
    /// # Errors
    /// It ended, or does not for half a minute; with what it said last.
    pub async fn ready(&mut self, address: SocketAddr) -> Result<(), Failure> {
        let began = Instant::now();
        loop {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Ok(());
            }
            match self.child.try_wait() {
                Ok(None) if began.elapsed() < PATIENCE => tokio::time::sleep(Duration::from_millis(10)).await,
                Ok(None) => return Err(self.complaint("does not answer")),
                Ok(Some(status)) => return Err(self.complaint(&format!("ended with {status}"))),
                Err(why) => return Err(self.complaint(&why.to_string())),
            }
        }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Bytes of memory that it has now, and the most it ever had.
    pub fn memory(&self) -> (u64, u64) {
        let status = format!("/proc/{}/status", self.id());
        let bytes = |name| field(&status, name).and_then(|text| kilobytes(&text)).unwrap_or(0);
        (bytes("VmRSS"), bytes("VmHWM"))
    }

    fn complaint(&self, what: &str) -> Failure {
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = said.lines().rev().take(5).collect();
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

/// A port of loopback that nobody listens on. Somebody else may take it before its server does, which then says so.
///
/// # Errors
/// There is none.
pub fn free_address() -> Result<SocketAddr, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|why| Failure::of("no free port on loopback", &why))
}

/// A folder for data on a real disk, gone with the value: in `parent`, else in the system's temporary folder, or in
/// /var/tmp where that is kept in memory.
///
/// # Errors
/// It cannot be made.
pub fn data_folder(parent: Option<&Path>) -> Result<TempDir, Failure> {
    let temporary = std::env::temp_dir();
    let parent = parent.unwrap_or(if in_memory(&temporary) { Path::new("/var/tmp") } else { &temporary });
    tempfile::Builder::new()
        .prefix("prism-bench-")
        .tempdir_in(parent)
        .map_err(|why| Failure::of(&format!("no folder can be made in '{}'", parent.display()), &why))
}

/// Whether the folder is on tmpfs, which makes a durable write cost nothing.
pub fn in_memory(folder: &Path) -> bool {
    const TMPFS: i128 = 0x0102_1994;
    rustix::fs::statfs(folder).is_ok_and(|system| i128::from(system.f_type) == TMPFS)
}

/// Lets this process and those that it starts open as many files as the system allows: each connection is one.
pub fn allow_many_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What is not allowed will show when it is needed.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Where a program is: on PATH, else in one of `folders`.
pub fn find(program: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(folders.iter().cloned())
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// The first line that a program prints, for its version.
pub fn first_line(program: impl AsRef<OsStr>, argument: &str) -> io::Result<String> {
    let output = Command::new(program).arg(argument).stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_ends_at_once_is_told_with_what_it_said() {
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
    fn a_server_goes_with_its_value() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sleep");
        command.arg("60");
        let server = Server::start("sleeper", &mut command, folder.path()).unwrap();
        let process = PathBuf::from(format!("/proc/{}", server.id()));
        assert!(process.exists());
        let (now, most) = server.memory();
        assert!(now > 0 && most >= now, "{now} {most}");
        drop(server);
        assert!(!process.exists());
    }
}
