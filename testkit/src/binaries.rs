//! A throwaway cluster from PostgreSQL's binaries: in a temporary folder, on a free loopback port.
//!
//! The durability settings (`fsync`, `synchronous_commit`, `full_page_writes`) keep PostgreSQL's defaults, which are on. All
//! functions here block: call them from a blocking thread.

use std::fs::{self, DirBuilder};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use url::Url;

use crate::download::Unpacked;
use crate::process::{self, Process};
use crate::watchdog::{self, Leftover};

/// The superuser role of a cluster.
pub(crate) const SUPERUSER: &str = "prism";

/// Settings of a test server: enough connections for parallel tests, and no checkpoint during them. Durability settings are
/// not changed.
pub(crate) const SETTINGS: [(&str, &str); 4] = [
    ("max_connections", "400"),
    ("shared_buffers", "128MB"),
    ("max_wal_size", "2GB"),
    ("checkpoint_timeout", "30min"),
];

/// Timeout in seconds for a server to start, stop or be promoted.
const PG_CTL_TIMEOUT: &str = "60";

/// A cluster on this machine. Dropping it removes nothing: the watchdog or [`Cluster::remove`] does.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    programs: PathBuf,
    /// Where the programs come from.
    origin: String,
    folder: PathBuf,
    /// User and group of the server, if they differ from the tests'.
    user: Option<(u32, u32)>,
    pub(crate) port: u16,
    password: String,
}

impl Cluster {
    /// Creates a cluster with this machine's programs, not started yet; removed when `owner` ends.
    pub(crate) fn create(owner: &Process, home: &Path) -> Result<Self, String> {
        let programs = find_programs()?;
        let origin = programs.display().to_string();
        Self::with_programs(programs, origin, None, owner, home)
    }

    /// The same with downloaded programs.
    pub(crate) fn create_downloaded(owner: &Process, home: &Path) -> Result<Self, String> {
        let unpacked = Unpacked::get()?;
        Self::with_programs(unpacked.programs(), unpacked.origin(), Some(&unpacked), owner, home)
    }

    fn with_programs(
        programs: PathBuf,
        origin: String,
        unpacked: Option<&Unpacked>,
        owner: &Process,
        home: &Path,
    ) -> Result<Self, String> {
        let user = if rustix::process::getuid().is_root() { Some(unprivileged()?) } else { None };
        let temporary = fs::canonicalize(std::env::temp_dir())
            .map_err(|error| format!("no folder for temporary files: {error}"))?;
        let folder = temporary.join(format!("prism-postgres-{}", random()?));
        let mut cluster = Self { programs, origin, folder, user, port: free_port()?, password: random()? };

        // Watchdog first: whatever is created from here on is removed, wherever this process is killed.
        watchdog::watch(owner, home, &Leftover::Cluster { folder: cluster.folder.clone() })
            .map_err(|error| error.to_string())?;
        cluster.make_folder()?;
        // A server under another user may have no access to the folder of the build, e.g. below root's home.
        if let Some(unpacked) = unpacked.filter(|unpacked| user.is_some() && !unpacked.is_open_to_others()) {
            cluster.programs = unpacked.copy_to(&cluster.folder.join("programs"))?.programs();
        }
        cluster.initialise()?;
        Ok(cluster)
    }

    /// Creates and starts a standby that streams from this running cluster; removed when `owner` ends.
    pub(crate) fn standby(&self, owner: &Process, home: &Path) -> Result<Self, String> {
        let name = self.folder.file_name().unwrap_or_default().to_string_lossy();
        let folder = self.folder.with_file_name(format!("{name}-{}", random()?));
        let mut standby = Self { folder, port: free_port()?, ..self.clone() };
        watchdog::watch(owner, home, &Leftover::Cluster { folder: standby.folder.clone() })
            .map_err(|error| error.to_string())?;
        standby.make_folder()?;
        let copied = standby
            .run(
                standby
                    .command("pg_basebackup")
                    .args(["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"])
                    .args(["--dbname", self.url().as_str(), "--pgdata"])
                    .arg(standby.data()),
            )
            .and_then(|()| standby.configure())
            .and_then(|()| standby.start_on_a_free_port());
        if let Err(problem) = copied {
            standby.remove();
            return Err(problem);
        }
        Ok(standby)
    }

    /// Promotes a standby to primary; returns when it accepts writes.
    pub(crate) fn promote(&self) -> Result<(), String> {
        self.run(
            self.command("pg_ctl")
                .args(["promote", "--silent", "--wait", "--timeout", PG_CTL_TIMEOUT, "--pgdata"])
                .arg(self.data()),
        )
    }

    fn make_folder(&self) -> Result<(), String> {
        let io = |error: std::io::Error| format!("{}: {error}", self.folder.display());
        DirBuilder::new().mode(0o700).create(&self.folder).map_err(io)?;
        if let Some((user, group)) = self.user {
            std::os::unix::fs::chown(&self.folder, Some(user), Some(group)).map_err(io)?;
        }
        Ok(())
    }

    fn initialise(&self) -> Result<(), String> {
        let io = |error: std::io::Error| format!("{}: {error}", self.folder.display());
        let password = self.folder.join("password");
        fs::write(&password, &self.password).map_err(io)?;
        if let Some((user, group)) = self.user {
            std::os::unix::fs::chown(&password, Some(user), Some(group)).map_err(io)?;
        }
        // Cleartext password over loopback: SCRAM would cost each connection milliseconds of hashing in a debug build.
        // --no-sync: a machine crash during initdb loses nothing of value.
        self.run(
            self.command("initdb")
                .args(["--username", SUPERUSER, "--pwfile"])
                .arg(&password)
                .args([
                    "--auth-host=password",
                    "--auth-local=reject",
                    "--encoding=UTF8",
                    "--locale=C",
                    "--no-sync",
                ])
                .arg("--pgdata")
                .arg(self.data()),
        )?;
        self.configure()
    }

    fn configure(&self) -> Result<(), String> {
        let mut text =
            format!("\nlisten_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = ''\n", self.port);
        for (name, value) in SETTINGS {
            text += &format!("{name} = '{value}'\n");
        }
        let file = self.data().join("postgresql.conf");
        fs::OpenOptions::new()
            .append(true)
            .open(&file)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| format!("{}: {error}", file.display()))
    }

    /// Starts the server and waits until it accepts connections, one minute at most.
    pub(crate) fn start(&self) -> Result<(), String> {
        let log = self.folder.join("log");
        self.run(
            self.command("pg_ctl")
                .args(["start", "--silent", "--wait", "--timeout", PG_CTL_TIMEOUT, "--log"])
                .arg(&log)
                .arg("--pgdata")
                .arg(self.data()),
        )
        .map_err(|problem| format!("{problem}; its log ends with:\n{}", tail(&log)))
    }

    /// First start of a server, with retries on another port if the chosen one has been taken in the meantime.
    pub(crate) fn start_on_a_free_port(&mut self) -> Result<(), String> {
        let mut problem = String::new();
        for _ in 0..3 {
            match self.start() {
                Ok(()) => return Ok(()),
                Err(error) => problem = error,
            }
            if !problem.contains("Address already in use") {
                break;
            }
            self.port = free_port()?;
            self.configure()?;
        }
        Err(problem)
    }

    /// Fast shutdown: sessions are cut, the data is flushed.
    pub(crate) fn stop(&self) -> Result<(), String> {
        self.run(
            self.command("pg_ctl")
                .args(["stop", "--silent", "--wait", "--timeout", PG_CTL_TIMEOUT, "--mode=fast", "--pgdata"])
                .arg(self.data()),
        )
    }

    /// SIGKILL to the server and all its processes; returns when all have ended. Nothing is flushed; the next start recovers
    /// from the WAL.
    pub(crate) fn kill(&self) -> Result<(), String> {
        let postmaster = self.postmaster().ok_or("no server runs on the cluster")?;
        let mut all = vec![postmaster];
        all.extend(process::children(postmaster));
        for pid in &all {
            if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
                // Failure means that it has already ended.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while all.iter().any(|pid| process::exists(*pid)) {
            if Instant::now() > deadline {
                return Err("processes of the server still run 10 s after SIGKILL".to_owned());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // pg_ctl would take an unreaped zombie for a running server. All processes have ended, so the file is stale.
        let file = self.data().join("postmaster.pid");
        fs::remove_file(&file).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// Stops a running server without a checkpoint, and deletes the cluster.
    pub(crate) fn remove(&self) {
        // On failure, the watchdog cleans up.
        let _ = self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// The server's URL, with the database `postgres`, which every cluster has.
    pub(crate) fn url(&self) -> Url {
        Url::parse(&format!("postgres://{SUPERUSER}:{}@127.0.0.1:{}/postgres", self.password, self.port))
            .expect("hexadecimal digits and a port make a valid URL")
    }

    /// Where its programs come from.
    pub(crate) fn origin(&self) -> String {
        self.origin.clone()
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The postmaster's pid.
    fn postmaster(&self) -> Option<u32> {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    /// A PostgreSQL program under the server's user, with an environment without PGDATA, PGPORT and the like.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(&self.folder).stdin(Stdio::null()).env_clear().env("LC_ALL", "C");
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        // Ctrl-C must reach the tests only; the watchdog then stops the server.
        command.process_group(0);
        command
    }

    #[expect(clippy::unused_self, reason = "a method for symmetry with `command`")]
    fn run(&self, command: &mut Command) -> Result<(), String> {
        let program = Path::new(command.get_program()).display().to_string();
        let Output { status, stdout, stderr } =
            command.output().map_err(|error| format!("{program} does not start: {error}"))?;
        if status.success() {
            return Ok(());
        }
        let output = [stdout, stderr].concat();
        let output = String::from_utf8_lossy(&output);
        Err(format!("{program} failed ({status}): {}", output.trim()))
    }
}

/// The folder of PostgreSQL's programs: from PATH, else the newest version in Debian's layout.
pub(crate) fn find_programs() -> Result<PathBuf, String> {
    if let Some(initdb) = watchdog::find_program("initdb") {
        // A symlink in /usr/bin leads to the folder of the other programs.
        let initdb = fs::canonicalize(&initdb).unwrap_or(initdb);
        if let Some(folder) = initdb.parent().filter(|folder| complete(folder)) {
            return Ok(folder.to_owned());
        }
    }
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| complete(folder))
        .collect();
    found.sort();
    found.pop().map(|(_, folder)| folder).ok_or_else(|| {
        "no folder of PATH and none of /usr/lib/postgresql/*/bin has initdb, postgres and pg_ctl".to_owned()
    })
}

pub(crate) fn complete(folder: &Path) -> bool {
    ["initdb", "postgres", "pg_ctl"].iter().all(|program| folder.join(program).is_file())
}

/// User and group for the server when the tests run as root, which postgres refuses: `postgres`, else `nobody`.
pub(crate) fn unprivileged() -> Result<(u32, u32), String> {
    let users = fs::read_to_string("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| user_in(&users, name))
        .ok_or_else(|| "postgres refuses to run as root, and there is no user postgres or nobody".to_owned())
}

fn user_in(users: &str, name: &str) -> Option<(u32, u32)> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}

/// 128 random bits from the system, in hexadecimal.
pub(crate) fn random() -> Result<String, String> {
    use std::io::Read;
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| format!("/dev/urandom: {error}"))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

/// A loopback port that was free at the time of the call.
pub(crate) fn free_port() -> Result<u16, String> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("no port of 127.0.0.1 is free: {error}"))
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let users = "postgresql:x:1:2::/:/bin/sh\npostgres:x:101:104:a,b:/var/lib:/bin/bash\n";
        assert_eq!(user_in(users, "postgres"), Some((101, 104)));
        assert_eq!(user_in(users, "nobody"), None);
    }

    #[test]
    fn random_values_differ_and_are_url_safe() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert_ne!(one, other);
        assert!(one.len() == 32 && one.chars().all(|c| c.is_ascii_hexdigit()), "{one}");
    }
}
