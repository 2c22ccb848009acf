//! `prism get`: reads a record, page by page.

use bytes::Bytes;
use clap::Args;
use prism_contract::keyvalue::request::{GetRequest, KeyPredicate, SelectionInput};
use prism_contract::keyvalue::{Item, Limits};
use prism_wire::keyvalue::Client;

use super::bytes::escape;
use super::connect::ConnectArgs;
use super::failure::Failure;
use super::jsonl::StoredItem;
use super::out::{Out, note};
use super::select::{EscapeArgs, SpanArgs};
use super::table::Table;

/// The arguments of `prism get`.
#[derive(Debug, Args)]
pub(super) struct GetArgs {
    /// The namespace
    namespace: String,

    /// The record's id
    id: String,

    /// Only these keys; without keys, every item of the record
    #[arg(value_name = "KEY")]
    keys: Vec<String>,

    #[command(flatten)]
    span: SpanArgs,

    /// The maximum number of items [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// From the last key to the first
    #[arg(long)]
    reverse: bool,

    /// Omit the values
    #[arg(long)]
    keys_only: bool,

    /// Write only the value of one item, byte for byte; fails if there is no such item
    #[arg(long, conflicts_with_all = ["json", "keys_only", "limit", "reverse"])]
    raw: bool,

    #[command(flatten)]
    escape: EscapeArgs,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

impl GetArgs {
    pub(super) async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        let mut request = self.request()?;
        let client = self.connect.connect().await?;
        if self.raw {
            return self.print_raw(&client, request, out).await;
        }
        let mut table = Table::new(false, self.keys_only);
        let mut remaining = self.limit.unwrap_or(u64::MAX);
        let mut found = false;
        loop {
            request.selection.item_limit = page_limit(remaining);
            let page = client.get(request.clone()).await?;
            found |= !page.items.is_empty();
            remaining = remaining.saturating_sub(page.items.len() as u64);
            self.print(&page.items, &mut table, out)?;
            out.flush()?;
            if page.next_page_token.is_empty() || remaining == 0 {
                break;
            }
            request.page_token = page.next_page_token;
        }
        if !found && !self.connect.json {
            note("no items");
        }
        Ok(())
    }

    fn request(&self) -> Result<GetRequest, Failure> {
        let predicate = self.span.predicate_or_keys(&self.keys, self.escape)?;
        let one_key = matches!(&predicate, Some(KeyPredicate::MatchKeys(keys)) if keys.len() == 1);
        if self.raw && !one_key {
            return Err(Failure::Usage(
                "--raw writes the value of one item; name exactly one KEY".to_owned(),
            ));
        }
        Ok(GetRequest {
            namespace: self.namespace.clone(),
            id: self.id.clone(),
            predicate,
            selection: SelectionInput {
                keys_only: self.keys_only,
                reverse: self.reverse,
                ..SelectionInput::default()
            },
            page_token: Bytes::new(),
        })
    }

    async fn print_raw(&self, client: &Client, request: GetRequest, out: &mut Out) -> Result<(), Failure> {
        let page = client.get(request).await?;
        let Some(item) = page.items.first() else {
            let key = self.keys.first().map(|key| escape(key.as_bytes())).unwrap_or_default();
            return Err(Failure::Failed(format!("the record '{}' has no item '{key}'", self.id)));
        };
        out.bytes(&item.value)
    }

    fn print(&self, items: &[Item], table: &mut Table, out: &mut Out) -> Result<(), Failure> {
        if self.connect.json {
            for item in items {
                out.json(&StoredItem { id: None, item, keys_only: self.keys_only })?;
            }
            return Ok(());
        }
        let lines = table.page(items.iter().map(|item| ("", item)));
        lines.iter().try_for_each(|line| out.line(line))
    }
}

/// The item limit of the next page; 0, the server's default, if more than a page remains.
pub(super) fn page_limit(remaining: u64) -> u32 {
    u32::try_from(remaining).ok().filter(|remaining| *remaining <= Limits::V1.page_items).unwrap_or(0)
}
