//! `prism scan`: reads a namespace or a record as a stream, and resumes it where it broke.

use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use clap::builder::StyledStr;
use futures::StreamExt;
use prism_cli::{after_help, examples};
use prism_contract::keyvalue::Entry;
use prism_contract::keyvalue::request::{KeyPredicate, ScanRequest, ScanResponse, SelectionInput};
use prism_wire::keyvalue::{Client, Messages, Resume};

use super::connect::ConnectArgs;
use super::failure::Failure;
use super::get::page_limit;
use super::jsonl::StoredItem;
use super::meter::Meter;
use super::out::{Out, note};
use super::records::Records;
use super::select::{EscapeArgs, SpanArgs, not_empty};
use super::table::Table;
use crate::exit::Exit;

/// Limit of consecutive resumes of a stream; with the delays between them, about half a minute.
pub(super) const RESUME: Resume = Resume::UpTo(10);
/// Idle timeout of a stream, including the time it takes to resume it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// The arguments of `prism scan`.
#[derive(Debug, Args)]
#[command(after_help = help())]
pub(super) struct ScanArgs {
    /// The namespace
    namespace: String,

    /// Only this record
    #[arg(long, value_name = "ID", value_parser = not_empty)]
    id: Option<String>,

    /// Only records whose ids start with this; reads the keys of the records before it too
    #[arg(long, value_name = "PREFIX", value_parser = not_empty, conflicts_with = "id")]
    id_prefix: Option<String>,

    #[command(flatten)]
    span: SpanArgs,

    /// The maximum number of items [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// From the last record and key to the first
    #[arg(long)]
    reverse: bool,

    /// Omit the values
    #[arg(long)]
    keys_only: bool,

    /// Print values whole on a terminal too, where long ones are shortened
    #[arg(long)]
    full: bool,

    #[command(flatten)]
    escape: EscapeArgs,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

const COST: &str = "\
Cost of --id-prefix: a scan begins at the first id, or with --reverse at the last. The records before those with the prefix are
read too, without their values; those after them are not.";

const WHOLE: &str = "prism scan demo\nprism scan demo --json > items.jsonl";
const PREFIX: &str = "prism scan demo --id-prefix user:\nprism scan demo --id-prefix user: --prefix city";

fn help() -> StyledStr {
    let examples = examples(&[
        ("A whole namespace, and as JSON into a file", WHOLE),
        ("The records whose ids start with user:, and of these only the items with a key", PREFIX),
    ]);
    after_help(&format!("{COST}\n\n{examples}"))
}

impl ScanArgs {
    pub(super) async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        let mut request =
            scan_request(&self.namespace, self.id.as_deref(), self.span.predicate(self.escape)?);
        let mut remaining = self.limit.unwrap_or(u64::MAX);
        // With a prefix, the stream may begin with other records.
        if self.id_prefix.is_none() {
            request.limit = self.limit.unwrap_or(0);
        }
        request.selection = SelectionInput {
            item_limit: page_limit(self.limit.unwrap_or(0)),
            keys_only: self.keys_only,
            reverse: self.reverse,
            page_size_bytes: 0,
        };
        let client = self.connect.connect_to_scan().await?;
        let mut records = Records::open(client, request, self.id_prefix.as_deref(), Meter::for_results(out));
        let mut table = Table::new(out.screen, true, self.keys_only, self.full);
        let mut found = false;
        while remaining > 0
            && let Some(mut entries) = records.next().await?
        {
            entries.truncate(usize::try_from(remaining).unwrap_or(usize::MAX));
            remaining -= entries.len() as u64;
            found |= !entries.is_empty();
            records.meter.print(|| {
                self.print(&entries, &mut table, out)?;
                out.flush()
            })?;
        }
        records.meter.finish();
        if !found && !self.connect.json {
            note("no items");
        }
        Ok(())
    }

    fn print(&self, entries: &[Entry], table: &mut Table, out: &mut Out) -> Result<(), Failure> {
        let entries = entries.iter().map(|entry| (entry.id.as_str(), &entry.item));
        if self.connect.json {
            for (id, item) in entries {
                out.json(&StoredItem { id: Some(id), item, keys_only: self.keys_only })?;
            }
            return Ok(());
        }
        table.page(entries).iter().try_for_each(|line| out.line(line))
    }
}

/// A scan of everything that `id` and `predicate` select.
pub(super) fn scan_request(
    namespace: &str,
    id: Option<&str>,
    predicate: Option<KeyPredicate>,
) -> ScanRequest {
    ScanRequest {
        namespace: namespace.to_owned(),
        id: id.unwrap_or_default().to_owned(),
        predicate,
        selection: SelectionInput::default(),
        resume_token: Bytes::new(),
        limit: 0,
    }
}

/// The messages of a scan, resumed after UNAVAILABLE and DEADLINE_EXCEEDED (SCAN-1).
pub(super) struct Stream(Messages);

impl Stream {
    pub(super) fn open(client: &Client, request: ScanRequest) -> Self {
        Self(client.scan(request, RESUME))
    }

    /// The next message; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<ScanResponse>, Failure> {
        if let Ok(message) = tokio::time::timeout(IDLE_TIMEOUT, self.0.next()).await {
            Ok(message.transpose()?)
        } else {
            let why = format!("no message from the server for {} s", IDLE_TIMEOUT.as_secs());
            Err(Failure::new(Exit::Unavailable, why))
        }
    }
}
