//! `prism export`: reads a namespace as JSON lines in canonical form, with bounded memory.

mod pack;
mod target;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use clap::builder::StyledStr;
use indicatif::HumanBytes;
use prism_cli::{after_help, examples};
use prism_contract::keyvalue::request::{KeyPredicate, ScanResponse};
use serde_json::json;

use self::pack::Packer;
use self::target::{Kind, Target};
use super::connect::ConnectArgs;
use super::failure::Failure;
use super::interrupted;
use super::jsonl::full_line;
use super::meter::{Meter, Totals};
use super::out::{Out, count, note};
use super::scan::{Stream, scan_request};
use super::select::{EscapeArgs, not_empty};

/// The arguments of `prism export`.
#[derive(Debug, Args)]
#[command(after_help = examples(EXAMPLES), after_long_help = long_help())]
pub(super) struct ExportArgs {
    /// The namespace to read
    namespace: String,

    /// The file to write; '-' is standard output. The file appears only once it is complete
    #[arg(default_value = "-")]
    file: PathBuf,

    /// Only this record
    #[arg(long, value_name = "ID", value_parser = not_empty)]
    id: Option<String>,

    /// Only items whose keys start with this
    #[arg(long, value_name = "KEY")]
    prefix: Option<String>,

    /// Include versions, priority tokens and times, one item per line, for 'prism import --full'
    #[arg(long)]
    full: bool,

    #[command(flatten)]
    escape: EscapeArgs,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

const EXAMPLES: &[(&str, &str)] = &[
    ("A namespace into a file", "prism export demo demo.jsonl"),
    ("Only one record, on standard output", "prism export demo --id user:1"),
    (
        "With versions, priority tokens and times, for 'prism import --full'",
        "prism export demo full.jsonl --full",
    ),
];

const FORMAT: &str = "\
The output is what 'prism import' reads, in canonical form: one record per line, sorted by the bytes of its id, with its items
sorted by the bytes of their keys. A record of more than 1,000 items, or of more than 4 MiB of keys and values, continues on
further lines. Versions and times are not included: an import assigns new ones.

With --full a line holds one item, with its version, priority_token, created_at and updated_at, for 'prism import --full'.
Stop all writers first: a scan reads page by page, not from one snapshot.";

fn long_help() -> StyledStr {
    after_help(&format!("{FORMAT}\n\n{}", examples(EXAMPLES)))
}

impl ExportArgs {
    pub(super) async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        let prefix = self.prefix.as_deref().map(|prefix| self.escape.bytes(prefix)).transpose()?;
        let request =
            scan_request(&self.namespace, self.id.as_deref(), prefix.map(KeyPredicate::MatchPrefix));
        let client = self.connect.connect_to_scan().await?;
        let began = Instant::now();
        let copied = tokio::select! {
            copied = self.copy(Stream::open(&client, request)) => copied,
            // Dropping the copy removes its partial file.
            () = interrupted() => Err(Failure::failed("interrupted; nothing was exported")),
        };
        self.summary(&copied?, began, out)
    }

    async fn copy(&self, mut stream: Stream) -> Result<Totals, Failure> {
        // Opened after the first response: a refused export leaves an existing file untouched.
        let mut message = stream.next().await?;
        let mut target = Target::open(&self.file)?;
        let mut meter = match target.kind() {
            Kind::File => Meter::new(None),
            // A bar would stand between the lines on a terminal, and the reader of a pipe may draw on it.
            Kind::Terminal | Kind::Other => Meter::hidden(),
        };
        let (mut packer, mut totals) = (Packer::default(), Totals::default());
        meter.start_at(0);
        while let Some(ScanResponse { entries, .. }) = message {
            for entry in entries {
                totals.add(&entry.id, 0);
                let line = if self.full { Some(full_line(&entry)) } else { packer.push(entry) };
                if let Some(line) = line {
                    totals.bytes += line.len() as u64;
                    target.write(&line)?;
                }
            }
            meter.update(totals.bytes, totals.records, totals.items);
            message = stream.next().await?;
        }
        if let Some(line) = packer.line() {
            totals.bytes += line.len() as u64;
            target.write(&line)?;
        }
        target.finish()?;
        meter.finish();
        Ok(totals)
    }

    fn is_stdout(&self) -> bool {
        self.file == Path::new("-")
    }

    fn summary(&self, totals: &Totals, began: Instant, out: &mut Out) -> Result<(), Failure> {
        if self.connect.json {
            let summary = json!({ "records": totals.records, "items": totals.items, "bytes": totals.bytes });
            if self.is_stdout() {
                note(&summary.to_string());
                return Ok(());
            }
            return out.json(&summary);
        }
        note(&format!(
            "exported {}, {}, {} in {:.1} s",
            count(totals.records, "record"),
            count(totals.items, "item"),
            HumanBytes(totals.bytes),
            began.elapsed().as_secs_f64()
        ));
        Ok(())
    }
}
