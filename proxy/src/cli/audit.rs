//! `prism audit verify`: checks the hash chain of audit files.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use clap::builder::StyledStr;
use prism_cli::examples;

use crate::audit::Hash;
use crate::audit::verify::{Report, Verdict, verify};
use crate::exit::{Exit, ExitError};
use crate::terminal::printable;

/// The commands about audit logs.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check that no line of an audit log was changed, removed, inserted or moved.
    Verify(VerifyArgs),
}

/// The arguments of `prism audit verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub struct VerifyArgs {
    /// The files of one log, in any order: the current one, and those that were rotated from it.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A hash that one of the lines must have, such as the last one that the gateway's log names: if none has it, the end was
    /// cut off, or lines were written anew.
    #[arg(long, value_name = "HASH", value_parser = hash)]
    expect_last: Option<Hash>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn help() -> StyledStr {
    examples(&[(
        "An audit log with its rotated files; exit 0 if it is whole",
        "prism audit verify audit.jsonl*",
    )])
}

fn hash(text: &str) -> Result<Hash, String> {
    Hash::read(text).ok_or_else(|| "is not 64 lower-case hexadecimal digits, a SHA-256".to_owned())
}

impl AuditCommand {
    /// Runs the command. The exit code is 0 only if the log is whole.
    pub(super) fn run(&self) -> Result<Exit, ExitError> {
        let Self::Verify(args) = self;
        let unreadable = |error: std::io::Error| ExitError::usage(error.to_string());
        let report = verify(&args.files, args.expect_last).map_err(unreadable)?;
        let text = if args.json { json(&report) } else { text(&report) };
        // A closed standard output is not an error: the exit code carries the result.
        let _ = std::io::stdout().write_all(text.as_bytes());
        Ok(if report.verdict == Verdict::Verified { Exit::Done } else { Exit::Failed })
    }
}

fn json(report: &Report) -> String {
    let json = serde_json::to_string(report).expect("a report of strings and numbers is JSON");
    format!("{json}\n")
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |args: std::fmt::Arguments<'_>| {
        writeln!(text, "{args}").expect("writing to a String cannot fail");
    };
    for file in &report.files {
        let path = file.file.display().to_string();
        let path = printable(&path);
        match (file.first_sequence, file.last_sequence) {
            (Some(first), Some(last)) => line(format_args!("{path}: lines {first} to {last}")),
            _ => line(format_args!("{path}: no lines")),
        }
    }
    if let Some(before) = &report.continues {
        line(format_args!("The first file continues {}, which is not among the files.", printable(before)));
    }
    for problem in &report.problems {
        let path = problem.file.display().to_string();
        line(format_args!("{}:{}: {}", printable(&path), problem.line, printable(&problem.problem)));
    }
    if let Some(last) = &report.last_hash {
        line(format_args!("last hash: {last}"));
    }
    match report.verdict {
        Verdict::Verified => line(format_args!("verified")),
        Verdict::Torn => {
            let bytes = report.files.last().map_or(0, |file| file.torn_bytes);
            line(format_args!("torn: the last file ends with {bytes} bytes of an incomplete line"));
        }
        Verdict::Broken => line(format_args!("broken")),
    }
    text
}
