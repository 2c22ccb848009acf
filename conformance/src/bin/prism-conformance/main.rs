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
mod policies;
mod replay;
mod run;
mod selftest;
mod signals;
mod target;

use std::process::ExitCode;

use clap::CommandFactory;

use prism_conformance::keyvalue::KeyValue;
use prism_conformance::timeseries::TimeSeries;

use args::{AbstractionName, Cli, Command};
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
    use AbstractionName::{KeyValue as K, TimeSeries as T};
    match command {
        Command::Run(args) => match args.of.abstraction {
            K => run::run::<KeyValue>(args, leftovers).await,
            T => run::run::<TimeSeries>(args, leftovers).await,
        },
        Command::List(args) => match args.of.abstraction {
            K => list::list::<KeyValue>(&args),
            T => list::list::<TimeSeries>(&args),
        },
        Command::Explain(args) => match args.of.abstraction {
            K => explain::explain::<KeyValue>(&args.id),
            T if args.id == policies::POLICIES => policies::explain(),
            T => explain::explain::<TimeSeries>(&args.id),
        },
        Command::Replay(args) => match args.of.abstraction {
            K => replay::replay::<KeyValue>(args, leftovers).await,
            T => replay::replay::<TimeSeries>(args, leftovers).await,
        },
        Command::Matrix(of) => match of.abstraction {
            K => selftest::page::<KeyValue>(),
            T => selftest::page::<TimeSeries>(),
        },
        Command::Selftest(args) => match args.of.abstraction {
            K => selftest::selftest::<KeyValue>(args).await,
            T => selftest::selftest::<TimeSeries>(args).await,
        },
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
