//! PgBouncer before a server, as it comes: for tests of what a pooler on the way does.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use url::Url;

use crate::{Error, address, binaries, selection};

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// PgBouncer's `pool_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// A client keeps its server connection until it leaves.
    Session,
    /// A client has a server connection for one transaction.
    Transaction,
    /// A client has a server connection for one statement.
    Statement,
}

/// PgBouncer on a port of loopback, with nothing in its configuration but where the server is and the pool's mode and size.
/// It goes when the value is dropped, or when the process is gone.
#[derive(Debug)]
pub struct Pooler {
    url: Url,
    folder: PathBuf,
    /// A shell that ends PgBouncer when its input ends.
    keeper: Child,
}

impl Pooler {
    /// Starts it before the server of `url`; `settings` are further lines of its section `[pgbouncer]`. Needs `pgbouncer`
    /// ([`crate::lacks`]). Blocks until it listens, for 10 s at most.
    ///
    /// # Errors
    /// There is no such program, or it does not listen.
    pub fn before(url: &str, mode: PoolMode, settings: &str) -> Result<Self, Error> {
        let problem = |what: &str| Error::Machine(format!("pgbouncer: {what}"));
        let io = |error: std::io::Error| Error::io("pgbouncer", &error);
        let server: Url =
            url.parse().map_err(|error| problem(&format!("the address of a server: {error}")))?;
        let program = selection::find("pgbouncer").ok_or_else(|| problem("is not installed"))?;
        let (host, server_port) = address::place(&server);
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
        // However this process ends, the shell's input ends with it.
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
        let pooler = Self { url: address::with_place(&server, port), folder, keeper };
        let until = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > until {
                return Err(problem("does not listen"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(pooler)
    }

    /// The address of the server, by way of PgBouncer.
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
