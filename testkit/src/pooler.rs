//! PgBouncer in front of a server with default settings: for tests through a connection pooler.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use url::Url;

use crate::{Error, address, binaries, selection};

/// Startup timeout, until it listens.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(10);

/// PgBouncer's `pool_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// Server connection per client session.
    Session,
    /// Server connection per transaction.
    Transaction,
    /// Server connection per statement.
    Statement,
}

/// PgBouncer on a loopback port, configured with the server's address and the pool mode only. Stopped on drop, or when the
/// process ends.
#[derive(Debug)]
pub struct Pooler {
    url: Url,
    folder: PathBuf,
    /// A shell that stops PgBouncer at the end of its stdin.
    keeper: Child,
}

impl Pooler {
    /// Starts PgBouncer in front of the server at `url`; `settings` are additional lines for its `[pgbouncer]` section.
    /// Requires `pgbouncer` ([`crate::lacks`]). Blocks until it listens, 10 s at most.
    ///
    /// # Errors
    /// `pgbouncer` is not installed, or does not listen.
    pub fn before(url: &str, mode: PoolMode, settings: &str) -> Result<Self, Error> {
        let problem = |what: &str| Error::Machine(format!("pgbouncer: {what}"));
        let io = |error: std::io::Error| Error::io("pgbouncer", &error);
        let server: Url = url.parse().map_err(|error| problem(&format!("server address: {error}")))?;
        let program = selection::find("pgbouncer").ok_or_else(|| problem("is not installed"))?;
        let (host, server_port) = address::host_and_port(&server);
        let port = binaries::free_port().map_err(Error::Machine)?;
        let folder = std::env::temp_dir()
            .join(format!("prism-pgbouncer-{}", binaries::random().map_err(Error::Machine)?));
        DirBuilder::new().mode(0o755).create(&folder).map_err(io)?;
        let mode = match mode {
            PoolMode::Session => "session",
            PoolMode::Transaction => "transaction",
            PoolMode::Statement => "statement",
        };
        let configuration = format!(
            "[databases]\n* = host={host} port={server_port} user={} password={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nauth_type = any\nunix_socket_dir =\npool_mode = {mode}\n{settings}\n",
            server.username(),
            server.password().unwrap_or_default(),
        );
        let file = folder.join("pgbouncer.ini");
        fs::write(&file, configuration).map_err(io)?;
        // Whichever way this process ends, the shell sees the end of its stdin.
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "\"$0\" --quiet \"$1\" </dev/null & read -r _; kill $!; wait; rm -r \"$2\""])
            .args([&program, &file, &folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        if rustix::process::getuid().is_root() {
            let (user, group) = binaries::unprivileged().map_err(Error::Machine)?;
            std::os::unix::fs::chown(&folder, Some(user), Some(group)).map_err(io)?;
            command.uid(user).gid(group);
        }
        let keeper = command.spawn().map_err(io)?;
        let pooler = Self { url: address::with_loopback_port(&server, port), folder, keeper };
        let deadline = Instant::now() + STARTUP_TIMEOUT;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline {
                return Err(problem("does not listen"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(pooler)
    }

    /// The URL of the server through PgBouncer.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
