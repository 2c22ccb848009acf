//! The commands of the binary `prism`.
//!
//! The exit code is 0 when all went well, 2 for a command line or a configuration that is not valid, and 1 for anything
//! else.

mod caution;
mod check_config;
mod health;
mod open_files;
mod serve;

use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::client::{self, ClientCommand};

/// A gRPC data gateway.
#[derive(Debug, Parser)]
#[command(name = "prism", version, about, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a database over gRPC until SIGTERM or Ctrl-C.
    Serve(serve::ServeArgs),
    /// Print the configuration in effect, or everything that is wrong with it.
    CheckConfig(check_config::CheckConfigArgs),
    /// Ask a server whether it is serving; exit 0 if it is, 1 if it is not.
    Health(health::HealthArgs),
    /// The commands below that read and write items, by the name of their abstraction.
    #[command(subcommand)]
    Kv(Box<ClientCommand>),
    /// What talks to a server as a client does.
    #[command(flatten)]
    Client(Box<ClientCommand>),
}

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// What it was told is not valid: exit code 2.
    Usage(String),
    /// It could not be done: exit code 1.
    Failed(String),
}

impl Failure {
    /// The exit code that tells it.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::from(1),
        }
    }

    /// What to tell whoever ran the command.
    pub fn message(&self) -> &str {
        match self {
            Self::Usage(message) | Self::Failed(message) => message,
        }
    }
}

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let matches = without_empty_variables(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::Failed(format!("the runtime cannot start: {error}"))),
    };
    let serves = matches!(cli.command, Command::Serve(_));
    let code = runtime.block_on(run(cli.command));
    // A client has said all it had to say; a name that is still being looked up must not hold its end up.
    if !serves {
        runtime.shutdown_background();
    }
    code
}

/// An empty variable is as if it were not set, for the command line's own variables as for the configuration's.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &std::ffi::OsStr| {
        std::env::var_os(name).is_some_and(|value| value.to_str().is_some_and(|text| text.trim().is_empty()))
    };
    command
        .mut_args(|arg| if arg.get_env().is_some_and(is_empty) { arg.env(None) } else { arg })
        .mut_subcommands(without_empty_variables)
}

async fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::Serve(args) => serve::run(args).await,
        Command::CheckConfig(args) => check_config::run(&args),
        Command::Health(args) => health::run(&args).await,
        Command::Kv(command) | Command::Client(command) => return client::run(&command).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

/// How long the reader of standard error may take over why a command failed.
const REPORT: Duration = Duration::from_secs(1);

/// Prints why a command failed. A reader that is gone, or that takes nothing, does not keep the process from ending.
fn report(failure: &Failure) -> ExitCode {
    let text = format!("prism: {}\n", failure.message());
    let (printed, done) = sync_channel(1);
    let thread = thread::Builder::new().spawn(move || {
        let _ = std::io::stderr().write_all(text.as_bytes());
        let _ = printed.send(());
    });
    if thread.is_ok() {
        let _ = done.recv_timeout(REPORT);
    }
    failure.exit_code()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
