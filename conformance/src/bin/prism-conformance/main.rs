//! `prism-conformance`: tests a server against the contract, and the suite itself.
//!
//! `main` parses arguments and environment; each command is a module whose function returns an exit code.

mod args;
mod examples;
mod explain;
mod leftovers;
mod list;
mod new;
mod output;
mod replay;
mod run;
mod selftest;
mod signals;
mod target;

use std::process::ExitCode;

use clap::CommandFactory;

use args::{Cli, Command};
use leftovers::Leftovers;
use signals::Signals;

/// Success of a run or of the self-test.
const OK: u8 = 0;
/// Failure of a run or of the self-test.
const NOT_OK: u8 = 1;
/// Invalid command line.
const USAGE: u8 = 2;
/// No server to test.
const UNREACHABLE: u8 = 3;
/// Inconclusive, or nothing ran.
const NOTHING_RAN: u8 = 4;

fn main() -> ExitCode {
    let cli: Cli = prism_cli::parse(examples::documented);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::eprint(format_args!("the runtime cannot be started: {error}"));
            return ExitCode::from(UNREACHABLE);
        }
    };
    ExitCode::from(runtime.block_on(execute(cli.command)))
}

/// Runs the command; returns its exit code, or that of the signal that ended it.
async fn execute(command: Command) -> u8 {
    // Before anything is started that a signal would have to stop.
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            output::eprint(format_args!("the signal handlers cannot be installed: {error}"));
            return UNREACHABLE;
        }
    };
    let leftovers = Leftovers::default();
    let ending = tokio::select! {
        code = dispatch(command, &leftovers) => return code,
        // Spawned servers are dropped with the command or with the runtime, and thereby stopped and removed.
        ending = signals.next() => ending,
    };
    tokio::select! {
        left = leftovers.finish_after_signal() => {
            if let Some(left) = left {
                output::print(format_args!("\n{left}\n"));
            }
        }
        // A second signal ends the process at once.
        _ = signals.next() => {}
    }
    ending.code()
}

async fn dispatch(command: Command, leftovers: &Leftovers) -> u8 {
    match command {
        Command::Run(args) => run::run(args, leftovers).await,
        Command::List(args) => list::list(&args),
        Command::Explain { id } => explain::explain(&id),
        Command::Replay(args) => replay::replay(args, leftovers).await,
        Command::Matrix => selftest::page(),
        Command::Selftest(args) => selftest::selftest(args).await,
        Command::New(args) => new::new(&args),
        Command::Generate(generate) => match generate.run(examples::documented(Cli::command())) {
            Ok(()) => OK,
            Err(why) => {
                output::eprint(format_args!("{why}"));
                USAGE
            }
        },
    }
}
