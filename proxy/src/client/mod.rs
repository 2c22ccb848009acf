//! The commands that talk to a server: put, get, delete, scan, describe, import and export.
//!
//! What a command answers goes to standard output; what is said beside it (notes, progress, errors) goes to standard
//! error. Exit codes: 0 done, 1 refused or failed, 2 wrong use. A reader of the output that goes away ends a command
//! quietly.

mod bytes;
mod connect;
mod delete;
mod describe;
mod export;
mod failure;
mod get;
mod import;
mod jsonl;
mod meter;
mod out;
mod put;
mod scan;
mod select;
mod table;
mod time;

use std::process::ExitCode;

use clap::Subcommand;

use self::failure::Failure;
use self::out::Out;

/// A command that talks to a server.
#[derive(Debug, Subcommand)]
#[expect(
    private_interfaces,
    reason = "the arguments are clap's business and this module's; main only passes them on"
)]
pub enum ClientCommand {
    /// Write items of a record
    Put(put::PutArgs),
    /// Read a record, or some of its items
    Get(get::GetArgs),
    /// Delete items of a record
    Delete(delete::DeleteArgs),
    /// Read a whole namespace, or a record, as a stream
    Scan(scan::ScanArgs),
    /// Say what the server is and what it offers
    Describe(describe::DescribeArgs),
    /// Write records from JSON lines
    Import(import::ImportArgs),
    /// Read a namespace as JSON lines
    Export(export::ExportArgs),
}

/// Does what `command` says, and reports what went wrong on standard error.
pub async fn run(command: &ClientCommand) -> ExitCode {
    let mut out = Out::new();
    let done = dispatch(command, &mut out).await;
    let flushed = out.flush();
    match done.and(flushed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report(command.json());
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn dispatch(command: &ClientCommand, out: &mut Out) -> Result<(), Failure> {
    match command {
        ClientCommand::Put(args) => args.run(out).await,
        ClientCommand::Get(args) => args.run(out).await,
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
            Self::Delete(args) => args.connect.json,
            Self::Scan(args) => args.connect.json,
            Self::Describe(args) => args.connect.json,
            Self::Import(args) => args.connect.json,
            Self::Export(args) => args.connect.json,
        }
    }
}

/// Done once the process is asked to end, by Ctrl-C or SIGTERM. Where it cannot be heard, the process just ends.
async fn interrupted() {
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
