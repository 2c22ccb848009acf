//! `prism scan`: reads a namespace or a record as a stream, and resumes it where it broke.

use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use futures::StreamExt;
use prism_contract::keyvalue::request::{KeyPredicate, ScanRequest, ScanResponse, SelectionInput};
use prism_wire::keyvalue::{Client, Messages, Resume};

use super::connect::ConnectArgs;
use super::failure::Failure;
use super::get::page_limit;
use super::jsonl::StoredItem;
use super::out::{Out, note};
use super::select::{EscapeArgs, SpanArgs};
use super::table::Table;

/// Limit of consecutive resumes of a stream; with the delays between them, about half a minute.
const MAX_RESUMES: u32 = 10;
/// Idle timeout of a stream, including the time it takes to resume it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// The arguments of `prism scan`.
#[derive(Debug, Args)]
pub(super) struct ScanArgs {
    /// The namespace
    namespace: String,

    /// Only this record
    #[arg(long, value_name = "ID")]
    id: Option<String>,

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

    #[command(flatten)]
    escape: EscapeArgs,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

impl ScanArgs {
    pub(super) async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        let mut request =
            scan_request(&self.namespace, self.id.as_deref(), self.span.predicate(self.escape)?)?;
        request.limit = self.limit.unwrap_or(0);
        request.selection = SelectionInput {
            item_limit: page_limit(request.limit),
            keys_only: self.keys_only,
            reverse: self.reverse,
            page_size_bytes: 0,
        };
        let client = self.connect.connect_to_scan().await?;
        let mut stream = Stream::open(&client, request);
        let mut table = Table::new(true, self.keys_only);
        let mut found = false;
        while let Some(message) = stream.next().await? {
            found |= !message.entries.is_empty();
            self.print(&message, &mut table, out)?;
            out.flush()?;
        }
        if !found && !self.connect.json {
            note("no items");
        }
        Ok(())
    }

    fn print(&self, message: &ScanResponse, table: &mut Table, out: &mut Out) -> Result<(), Failure> {
        let entries = message.entries.iter().map(|entry| (entry.id.as_str(), &entry.item));
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
) -> Result<ScanRequest, Failure> {
    // On the wire an empty id selects every record, which is hardly the intent of --id ''.
    if id == Some("") {
        return Err(Failure::Usage("--id is empty; leave it out for every record".to_owned()));
    }
    Ok(ScanRequest {
        namespace: namespace.to_owned(),
        id: id.unwrap_or_default().to_owned(),
        predicate,
        selection: SelectionInput::default(),
        resume_token: Bytes::new(),
        limit: 0,
    })
}

/// The messages of a scan, resumed after UNAVAILABLE and DEADLINE_EXCEEDED (SCAN-1).
pub(super) struct Stream(Messages);

impl Stream {
    pub(super) fn open(client: &Client, request: ScanRequest) -> Self {
        Self(client.scan(request, Resume::UpTo(MAX_RESUMES)))
    }

    /// The next message; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<ScanResponse>, Failure> {
        match tokio::time::timeout(IDLE_TIMEOUT, self.0.next()).await {
            Ok(message) => Ok(message.transpose()?),
            Err(_) => {
                Err(Failure::Failed(format!("no message from the server for {} s", IDLE_TIMEOUT.as_secs())))
            }
        }
    }
}
