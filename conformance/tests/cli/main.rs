//! The command `prism-conformance run` against servers of every kind: its exit codes and messages.

mod failures;
mod generated;
mod leftovers;
mod new;
mod servers;
mod several;
mod signals;
mod timeseries;
mod unreachable;
mod verdicts;

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// Result of a run.
struct Answer {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Answer {
    /// The last line of stdout.
    fn last_line(&self) -> &str {
        self.out.trim_end().lines().next_back().unwrap_or_default()
    }
}

/// Runs the command, which must end within two minutes.
async fn prism_conformance(arguments: &[&str]) -> Answer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prism-conformance"));
    command.args(arguments).env_remove("PRISM_TOKEN").stdin(Stdio::null()).kill_on_drop(true);
    let ended = timeout(Duration::from_mins(2), command.output()).await;
    let output = ended.expect("the command ends").expect("the command starts");
    let text = |bytes| String::from_utf8(bytes).expect("it writes UTF-8");
    Answer { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// `run --endpoint` at this address.
async fn run_at(address: impl std::fmt::Display, more: &[&str]) -> Answer {
    let endpoint = format!("http://{address}");
    let arguments = [&["run", "--budget", "quick", "--endpoint", &endpoint], more].concat();
    prism_conformance(&arguments).await
}
