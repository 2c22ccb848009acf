//! A server that the suite starts, stops and kills.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use prism_wire::channel::Options;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::command::{Placeholders, words};
use super::endpoint::TICK;
use super::gateway::Connected;
use super::{Configuration, Connection, Gateway, Remote, Unreachable, probe};
use crate::core::{Abilities, Ability, Case, Failure, Harness, Instance, Mode, OpenError, Restart, span};

/// Timeout of a server's start until its first response, and of its shutdown after SIGTERM.
const START_STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// Interval of the readiness polls of a starting server.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Number of log lines shown.
const LOG_LINES: usize = 40;
/// Maximum bytes of a log that are read for one call.
const MAX_LOG_BYTES: u64 = 1 << 20;

/// A server that the suite starts. Cases share one process, except for those that stop or observe it.
pub struct Spawn<A: Remote> {
    name: String,
    start: Arc<Start>,
    description: A::Description,
    configuration: Configuration,
    shared: Mutex<Arc<Process>>,
}

/// The parameters of a server start.
struct Start {
    words: Vec<String>,
    /// Checks that a server responds.
    check: fn(Connection) -> BoxFuture<'static, Result<(), NotReady>>,
    options: Options,
    keep: bool,
}

impl<A: Remote> Spawn<A> {
    /// Starts `command` once, to read its capabilities.
    ///
    /// The listen address and the data location are passed in `PRISM_SERVER_LISTEN` and `PRISM_DATABASE_PATH`, and as
    /// `{listen}`, `{port}` and `{dir}` in the command. `options` holds the credentials; of its address only the scheme is
    /// used, for TLS. `keep` keeps the data folders.
    pub async fn start(
        name: impl Into<String>,
        command: &str,
        options: Options,
        keep: bool,
    ) -> Result<Self, Unreachable> {
        let words = words(command).map_err(|why| Unreachable::Usage(format!("--spawn: {why}")))?;
        let start = Arc::new(Start { words, options, keep, check: check::<A> });
        let process = Process::start(Arc::clone(&start)).await;
        let process = Arc::new(process.map_err(|error| Unreachable::Unavailable(error.to_string()))?);
        let connection = process.connect().await;
        let connection = connection.map_err(|error| Unreachable::Unavailable(error.to_string()))?;
        let not_ready = |failure: Failure| Unreachable::Unavailable(NotReady::of::<A>(&failure).why);
        let description = A::describe(&connection, &namespace::<A>()).await.map_err(not_ready)?;
        let configuration = A::configuration(&connection).await.map_err(not_ready)?;
        Ok(Self { name: name.into(), start, description, configuration, shared: Mutex::new(process) })
    }

    /// The server's description.
    pub fn description(&self) -> &A::Description {
        &self.description
    }

    /// The shared process; a new one, if the last has ended.
    async fn shared(&self) -> Result<Arc<Process>, OpenError> {
        let mut shared = self.shared.lock().await;
        if !shared.is_alive().await {
            *shared = Arc::new(Process::start(Arc::clone(&self.start)).await?);
        }
        Ok(Arc::clone(&shared))
    }
}

#[async_trait]
impl<A: Remote> Harness<A> for Spawn<A> {
    fn name(&self) -> &str {
        &self.name
    }

    fn mode(&self) -> Mode {
        Mode::Wire
    }

    fn capabilities(&self) -> A::Capabilities {
        A::described_capabilities(&self.description)
    }

    fn abilities(&self) -> Abilities {
        self.configuration.abilities.with(Ability::Restart).with(Ability::Crash)
    }

    fn why_missing(&self, ability: Ability) -> String {
        self.configuration.why_missing(ability)
    }

    async fn open(&self) -> Result<Box<dyn Instance<A>>, OpenError> {
        let process = Arc::new(Process::start(Arc::clone(&self.start)).await?);
        Ok(Box::new(Connected::to(process, self.start.options.clone()).await?))
    }

    async fn open_for(&self, case: &Case<A>) -> Result<Box<dyn Instance<A>>, OpenError> {
        if case.is_alone() {
            return self.open().await;
        }
        Ok(Box::new(Connected::to(self.shared().await?, self.start.options.clone()).await?.shared()))
    }
}

/// The namespace of Describe calls.
fn namespace<A: Remote>() -> String {
    format!("{}conformance", A::NAMESPACES[0])
}

fn check<A: Remote>(connection: Connection) -> BoxFuture<'static, Result<(), NotReady>> {
    async move {
        let description = A::describe(&connection, &namespace::<A>()).await;
        description.map(drop).map_err(|failure| NotReady::of::<A>(&failure))
    }
    .boxed()
}

/// The reason why a started server cannot be tested yet.
struct NotReady {
    /// A sentence.
    why: String,
    /// Whether another attempt would get the same answer.
    is_final: bool,
}

impl NotReady {
    /// Any answer to Describe other than OK.
    fn of<A: Remote>(failure: &Failure) -> Self {
        let refusal = probe::refusal::<A>(failure);
        let is_final = refusal.is_some();
        Self {
            why: format!("the server {}", refusal.unwrap_or_else(|| probe::unexpected::<A>(failure))),
            is_final,
        }
    }
}

/// A server process and its data folder. Dropping it kills the server and removes the folder.
struct Process {
    start: Arc<Start>,
    port: u16,
    // Dropped, and thereby killed, before its folder.
    child: Mutex<Child>,
    folder: Folder,
}

/// A data folder: temporary, or kept.
enum Folder {
    Temporary(TempDir),
    Kept(PathBuf),
}

impl Folder {
    fn new(keep: bool) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("prism-conformance-").tempdir()?;
        Ok(if keep { Self::Kept(folder.keep()) } else { Self::Temporary(folder) })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(path) => path,
        }
    }

    fn log(&self) -> PathBuf {
        self.path().join("server.log")
    }

    /// The last lines of the server's output.
    fn tail(&self) -> String {
        let log = std::fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Process {
    async fn start(start: Arc<Start>) -> Result<Self, OpenError> {
        let folder = Folder::new(start.keep).map_err(OpenError::new)?;
        let port = free_port().map_err(OpenError::new)?;
        let child = launch(&start, Placeholders { port, folder: folder.path() }, &folder)?;
        let process = Self { start, port, child: Mutex::new(child), folder };
        process.until_ready().await?;
        Ok(process)
    }

    fn options(&self) -> Options {
        let endpoint = self.addresses().swap_remove(0);
        Options { endpoint, ..self.start.options.clone() }
    }

    async fn connect(&self) -> Result<Connection, OpenError> {
        Connection::open(&self.options()).await.map_err(OpenError::new)
    }

    async fn check(&self) -> Result<(), NotReady> {
        match self.connect().await {
            Ok(connection) => (self.start.check)(connection).await,
            Err(error) => Err(NotReady { why: error.to_string(), is_final: false }),
        }
    }

    async fn is_alive(&self) -> bool {
        matches!(self.child.lock().await.try_wait(), Ok(None))
    }

    /// Waits until the server answers Describe.
    async fn until_ready(&self) -> Result<(), OpenError> {
        let deadline = Instant::now() + START_STOP_TIMEOUT;
        loop {
            let Err(NotReady { why, is_final }) = self.check().await else { return Ok(()) };
            if let Ok(Some(status)) = self.child.lock().await.try_wait() {
                return Err(self.failed(&format!("the server ended before it answered ({status})")));
            }
            if is_final {
                return Err(self.failed(&why));
            }
            if Instant::now() > deadline {
                let why = format!("the server did not answer within {}: {why}", span(START_STOP_TIMEOUT));
                return Err(self.failed(&why));
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// An error with the tail of the server's log.
    fn failed(&self, why: &str) -> OpenError {
        let log = self.folder.tail();
        let log = if log.is_empty() { "it wrote nothing".to_owned() } else { format!("it wrote:\n{log}") };
        OpenError::new(format!("{}; {log}", why.trim_end_matches('.')))
    }

    async fn stop(&self, how: Restart) -> Result<ExitStatus, OpenError> {
        let mut child = self.child.lock().await;
        match how {
            Restart::Clean => terminate(&child)?,
            Restart::Crash => child.start_kill().map_err(OpenError::new)?,
        }
        let stopped = timeout(START_STOP_TIMEOUT, child.wait()).await;
        let stopped = stopped.map_err(|_| {
            self.failed(&format!("the server did not stop within {}", span(START_STOP_TIMEOUT)))
        })?;
        stopped.map_err(OpenError::new)
    }
}

impl Drop for Process {
    /// Kills the server, and waits up to a second for its end, so that it does not write to a removed folder.
    fn drop(&mut self) {
        let child = self.child.get_mut();
        let _ = child.start_kill();
        for _ in 0..1_000 {
            match child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(1)),
                Ok(Some(_)) | Err(_) => break,
            }
        }
    }
}

/// Sends SIGTERM, as a process supervisor does.
fn terminate(child: &Child) -> Result<(), OpenError> {
    use rustix::process::{Pid, Signal, kill_process};
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let id = id.ok_or_else(|| OpenError::new("the server has already ended"))?;
    kill_process(id, Signal::TERM).map_err(OpenError::new)
}

/// A currently free port. If another process takes it first, the server fails to start with an error.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn launch(start: &Start, placeholders: Placeholders<'_>, folder: &Folder) -> Result<Child, OpenError> {
    let log = File::options().create(true).append(true).open(folder.log()).map_err(OpenError::new)?;
    let both = log.try_clone().map_err(OpenError::new)?;
    let mut words = start.words.iter().map(|word| placeholders.fill(word));
    let program = words.next().unwrap_or_default();
    Command::new(&program)
        .args(words)
        .env("PRISM_SERVER_LISTEN", placeholders.listen())
        .env("PRISM_DATABASE_PATH", placeholders.folder.join("prism.db"))
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(both)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| OpenError::new(format!("'{program}' cannot be started: {error}")))
}

#[async_trait]
impl Gateway for Process {
    fn addresses(&self) -> Vec<String> {
        let scheme = if self.start.options.endpoint.starts_with("https://") { "https" } else { "http" };
        vec![format!("{scheme}://127.0.0.1:{}", self.port)]
    }

    fn tick(&self) -> Duration {
        TICK
    }

    async fn advance(&self, by: Duration) {
        // The server uses the real clock.
        sleep(by).await;
    }

    async fn restart(&self, how: Restart) -> Result<(), OpenError> {
        self.stop(how).await?;
        let placeholders = Placeholders { port: self.port, folder: self.folder.path() };
        *self.child.lock().await = launch(&self.start, placeholders, &self.folder)?;
        self.until_ready().await
    }

    fn resident_bytes(&self) -> Option<u64> {
        let id = self.child.try_lock().ok()?.id()?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kilobytes * 1_024)
    }

    fn log_length(&self) -> Option<u64> {
        std::fs::metadata(self.folder.log()).ok().map(|log| log.len())
    }

    fn log_since(&self, start: u64) -> Option<Vec<u8>> {
        let (mut log, mut read) = (File::open(self.folder.log()).ok()?, Vec::new());
        log.seek(SeekFrom::Start(start)).ok()?;
        log.take(MAX_LOG_BYTES).read_to_end(&mut read).ok()?;
        Some(read)
    }

    fn log(&self) -> Option<String> {
        Some(self.folder.tail()).filter(|log| !log.is_empty())
    }
}
