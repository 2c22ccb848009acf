//! `prism-conformance`: holds a server against the contract, and the suite against itself.
//!
//! `main` gathers arguments and environment; each command is a module that works and answers an exit code.

mod args;
mod explain;
mod leftovers;
mod list;
mod output;
mod replay;
mod run;
mod selftest;
mod signals;
mod target;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use leftovers::Leftovers;
use signals::Signals;

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

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::eprint(format_args!("no runtime: {error}"));
            return ExitCode::from(UNREACHABLE);
        }
    };
    ExitCode::from(runtime.block_on(until_ended(cli.command)))
}

/// The command's exit code, or that of the signal which ended it.
async fn until_ended(command: Command) -> u8 {
    // Before anything is started that would have to be stopped.
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            output::eprint(format_args!("signals cannot be listened for: {error}"));
            return UNREACHABLE;
        }
    };
    let leftovers = Leftovers::default();
    let ending = tokio::select! {
        code = work(command, &leftovers) => return code,
        // What was started is dropped with the work or with the runtime, and by that stopped and removed.
        ending = signals.next() => ending,
    };
    tokio::select! {
        left = leftovers.settle_after_a_signal() => {
            if let Some(left) = left {
                output::print(format_args!("\n{left}\n"));
            }
        }
        // A second signal does not wait.
        _ = signals.next() => {}
    }
    ending.code()
}

async fn work(command: Command, leftovers: &Leftovers) -> u8 {
    match command {
        Command::Run(args) => run::run(args, leftovers).await,
        Command::List(args) => list::list(&args),
        Command::Explain { id } => explain::explain(&id),
        Command::Replay(args) => replay::replay(args, leftovers).await,
        Command::Matrix => selftest::page(),
        Command::Selftest(args) => selftest::selftest(args).await,
    }
}
