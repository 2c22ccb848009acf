//! The commands that talk to a server: put, get, ls, delete, scan, describe, import and export.
//!
//! Results go to standard output; notes, progress and errors go to standard error. A closed standard output ends a command
//! silently.

mod absent;
mod age;
pub(crate) mod bytes;
mod columns;
mod connect;
mod delete;
mod describe;
mod export;
mod failure;
mod get;
mod ids;
mod import;
mod jsonl;
mod ls;
mod meter;
mod ns;
mod out;
mod put;
mod records;
mod scan;
mod select;
mod table;
mod time;
mod ts;

use clap::Subcommand;

use self::failure::Failure;
use self::out::Out;
use crate::exit::Exit;

/// A command that talks to a server.
#[derive(Debug, Subcommand)]
#[expect(
    private_interfaces,
    reason = "only clap and this module use the arguments; main just passes them on"
)]
pub enum ClientCommand {
    /// Write items of a record
    Put(put::PutArgs),
    /// Read a record, or some of its items; or many records
    Get(get::GetArgs),
    /// List the records of a namespace, or the keys of a record
    Ls(ls::LsArgs),
    /// Delete items of a record
    Delete(delete::DeleteArgs),
    /// Read a whole namespace, or a record, as a stream
    Scan(scan::ScanArgs),
    /// Print the server's version, capabilities and limits
    Describe(describe::DescribeArgs),
    /// Read a namespace as JSON lines
    Export(export::ExportArgs),
    /// Write records from JSON lines
    Import(import::ImportArgs),
}

pub(crate) use self::columns::Columns;
pub use self::ns::NsCommand;
pub(crate) use self::out::{count, grouped};
pub use self::ts::TsCommand;

/// The commands under the name `kv`, with that name in the usage that clap does not write itself.
pub(crate) fn below_kv(kv: clap::Command) -> clap::Command {
    kv.mut_subcommands(|command| match command.get_name() {
        "get" => command.override_usage(get::usage("prism kv get")),
        _ => command,
    })
}

/// Runs `command`, and reports a failure on standard error.
pub async fn run(command: &ClientCommand) -> Exit {
    let mut out = Out::new();
    let result = dispatch(command, &mut out).await;
    ended(result, out, command.json())
}

/// Runs a command about namespaces, and reports a failure on standard error.
pub async fn run_ns(command: &NsCommand) -> Exit {
    let mut out = Out::new();
    let result = command.run(&mut out).await;
    ended(result, out, command.json())
}

/// Runs a command of TimeSeries, and reports a failure on standard error.
pub async fn run_ts(command: &TsCommand) -> Exit {
    let mut out = Out::new();
    let result = command.run(&mut out).await;
    ended(result, out, command.json())
}

fn ended(result: Result<(), Failure>, mut out: Out, json: bool) -> Exit {
    match result.and(out.flush()) {
        Ok(()) => Exit::Done,
        Err(failure) => {
            failure.report(json);
            failure.exit()
        }
    }
}

async fn dispatch(command: &ClientCommand, out: &mut Out) -> Result<(), Failure> {
    match command {
        ClientCommand::Put(args) => args.run(out).await,
        ClientCommand::Get(args) => args.run(out).await,
        ClientCommand::Ls(args) => args.run(out).await,
        ClientCommand::Delete(args) => args.run(out).await,
        ClientCommand::Scan(args) => args.run(out).await,
        ClientCommand::Describe(args) => args.run(out).await,
        ClientCommand::Import(args) => args.run(out).await,
        ClientCommand::Export(args) => args.run(out).await,
    }
}

impl ClientCommand {
    fn json(&self) -> bool {
        match self {
            Self::Put(args) => args.connect.json,
            Self::Get(args) => args.connect.json,
            Self::Ls(args) => args.connect.json,
            Self::Delete(args) => args.connect.json,
            Self::Scan(args) => args.connect.json,
            Self::Describe(args) => args.connect.json,
            Self::Import(args) => args.connect.json,
            Self::Export(args) => args.connect.json,
        }
    }
}

/// Completes on Ctrl-C or SIGTERM. If no handler can be installed, the signal just terminates the process.
pub(crate) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut ctrl_c), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        {
            tokio::select! {
                _ = ctrl_c.recv() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_ok() {
        return;
    }
    std::future::pending::<()>().await;
}
