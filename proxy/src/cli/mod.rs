//! The commands of the binary `prism`. Their exit codes are in [`crate::exit`].

mod audit;
mod backup;
mod check;
mod check_config;
mod database;
mod gc;
mod health;
mod open_files;
mod rekey;
mod reload;
mod serve;
mod status;
mod warnings;

use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use clap::builder::StyledStr;
use clap::{CommandFactory, Parser, Subcommand};
use prism_cli::{Generate, after_help};

use crate::client::{self, ClientCommand, NsCommand, TsCommand};
use crate::exit::{Exit, ExitError};
use crate::terminal::{Palette, printable};

/// A gRPC data gateway.
#[derive(Debug, Parser)]
#[command(
    name = "prism",
    version = prism_version::VERSION,
    about,
    propagate_version = true,
    max_term_width = 100,
    after_help = exit_codes()
)]
pub struct Cli {
    #[command(flatten)]
    // Applied by `prism_cli::parse`; here for the help.
    color: colorchoice_clap::Color,

    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

fn exit_codes() -> StyledStr {
    after_help(&format!(
        "{}\n\nprism health is different: 0 if the server is serving, 2 for an invalid command line, otherwise 1.",
        Exit::help()
    ))
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
    /// Show what a gateway serves and how busy it is.
    Status(status::StatusArgs),
    /// Encrypt the items of a namespace again, under the active master key.
    Rekey(rekey::RekeyArgs),
    /// Copy a SQLite database to a file, while it is in use.
    Backup(backup::BackupArgs),
    /// Check a database for damage, and count what it holds.
    Check(check::CheckArgs),
    /// Remove everything that has expired from a database, now.
    Gc(gc::GcArgs),
    /// Commands about audit logs.
    #[command(subcommand, after_help = audit::help())]
    Audit(audit::AuditCommand),
    /// The client commands.
    #[command(flatten)]
    Client(Box<ClientCommand>),
    /// Namespaces: their backends and policies.
    #[command(subcommand)]
    Ns(Box<NsCommand>),
    /// The client commands above, under the name of their abstraction.
    #[command(subcommand)]
    Kv(Box<ClientCommand>),
    /// Events of TimeSeries namespaces.
    #[command(subcommand)]
    Ts(Box<TsCommand>),
    /// Commands about the command line itself.
    #[command(flatten)]
    Generate(Generate),
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let cli: Cli = prism_cli::parse(|command| without_empty_variables(documented(command)));
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return report(&ExitError::failed(format!("the runtime cannot start: {error}"))),
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

/// The command line with its examples, and with the usage of the commands below `kv` under that name.
fn documented(command: clap::Command) -> clap::Command {
    // `mut_subcommand` would move the command to the end of the list.
    let name_kv = |command: clap::Command| match command.get_name() {
        "kv" => client::below_kv(command),
        _ => command,
    };
    prism_cli::with_examples(command).mut_subcommands(name_kv)
}

async fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::Serve(args) => serve::run(args).await,
        Command::CheckConfig(args) => check_config::run(&args),
        Command::Health(args) => health::run(&args).await,
        Command::Status(args) => status::run(&args).await,
        Command::Rekey(args) => rekey::run(&args).await,
        Command::Backup(args) => backup::run(&args).await,
        Command::Check(args) => check::run(&args).await,
        Command::Gc(args) => gc::run(&args).await,
        Command::Audit(command) => match command.run() {
            Ok(exit) => return exit.into(),
            Err(failure) => Err(failure),
        },
        Command::Ns(command) => return client::run_ns(&command).await.into(),
        Command::Kv(command) | Command::Client(command) => return client::run(&command).await.into(),
        Command::Ts(command) => return client::run_ts(&command).await.into(),
        Command::Generate(generate) => generate.run(documented(Cli::command())).map_err(ExitError::failed),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => report(&failure),
    }
}

/// Wait limit for writing the failure to standard error.
const REPORT_TIMEOUT: Duration = Duration::from_secs(1);

/// Prints why a command failed. A closed or blocked standard error does not keep the process from exiting.
fn report(failure: &ExitError) -> ExitCode {
    let error = Palette::stderr().error;
    let text = format!("{error}prism:{error:#} {}\n", printable(&failure.message));
    let (printed, done) = sync_channel(1);
    let thread = thread::Builder::new().spawn(move || {
        let _ = std::io::stderr().write_all(text.as_bytes());
        let _ = printed.send(());
    });
    if thread.is_ok() {
        let _ = done.recv_timeout(REPORT_TIMEOUT);
    }
    failure.exit.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_every_command_has_examples() {
        let command = documented(Cli::command());
        let mut checked = 0;
        let groups = ["kv", "ns", "ts"];
        let is_group = |command: &&clap::Command| groups.contains(&command.get_name());
        let in_groups = command.get_subcommands().filter(is_group).flat_map(clap::Command::get_subcommands);
        let commands = command.get_subcommands().filter(|command| !is_group(command)).chain(in_groups);
        for command in commands.filter(|command| !command.is_hide_set() && command.get_name() != "help") {
            for help in [command.get_after_help(), command.get_after_long_help().or(command.get_after_help())]
            {
                let help = help.map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Examples:\n  # "), "{}: {help}", command.get_name());
            }
            checked += 1;
        }
        assert!(checked >= 37, "{checked} commands");
    }
}
