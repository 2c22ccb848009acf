//! `prism get`: reads a record page by page, or many records.

use std::collections::BTreeSet;
use std::pin::pin;

use bytes::Bytes;
use clap::Args;
use clap::builder::StyledStr;
use futures::StreamExt;
use prism_cli::examples;
use prism_contract::keyvalue::request::{GetRequest, GetResponse, KeyPredicate, SelectionInput};
use prism_contract::keyvalue::{Item, Limits};
use prism_wire::keyvalue::Client;

use super::absent::Absent;
use super::bytes::is_text;
use super::connect::ConnectArgs;
use super::failure::Failure;
use super::ids::IdArgs;
use super::jsonl::StoredItem;
use super::out::Out;
use super::select::{EscapeArgs, SpanArgs};
use super::table::Table;

/// Maximum number of records whose first pages are read concurrently. A page has at most 2 MiB.
const CONCURRENT_RECORDS: usize = 16;

/// The arguments of `prism get`.
#[derive(Debug, Args)]
#[command(override_usage = usage("prism get"), after_help = help())]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(super) struct GetArgs {
    /// The namespace
    namespace: String,

    /// The record's id
    #[arg(required_unless_present_any = ["ids", "ids_from"])]
    id: Option<String>,

    /// Only these keys; without keys, every item of the record
    #[arg(value_name = "KEY")]
    keys: Vec<String>,

    #[command(flatten)]
    many: IdArgs,

    #[command(flatten)]
    span: SpanArgs,

    /// The maximum number of items of a record [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    /// From the last key to the first
    #[arg(long)]
    reverse: bool,

    /// Omit the values
    #[arg(long)]
    keys_only: bool,

    /// Print values whole on a terminal too, where long ones are shortened
    #[arg(long)]
    full: bool,

    /// Write only the value of one item, byte for byte; fails if there is no such item
    #[arg(long, conflicts_with_all = ["json", "keys_only", "limit", "reverse", "full", "ids", "ids_from"])]
    raw: bool,

    #[command(flatten)]
    escape: EscapeArgs,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

/// The forms of the command, which `name` precedes.
pub(super) fn usage(name: &str) -> String {
    let forms = ["<ID> [KEY]...", "--id <ID> [--id <ID>]... [KEY]...", "--ids-from <FILE> [KEY]..."];
    forms.map(|form| format!("{name} [OPTIONS] <NAMESPACE> {form}")).join("\n       ")
}

fn help() -> StyledStr {
    examples(&[
        ("A record, one of its items, and only the value of that item", ONE),
        ("Items in a range of keys, as JSON", "prism get demo user:1 --from a --to n --json"),
        ("Many records: by name, or with their ids from another command", MANY),
    ])
}

const ONE: &str = "prism get demo user:1\nprism get demo user:1 city\nprism get demo user:1 city --raw";
const MANY: &str = "\
prism get demo --id user:1 --id user:2 city
printf '%s\\n' user:1 user:2 | prism get demo --ids-from - city --json";

impl GetArgs {
    pub(super) async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        let keys = self.keys();
        let predicate = self.span.predicate_or_keys(&keys, self.escape)?;
        if self.raw && !matches!(&predicate, Some(KeyPredicate::MatchKeys(keys)) if keys.len() == 1) {
            let why = "--raw writes the value of one item; name exactly one KEY";
            return Err(Failure::usage(why));
        }
        let mut absent = Absent::new(self.connect.json);
        match self.read(predicate, &mut absent, out).await {
            Ok(()) => absent.into_result(),
            Err(failure) => Err(absent.before(failure)),
        }
    }

    async fn read(
        &self,
        predicate: Option<KeyPredicate>,
        absent: &mut Absent,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let many = self.many.are_given();
        let mut table = Table::new(out.screen, many, self.keys_only, self.full);
        if many {
            let ids = self.many.stream()?;
            let client = &self.connect.connect().await?;
            let request = |id| self.request(id, predicate.clone());
            let pages = ids.map(|id| async {
                let request = request(id?);
                let page = client.get(request.clone()).await?;
                Ok::<_, Failure>((request, page))
            });
            let mut pages = pin!(pages.buffered(CONCURRENT_RECORDS));
            while let Some(page) = pages.next().await {
                let (request, page) = page?;
                self.print_record(client, request, page, &mut table, absent, out).await?;
            }
        } else {
            let request = self.request(self.id.clone().unwrap_or_default(), predicate);
            let client = self.connect.connect().await?;
            let page = client.get(request.clone()).await?;
            if self.raw {
                return Self::print_raw(&request, &page, absent, out);
            }
            self.print_record(&client, request, page, &mut table, absent, out).await?;
        }
        Ok(())
    }

    /// The named keys. With `--id` or `--ids-from` there is no argument ID: the word in its place is a key.
    fn keys(&self) -> Vec<String> {
        let first = self.id.iter().filter(|_| self.many.are_given());
        first.chain(&self.keys).cloned().collect()
    }

    fn request(&self, id: String, predicate: Option<KeyPredicate>) -> GetRequest {
        GetRequest {
            namespace: self.namespace.clone(),
            id,
            predicate,
            selection: SelectionInput {
                item_limit: page_limit(self.limit.unwrap_or(u64::MAX)),
                keys_only: self.keys_only,
                reverse: self.reverse,
                page_size_bytes: 0,
            },
            page_token: Bytes::new(),
        }
    }

    /// Prints a record from its first page on, and notes what is absent.
    async fn print_record(
        &self,
        client: &Client,
        mut request: GetRequest,
        mut page: GetResponse,
        table: &mut Table,
        absent: &mut Absent,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let mut missing: BTreeSet<Bytes> = match &request.predicate {
            Some(KeyPredicate::MatchKeys(keys)) => keys.iter().cloned().collect(),
            Some(_) | None => BTreeSet::new(),
        };
        let mut remaining = self.limit.unwrap_or(u64::MAX);
        let mut found = false;
        loop {
            found |= !page.items.is_empty();
            remaining = remaining.saturating_sub(page.items.len() as u64);
            for item in &page.items {
                missing.remove(item.key.as_bytes());
            }
            self.print(&request.id, &page.items, table, out)?;
            out.flush()?;
            if page.next_page_token.is_empty() || remaining == 0 {
                break;
            }
            request.page_token = page.next_page_token;
            request.selection.item_limit = page_limit(remaining);
            page = client.get(request.clone()).await?;
        }
        // The limit may have cut off the rest.
        if remaining > 0 || !found {
            absent.add(&request.id, found, &missing, request.predicate.is_none());
        }
        Ok(())
    }

    fn print_raw(
        request: &GetRequest,
        page: &GetResponse,
        absent: &mut Absent,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let Some(item) = page.items.first() else {
            if let Some(KeyPredicate::MatchKeys(keys)) = &request.predicate {
                absent.add(&request.id, false, &keys.iter().cloned().collect(), false);
            }
            return Ok(());
        };
        if out.is_terminal() && !is_text(&item.value) {
            let why = "the value holds bytes that are not text and may command a terminal";
            return Err(Failure::failed(format!("{why}; redirect the output, or leave out --raw")));
        }
        out.bytes(&item.value)
    }

    fn print(&self, id: &str, items: &[Item], table: &mut Table, out: &mut Out) -> Result<(), Failure> {
        if self.connect.json {
            let id = self.many.are_given().then_some(id);
            for item in items {
                out.json(&StoredItem { id, item, keys_only: self.keys_only })?;
            }
            return Ok(());
        }
        let lines = table.page(items.iter().map(|item| (id, item)));
        lines.iter().try_for_each(|line| out.line(line))
    }
}

/// The item limit of the next page; 0, the server's default, if more than a page remains.
pub(super) fn page_limit(remaining: u64) -> u32 {
    u32::try_from(remaining).ok().filter(|remaining| *remaining <= Limits::V1.page_items).unwrap_or(0)
}
