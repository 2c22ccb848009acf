//! A throwaway cluster, by PostgreSQL's own programs: made in a temporary folder, served on a free port of loopback.
//!
//! What makes data durable (`fsync`, `synchronous_commit`, `full_page_writes`) stays as PostgreSQL has it, which is on. The
//! functions here block: the caller puts them where that does no harm.

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

/// The role that a cluster is made with.
pub(crate) const SUPERUSER: &str = "prism";

/// How a server that is started for tests is set: room for many tests at once, and no checkpoint in the middle of them.
/// Nothing that makes data durable is among it.
pub(crate) const SETTINGS: [(&str, &str); 4] = [
    ("max_connections", "400"),
    ("shared_buffers", "128MB"),
    ("max_wal_size", "2GB"),
    ("checkpoint_timeout", "30min"),
];

/// How long a server may take to start or to stop.
const PATIENCE: &str = "60";

/// A cluster on this machine. Nothing goes when it is dropped: that is for the watchdog, or for [`Cluster::remove`].
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    programs: PathBuf,
    /// Which programs these are.
    origin: String,
    folder: PathBuf,
    /// Whom the server runs as, if that is not who runs the tests.
    user: Option<(u32, u32)>,
    pub(crate) port: u16,
    password: String,
}

impl Cluster {
    /// Makes a cluster by the programs of this machine, not started yet, that goes when `owner` does.
    pub(crate) fn create(owner: &Process, home: &Path) -> Result<Self, String> {
        let programs = find_programs()?;
        let origin = programs.display().to_string();
        Self::by(programs, origin, None, owner, home)
    }

    /// The same by programs that were downloaded.
    pub(crate) fn create_downloaded(owner: &Process, home: &Path) -> Result<Self, String> {
        let unpacked = Unpacked::get()?;
        Self::by(unpacked.programs(), unpacked.origin(), Some(&unpacked), owner, home)
    }

    fn by(
        programs: PathBuf,
        origin: String,
        unpacked: Option<&Unpacked>,
        owner: &Process,
        home: &Path,
    ) -> Result<Self, String> {
        let user = if rustix::process::getuid().is_root() { Some(unprivileged()?) } else { None };
        let temporary = fs::canonicalize(std::env::temp_dir())
            .map_err(|error| format!("there is no folder for temporary files: {error}"))?;
        let folder = temporary.join(format!("prism-postgres-{}", random()?));
        let mut cluster = Self { programs, origin, folder, user, port: free_port()?, password: random()? };

        // The watch comes first: whatever is made from here on is taken away, wherever this process is killed.
        watchdog::watch(owner, home, &Leftover::Cluster { folder: cluster.folder.clone() })
            .map_err(|error| error.to_string())?;
        cluster.make_folder()?;
        // Where the server runs as another user, the folder of the build may be closed to it, as one of root's own is.
        if let Some(unpacked) = unpacked.filter(|unpacked| user.is_some() && !unpacked.is_open_to_others()) {
            cluster.programs = unpacked.copy_to(&cluster.folder.join("programs"))?.programs();
        }
        cluster.initialise()?;
        Ok(cluster)
    }

    /// Makes a standby that streams from this cluster, which runs, and starts it. It goes when `owner` does.
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

    /// Makes a standby a primary, and returns when it takes writes.
    pub(crate) fn promote(&self) -> Result<(), String> {
        self.run(
            self.command("pg_ctl")
                .args(["promote", "--silent", "--wait", "--timeout", PATIENCE, "--pgdata"])
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
        // The password goes over loopback as it is: a challenge would cost every connection of an unoptimised test some
        // milliseconds of hashing. A crash of the machine while initdb runs loses nothing, hence --no-sync.
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

    /// Starts the server and waits until it takes connections, for a minute at most.
    pub(crate) fn start(&self) -> Result<(), String> {
        let log = self.folder.join("log");
        self.run(
            self.command("pg_ctl")
                .args(["start", "--silent", "--wait", "--timeout", PATIENCE, "--log"])
                .arg(&log)
                .arg("--pgdata")
                .arg(self.data()),
        )
        .map_err(|problem| format!("{problem}; its log ends with:\n{}", tail(&log)))
    }

    /// Starts a server for the first time. Somebody else may have taken the port since it was found free.
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
                .args(["stop", "--silent", "--wait", "--timeout", PATIENCE, "--mode=fast", "--pgdata"])
                .arg(self.data()),
        )
    }

    /// SIGKILL to the server and to each of its processes, and returns when all are gone. Nothing is flushed; the next start
    /// recovers from the log.
    pub(crate) fn kill(&self) -> Result<(), String> {
        let main = self.main().ok_or("no server runs on the cluster")?;
        let mut all = vec![main];
        all.extend(process::children(main));
        for pid in &all {
            if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
                // One that has ended by itself is as gone as one that was killed.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while all.iter().any(|pid| process::exists(*pid)) {
            if Instant::now() > deadline {
                return Err("processes of the server are still there 10 s after SIGKILL".to_owned());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        // A process that nobody has collected yet would pass for a server that still runs. They are all gone, so the file is
        // stale.
        let file = self.data().join("postmaster.pid");
        fs::remove_file(&file).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// Stops the server if it runs, without a checkpoint, and deletes the cluster.
    pub(crate) fn remove(&self) {
        // What fails here is the watchdog's to finish.
        let _ = self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// The server's address, at the database that every cluster has.
    pub(crate) fn url(&self) -> Url {
        Url::parse(&format!("postgres://{SUPERUSER}:{}@127.0.0.1:{}/postgres", self.password, self.port))
            .expect("hexadecimal digits and a port make an address")
    }

    /// Which programs it runs by.
    pub(crate) fn origin(&self) -> String {
        self.origin.clone()
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The server's process.
    fn main(&self) -> Option<u32> {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    /// A program of PostgreSQL's, by the user that it has to run as, and untouched by PGDATA, PGPORT and their like.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(&self.folder).stdin(Stdio::null()).env_clear().env("LC_ALL", "C");
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        // Ctrl-C is for the tests; the watchdog then stops the server.
        command.process_group(0);
        command
    }

    #[expect(clippy::unused_self, reason = "reads as a verb of the cluster beside `command`")]
    fn run(&self, command: &mut Command) -> Result<(), String> {
        let program = Path::new(command.get_program()).display().to_string();
        let Output { status, stdout, stderr } =
            command.output().map_err(|error| format!("{program} does not start: {error}"))?;
        if status.success() {
            return Ok(());
        }
        let said = [stdout, stderr].concat();
        let said = String::from_utf8_lossy(&said);
        Err(format!("{program} failed ({status}): {}", said.trim()))
    }
}

/// The folder of PostgreSQL's programs: from PATH, else the newest where Debian and its kin keep them.
pub(crate) fn find_programs() -> Result<PathBuf, String> {
    if let Some(initdb) = watchdog::find_program("initdb") {
        // A link in /usr/bin leads to where the others are.
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

/// Whom the server runs as when the tests run as root, which postgres refuses: user and group of `postgres`, else `nobody`.
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

/// 128 bits of the system's, in hexadecimal digits.
pub(crate) fn random() -> Result<String, String> {
    use std::io::Read;
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| format!("/dev/urandom: {error}"))?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

/// A port of loopback that nobody listened on a moment ago.
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
    fn two_random_texts_differ_and_fit_into_an_address() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert_ne!(one, other);
        assert!(one.len() == 32 && one.chars().all(|c| c.is_ascii_hexdigit()), "{one}");
    }
}
