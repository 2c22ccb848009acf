//! A server in a separate folder, and the binary as its client.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// `prism` without the environment variables that it reads.
pub(crate) fn prism() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prism"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        let is_color = ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"].iter().any(|color| name == *color);
        if name.to_string_lossy().starts_with("PRISM_") || name == "DATABASE_URL" || is_color {
            command.env_remove(name);
        }
    }
    command
}

/// A server's backend.
#[derive(Clone, Copy)]
pub(crate) enum Backend {
    Memory,
    /// The file is in the server's folder.
    Sqlite,
}

/// A folder, and a server that is killed at the end of the test.
pub(crate) struct Prism {
    pub(crate) folder: TempDir,
    backend: Backend,
    child: Child,
    endpoint: String,
}

impl Drop for Prism {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prism {
    pub(crate) fn serve(backend: Backend) -> Self {
        Self::serve_in(tempfile::tempdir().unwrap(), backend)
    }

    /// Serves with `config.yaml` in `folder`, if it exists.
    pub(crate) fn serve_in(folder: TempDir, backend: Backend) -> Self {
        let (child, endpoint) = start(folder.path(), backend);
        Self { folder, backend, child, endpoint }
    }

    /// Kills the server with SIGKILL, like a crash.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts the server again, at another address.
    pub(crate) fn restart(&mut self) {
        (self.child, self.endpoint) = start(self.folder.path(), self.backend);
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.endpoint.trim_start_matches("http://").parse().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A client command in the folder, not yet started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = prism();
        command.current_dir(self.folder.path()).env("PRISM_ENDPOINT", &self.endpoint).args(args);
        command
    }

    /// Runs a client command.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.command(args).output().unwrap().into()
    }

    /// Runs a client command that must succeed; returns its standard output.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let ran = self.run(args);
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
        ran.stdout
    }

    /// Runs a client command with `input` on standard input.
    pub(crate) fn run_on(&self, input: &[u8], args: &[&str]) -> Ran {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command may exit without reading its input.
        let _ = stdin.write_all(input);
        drop(stdin);
        child.wait_with_output().unwrap().into()
    }
}

fn start(folder: &Path, backend: Backend) -> (Child, String) {
    let mut command = prism();
    command
        .current_dir(folder)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("PRISM_LOGGING_FORMAT", "json");
    if folder.join("config.yaml").exists() {
        command.args(["--config", "config.yaml"]);
    }
    if matches!(backend, Backend::Memory) {
        command.env("PRISM_DATABASE_TYPE", "memory");
    }
    let mut child = command.spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    // Lines about the database may come first.
    let address = loop {
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        let entry: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a log line: {line}"));
        if let Some(address) = entry["address"].as_str() {
            break address.to_owned();
        }
    };
    let endpoint = format!("http://{address}");
    // Drains the log, so that the pipe does not fill up.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    (child, endpoint)
}

/// The result of a command.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("ended by a signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Each line as JSON.
pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// `count` records in canonical form, from `r000000` on.
pub(crate) fn records(count: usize) -> String {
    let line = |at| {
        format!(
            "{{\"id\":\"r{at:06}\",\"items\":[{{\"key\":\"a\",\"value\":\"{at}\"}},{{\"key\":\"b\",\"value\":\"\"}}]}}\n"
        )
    };
    (0..count).map(line).collect()
}
