//! The commands of the binary `prism-bench`.
//!
//! Exit codes: 0 for success, 2 for an invalid command line, 1 for any other failure, above all a wrong answer.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;
use tokio::net::TcpListener;

use crate::arguments::Output;
use crate::failure::Failure;
use crate::{compare, echo, load, scale, scan, target, timeseries};

/// Benchmarks Prism and verifies every answer.
#[derive(Debug, Parser)]
#[command(name = "prism-bench", version, about, max_term_width = 100)]
pub struct Cli {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compare targets: the same operations on each, round by round, with a fixed number of requests in flight.
    Compare(Box<compare::Options>),
    /// Load one gateway with a mix of requests, at a target rate or with a fixed number in flight.
    Load(Box<load::Options>),
    /// Read a whole namespace, through gateways and with the databases' own tools.
    Scan(Box<scan::Options>),
    /// Measure the cost of a request as data, records, values and connections grow.
    Scale(Box<scale::Options>),
    /// Measure appends, queries and tails of TimeSeries as events grow, beside its databases queried directly.
    Timeseries(Box<timeseries::Options>),
    /// Plot a recorded table of `compare`.
    Chart(ChartOptions),
    /// Serve the same API without storage.
    #[command(hide = true)]
    Echo {
        /// Listen address.
        #[arg(long)]
        listen: String,
        /// Sizes of the values in Get responses.
        #[arg(long, default_value = "100")]
        value_bytes: String,
    },
    /// Keep a Postgres running until the end of stdin.
    #[command(hide = true)]
    HoldPostgres,
}

/// Options of `chart`.
#[derive(Debug, clap::Args)]
pub struct ChartOptions {
    /// The page with the table, as Markdown.
    pub page: PathBuf,
    /// The heading above the table.
    #[arg(long, value_name = "HEADING")]
    pub section: String,
    /// The chart's title.
    #[arg(long)]
    pub title: String,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    pub svg: PathBuf,
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(why) => return report(&Failure::of("the runtime cannot start", &why)),
    };
    let done = runtime.block_on(async {
        tokio::select! {
            done = run(cli.command) => done,
            () = interrupted() => Err(Failure::Failed("interrupted".to_owned())),
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Compare(options) => {
            let report = compare::run(&options).await?;
            let table = report.markdown();
            write_results(&report, table.clone(), &options.output)?;
            let title = format!("Requests per second, {} in flight", options.connections * options.in_flight);
            options.svg.as_deref().map_or(Ok(()), |file| compare::chart::draw(&table, &title, file))
        }
        Command::Load(options) => {
            let report = load::run(&options).await?;
            write_results(&report, report.markdown(), &options.output)?;
            options.svg.as_deref().map_or(Ok(()), |folder| load::series::draw(&report, folder).map(drop))
        }
        Command::Scan(options) => {
            let report = scan::run(&options).await?;
            write_results(&report, report.markdown(), &options.output)
        }
        Command::Scale(options) => {
            let report = scale::run(&options).await?;
            write_results(&report, report.markdown(), &options.output)?;
            report.failed.first().map_or(Ok(()), |why| Err(Failure::Failed(why.clone())))
        }
        Command::Timeseries(options) => {
            let report = timeseries::run(&options).await?;
            write_results(&report, report.markdown(), &options.output)
        }
        Command::Chart(options) => {
            let failed = |why: &dyn std::fmt::Display| Failure::of(&options.page.display().to_string(), &why);
            let page = std::fs::read_to_string(&options.page).map_err(|why| failed(&why))?;
            let table = compare::chart::section(&page, &options.section).map_err(|why| failed(&why))?;
            compare::chart::draw(table, &options.title, &options.svg)
        }
        Command::Echo { listen, value_bytes } => {
            let values = target::sizes(&value_bytes).map_err(Failure::Usage)?;
            let listener = TcpListener::bind(&listen).await.map_err(|why| Failure::of(&listen, &why))?;
            echo::serve(listener, values).await
        }
        Command::HoldPostgres => target::hold().await,
    }
}

/// Ctrl-C, SIGTERM or SIGHUP: started servers are cleaned up as on any other exit.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    // A measurement started with `nohup` outlives its terminal.
    let hang_up = if hang_up_is_ignored() { None } else { signal(SignalKind::hangup()).ok() };
    let hang_up = async {
        match hang_up {
            Some(mut hang_up) => hang_up.recv().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hang_up => {}
    }
}

/// Whether this process was started with SIGHUP ignored, from Linux's /proc; elsewhere false.
fn hang_up_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Signal 1 is the lowest bit.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// Prints the table, and writes the requested output files.
fn write_results(report: &impl Serialize, table: String, output: &Output) -> Result<(), Failure> {
    print(&table);
    write(output.markdown.as_deref(), || Ok(table))?;
    write(output.json.as_deref(), || serde_json::to_string_pretty(report))
}

/// Writes an output file, if requested.
fn write(
    file: Option<&Path>,
    text: impl FnOnce() -> Result<String, serde_json::Error>,
) -> Result<(), Failure> {
    let Some(file) = file else { return Ok(()) };
    let name = file.display().to_string();
    let mut text = text().map_err(|why| Failure::of(&name, &why))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    // Create a missing folder, so that a long measurement is not lost.
    let folder = file.parent().map_or(Ok(()), std::fs::create_dir_all);
    folder.and_then(|()| std::fs::write(file, text)).map_err(|why| Failure::of(&name, &why))
}

fn print(text: &str) {
    // A closed stdout does not invalidate the measurement.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

#[expect(clippy::print_stderr, reason = "the place where commands report failures")]
fn report(failure: &Failure) -> ExitCode {
    eprintln!("prism-bench: {failure}");
    failure.exit_code()
}

/// The options of `compare`, parsed from arguments.
#[cfg(test)]
pub(crate) fn compare_options(arguments: &[&str]) -> compare::Options {
    let cli = Cli::parse_from([&["prism-bench", "compare"], arguments].concat());
    match cli.command {
        Command::Compare(options) => *options,
        other => panic!("{other:?}"),
    }
}

/// The options of `scale`, parsed from arguments.
#[cfg(test)]
pub(crate) fn scale_options(arguments: &[&str]) -> scale::Options {
    let cli = Cli::parse_from([&["prism-bench", "scale"], arguments].concat());
    match cli.command {
        Command::Scale(options) => *options,
        other => panic!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_invalid_command_line_lists_allowed_values_and_exits_with_2() {
        for (arguments, allowed) in [
            (vec!["compare", "--only", "prism-oracle"], "prism-sqlite"),
            (vec!["compare", "--operations", "delete"], "put, get"),
            (vec!["compare", "--value-bytes", "15"], "16 to 1048576"),
            (vec!["compare", "--rounds", "0"], "1.."),
            (vec!["compare", "--seconds", "soon"], "such as 3 or 0.5"),
            (vec!["load", "--mix", "a"], "--endpoint"),
            (vec!["load", "--serve", "sqlite", "--mix", "z"], "put, get, a, b, c, d, e, f"),
            (vec!["load", "--serve", "sqlite", "--mix", "a", "--read-share", "80"], "from 0 to 1"),
            (vec!["load", "--serve", "sqlite", "--mix", "a", "--rate", "0"], "from 0.1"),
            (
                vec!["load", "--serve", "sqlite", "--mix", "a", "--rate", "9", "--in-flight", "2"],
                "cannot be used with",
            ),
        ] {
            let why = Cli::try_parse_from([vec!["prism-bench"], arguments].concat()).unwrap_err();
            assert_eq!(why.exit_code(), 2);
            assert!(why.to_string().contains(allowed), "{why}");
        }
    }
}
