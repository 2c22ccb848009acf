//! `prism-conformance`: holds a server against the contract, and the suite against itself.
//!
//! `main` gathers arguments and environment; each command is a module that works and answers an exit code.

mod args;
mod explain;
mod list;
mod output;
mod replay;
mod run;
mod selftest;
mod target;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

/// The run, or the suite itself, came out well.
const OK: u8 = 0;
/// It did not.
const NOT_OK: u8 = 1;
/// The command line cannot be used.
const USAGE: u8 = 2;
/// There is no server to be tested.
const UNREACHABLE: u8 = 3;
/// Nothing was shown either way, or nothing ran.
const NOTHING_RAN: u8 = 4;
/// Stopped by Ctrl-C, as a shell tells it.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::complain(format_args!("no runtime: {error}"));
            return ExitCode::from(UNREACHABLE);
        }
    };
    let code = runtime.block_on(async {
        tokio::select! {
            code = work(cli.command) => code,
            // What was started is dropped with the work, and by that stopped and removed.
            _ = tokio::signal::ctrl_c() => INTERRUPTED,
        }
    });
    ExitCode::from(code)
}

async fn work(command: Command) -> u8 {
    match command {
        Command::Run(args) => run::run(args).await,
        Command::List(args) => list::list(&args),
        Command::Explain { id } => explain::explain(&id),
        Command::Replay(args) => replay::replay(args).await,
        Command::Matrix => selftest::page(),
        Command::Selftest(args) => selftest::selftest(args).await,
    }
}
