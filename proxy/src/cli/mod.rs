//! The commands of the binary `prism`.
//!
//! Exit codes: 0 for success, 2 for an invalid command line or configuration, 1 for any other failure.

mod check_config;
mod health;
mod open_files;
mod serve;
mod warnings;

use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::client::{self, ClientCommand};

/// A gRPC data gateway.
#[derive(Debug, Parser)]
#[command(name = "prism", version = prism_version::VERSION, about, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve a database over gRPC until SIGTERM or Ctrl-C.
    Serve(serve::ServeArgs),
    /// Print the effective configuration, or all its problems.
    CheckConfig(check_config::CheckConfigArgs),
    /// Check whether a server is serving; exit 0 if it is, 1 if it is not.
    Health(health::HealthArgs),
    /// The client commands below, under the name of their abstraction.
    #[command(subcommand)]
    Kv(Box<ClientCommand>),
    /// The client commands.
    #[command(flatten)]
    Client(Box<ClientCommand>),
}

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// Invalid arguments or configuration: exit code 2.
    Usage(String),
    /// Any other failure: exit code 1.
    Failed(String),
}

impl Failure {
    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::from(1),
        }
    }

    /// The message to print.
    pub fn message(&self) -> &str {
        match self {
            Self::Usage(message) | Self::Failed(message) => message,
        }
    }
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let matches = without_empty_variables(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::Failed(format!("the runtime cannot start: {error}"))),
    };
    let serves = matches!(cli.command, Command::Serve(_));
    let code = runtime.block_on(run(cli.command));
    // A client command is complete; a pending DNS lookup must not delay the exit.
    if !serves {
        runtime.shutdown_background();
    }
    code
}

/// Treats empty environment variables as unset, for command-line options as for configuration keys.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &std::ffi::OsStr| {
        std::env::var_os(name)
            .is_some_and(|value| value.to_str().is_some_and(|value| value.trim().is_empty()))
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

/// Wait limit for writing the failure to standard error.
const REPORT_TIMEOUT: Duration = Duration::from_secs(1);

/// Prints why a command failed. A closed or blocked standard error does not keep the process from exiting.
fn report(failure: &Failure) -> ExitCode {
    let text = format!("prism: {}\n", failure.message());
    let (printed, done) = sync_channel(1);
    let thread = thread::Builder::new().spawn(move || {
        let _ = std::io::stderr().write_all(text.as_bytes());
        let _ = printed.send(());
    });
    if thread.is_ok() {
        let _ = done.recv_timeout(REPORT_TIMEOUT);
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
