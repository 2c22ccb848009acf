//! noida-db from a package registry: a broker that is one file, for machines without a container engine.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;

use super::START;
use crate::binaries::{free_port, unprivileged};
use crate::download::{self, Program};
use crate::process::{self, Process};
use crate::watchdog::{self, Leftover};

/// Time for it to save its data and end.
const STOP: Duration = Duration::from_mins(1);

/// A running or stopped broker.
#[derive(Clone, Debug)]
pub(super) struct Noida {
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    user: Option<(u32, u32)>,
}

impl Noida {
    /// Starts a broker that is removed when `owner` ends.
    pub(super) async fn launch(owner: &Process, home: &Path) -> Result<Self, String> {
        let (owner, home) = (owner.clone(), home.to_owned());
        let created = spawn_blocking(move || Self::create(&owner, &home)).await;
        let noida = created.map_err(|failure| failure.to_string())??;
        match super::ready(&noida.address(), START).await {
            Ok(()) => Ok(noida),
            Err(problem) => {
                let log = fs::read_to_string(noida.folder.join("log")).unwrap_or_default();
                noida.remove()?;
                Err(format!("{problem}: {}", log.trim()))
            }
        }
    }

    fn create(owner: &Process, home: &Path) -> Result<Self, String> {
        let program = download::program(Program::Noida)?;
        let user = if rustix::process::getuid().is_root() { Some(unprivileged()?) } else { None };
        let name = home.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Outside of the private folder of the testkit, which another user may not enter.
        let folder = std::env::temp_dir().join(format!("prism-kafka-{name}"));
        let io = |error: std::io::Error| format!("{}: {error}", folder.display());
        let leftover = Leftover::Broker { folder: folder.clone() };
        watchdog::watch(owner, home, &leftover).map_err(|error| error.to_string())?;
        fs::create_dir(&folder).map_err(io)?;
        // A copy: the target folder may be private to its user.
        let copy = folder.join("noida-db");
        fs::copy(&program, &copy).map_err(io)?;
        if let Some((user, group)) = user {
            std::os::unix::fs::chown(&folder, Some(user), Some(group)).map_err(io)?;
        }
        let noida = Self { program: copy, folder: folder.clone(), port: free_port()?, user };
        noida.start()?;
        Ok(noida)
    }

    fn start(&self) -> Result<(), String> {
        let io = |error: std::io::Error| format!("{}: {error}", self.folder.display());
        let log = fs::File::create(self.folder.join("log")).map_err(io)?;
        let mut command = Command::new(&self.program);
        command
            .args(["start", "--only", "kafka", "--kafka-port", &self.port.to_string(), "--data-dir"])
            .arg(self.folder.join("data"))
            .current_dir(&self.folder)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(io)?)
            .stderr(log)
            // Ctrl-C must reach the tests only; the watchdog then stops the broker.
            .process_group(0);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        let mut child = command.spawn().map_err(io)?;
        fs::write(self.folder.join("pid"), format!("{}\n", child.id())).map_err(io)?;
        // Reaps it when it ends.
        std::thread::spawn(move || child.wait());
        Ok(())
    }

    /// Starts it again, and waits until it answers. While it was stopped, its port may have become that of another process's
    /// outgoing connection: then it is started once more.
    pub(super) async fn restart(&self) -> Result<(), String> {
        let (address, deadline) = (self.address(), Instant::now() + START);
        loop {
            let noida = self.clone();
            super::blocking(move || noida.start()).await?;
            while self.is_running() {
                if super::answer(&address).await.is_ok() {
                    return Ok(());
                }
                tokio::time::sleep(super::PAUSE).await;
                if Instant::now() > deadline {
                    break;
                }
            }
            if Instant::now() > deadline {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                return Err(format!("it is not ready within {} s: {}", START.as_secs(), log.trim()));
            }
        }
    }

    fn is_running(&self) -> bool {
        self.pid().is_some_and(process::exists)
    }

    pub(super) fn stop(&self) -> Result<(), String> {
        self.end("-INT")
    }

    fn end(&self, signal: &str) -> Result<(), String> {
        let Some(pid) = self.pid() else { return Err("it does not run".to_owned()) };
        if !process::exists(pid) {
            return Err("it does not run".to_owned());
        }
        let sent = Command::new("kill").args([signal, &pid.to_string()]).status();
        sent.map_err(|error| format!("kill: {error}"))?;
        let deadline = Instant::now() + STOP;
        while process::exists(pid) {
            if Instant::now() > deadline {
                return Err(format!("it still runs {} s after {signal}", STOP.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Which of these texts are in its file: it is JSON, with the bytes of records as numbers.
    pub(super) fn saved(&self, texts: &[String]) -> Result<Vec<bool>, String> {
        let path = self.folder.join("data/kafka.json");
        let file = match fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            // It has saved nothing yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        let numbers = |text: &String| text.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(",");
        Ok(texts.iter().map(|text| file.contains(&numbers(text))).collect())
    }

    /// Ends it, and removes its data.
    pub(super) fn remove(&self) -> Result<(), String> {
        // On failure, the watchdog cleans up.
        let _ = self.end("-KILL");
        fs::remove_dir_all(&self.folder).map_err(|error| format!("{}: {error}", self.folder.display()))
    }

    fn pid(&self) -> Option<u32> {
        fs::read_to_string(self.folder.join("pid")).ok()?.trim().parse().ok()
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) fn origin() -> String {
        format!("{}, which acknowledges before it saves,", Program::Noida.name())
    }
}
