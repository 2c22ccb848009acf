//! The commands of the binary `prism`.
//!
//! The exit code is 0 when all went well, 2 for a command line or a configuration that is not valid, and 1 for anything
//! else.

mod check_config;
mod health;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return report(&Failure::Failed(format!("the runtime cannot start: {error}"))),
    };
    runtime.block_on(run(cli.command))
}

async fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::Serve(args) => serve::run(args).await,
        Command::CheckConfig(args) => check_config::run(&args),
        Command::Health(args) => health::run(&args).await,
        Command::Client(command) => return client::run(&command).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

#[expect(clippy::print_stderr, reason = "this is where a command tells why it failed")]
fn report(failure: &Failure) -> ExitCode {
    eprintln!("prism: {}", failure.message());
    failure.exit_code()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
