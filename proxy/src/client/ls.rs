//! `prism ls`: the records of a namespace with their number of items, or the keys of a record with their sizes.

use anstyle::Style;
use bytes::Bytes;
use clap::Args;
use clap::builder::StyledStr;
use prism_cli::{after_help, examples};
use prism_contract::keyvalue::request::{GetRequest, SelectionInput};
use prism_contract::keyvalue::{Item, RecordId};
use prism_wire::clock::{Clock, SystemClock};
use serde_json::json;

use super::absent::Absent;
use super::age::age;
use super::bytes::escape;
use super::columns::Columns;
use super::connect::ConnectArgs;
use super::failure::Failure;
use super::get::page_limit;
use super::jsonl::{compression_json, key_json};
use super::meter::Meter;
use super::out::{Out, grouped, note};
use super::records::Records;
use super::scan::scan_request;
use super::select::not_empty;
use super::table::notes;
use super::time;

/// The arguments of `prism ls`.
#[derive(Debug, Args)]
#[command(after_help = help())]
pub(super) struct LsArgs {
    /// The namespace
    namespace: String,

    /// List the keys of this record; without it, the records of the namespace
    id: Option<String>,

    /// Only records whose ids start with this
    #[arg(long, value_name = "PREFIX", value_parser = not_empty, conflicts_with = "id")]
    id_prefix: Option<String>,

    /// The maximum number of records, or of keys [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

const COST: &str = "\
Cost: the records of a namespace are found by reading all its keys, without values, in the order of the ids; --id-prefix reads
the keys before the prefix too, and --limit ends early. The keys of a record are read with their values, since only these tell
the size.";

const RECORDS: &str = "prism ls demo\nprism ls demo --id-prefix user: --limit 10";

fn help() -> StyledStr {
    let examples = examples(&[
        ("The records of a namespace, and those of some ids", RECORDS),
        ("The keys of a record", "prism ls demo user:1"),
    ]);
    after_help(&format!("{COST}\n\n{examples}"))
}

impl LsArgs {
    pub(super) async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        match &self.id {
            Some(id) => self.keys(id, out).await,
            None => self.records(out).await,
        }
    }

    async fn records(&self, out: &mut Out) -> Result<(), Failure> {
        let mut request = scan_request(&self.namespace, None, None);
        request.selection.keys_only = true;
        let client = self.connect.connect_to_scan().await?;
        let mut records = Records::open(client, request, self.id_prefix.as_deref(), Meter::for_results(out));
        let mut listing =
            Listing { args: self, columns: Columns::new(["ID", "ITEMS"]), header: true, listed: 0 };
        let mut current: Option<(RecordId, u64)> = None;
        while let Some(entries) = records.next().await? {
            let mut complete = Vec::new();
            for entry in entries {
                match &mut current {
                    Some((id, count)) if *id == entry.id => *count += 1,
                    _ => complete.extend(current.replace((entry.id, 1))),
                }
            }
            records.meter.print(|| listing.print(complete, out))?;
            if listing.is_full() {
                return Ok(());
            }
        }
        records.meter.print(|| listing.print(current.into_iter().collect(), out))?;
        if listing.listed == 0 && !self.connect.json {
            note("no records");
        }
        Ok(())
    }

    async fn keys(&self, id: &str, out: &mut Out) -> Result<(), Failure> {
        let mut request = GetRequest {
            namespace: self.namespace.clone(),
            id: id.to_owned(),
            predicate: None,
            selection: SelectionInput::default(),
            page_token: Bytes::new(),
        };
        let client = self.connect.connect().await?;
        let mut columns = Columns::new(["KEY", "SIZE", "VERSION", "AGE", ""]);
        let mut remaining = self.limit.unwrap_or(u64::MAX);
        let mut absent = Absent::new(self.connect.json);
        let mut is_first = true;
        loop {
            request.selection.item_limit = page_limit(remaining);
            let page = client.get(request.clone()).await?;
            remaining = remaining.saturating_sub(page.items.len() as u64);
            if is_first && page.items.is_empty() {
                absent.add(id, false, &std::collections::BTreeSet::new(), true);
            }
            self.print_keys(&page.items, &mut columns, is_first, out)?;
            is_first = false;
            out.flush()?;
            if page.next_page_token.is_empty() || remaining == 0 {
                return absent.into_result();
            }
            request.page_token = page.next_page_token;
        }
    }

    fn print_keys(
        &self,
        items: &[Item],
        columns: &mut Columns<5>,
        header: bool,
        out: &mut Out,
    ) -> Result<(), Failure> {
        if self.connect.json {
            return items.iter().try_for_each(|item| out.json(&to_json(item)));
        }
        let now = SystemClock.now();
        let short = out.is_terminal();
        let cells = |item: &Item| {
            let notes = notes(item, short);
            let size = grouped(item.value.len() as u64);
            [escape(&item.key), size, item.version.to_string(), age(item.updated_at, now), notes]
        };
        let rows: Vec<_> = items.iter().map(cells).collect();
        for row in &rows {
            columns.widen(row);
        }
        let palette = out.screen.palette;
        let shown = |row: &[String; 5]| if row[4].is_empty() { &[0, 1, 2, 3][..] } else { &[0, 1, 2, 3, 4] };
        if header && !rows.is_empty() {
            let row = columns.headings();
            out.line(&columns.line(&row, [palette.heading; 5], shown(&row)))?;
        }
        let styles = [palette.key, Style::new(), palette.dim, palette.dim, palette.dim];
        rows.iter().try_for_each(|row| out.line(&columns.line(row, styles, shown(row))))
    }
}

/// The records listed so far.
struct Listing<'a> {
    args: &'a LsArgs,
    columns: Columns<2>,
    header: bool,
    listed: u64,
}

impl Listing<'_> {
    fn is_full(&self) -> bool {
        self.args.limit.is_some_and(|limit| self.listed >= limit)
    }

    fn print(&mut self, records: Vec<(RecordId, u64)>, out: &mut Out) -> Result<(), Failure> {
        let remaining = self.args.limit.map_or(u64::MAX, |limit| limit - self.listed);
        let records: Vec<_> =
            records.into_iter().take(usize::try_from(remaining).unwrap_or(usize::MAX)).collect();
        self.listed += records.len() as u64;
        if self.args.connect.json {
            let mut lines = records.iter().map(|(id, items)| json!({ "id": id.as_str(), "items": items }));
            lines.try_for_each(|line| out.json(&line))?;
            return out.flush();
        }
        let rows: Vec<_> =
            records.iter().map(|(id, items)| [escape(id.as_str().as_bytes()), grouped(*items)]).collect();
        for row in &rows {
            self.columns.widen(row);
        }
        if self.header && !rows.is_empty() {
            self.header = false;
            let heading = out.screen.palette.heading;
            out.line(&self.columns.line(&self.columns.headings(), [heading; 2], &[0, 1]))?;
        }
        for row in &rows {
            out.line(&self.columns.line(row, [Style::new(); 2], &[0, 1]))?;
        }
        out.flush()
    }
}

fn to_json(item: &Item) -> serde_json::Value {
    let mut object = key_json(&item.key);
    object.insert("size".to_owned(), json!(item.value.len()));
    object.insert("version".to_owned(), json!(item.version));
    if !item.content_type.is_empty() {
        object.insert("content_type".to_owned(), json!(item.content_type));
    }
    if let Some(compression) = compression_json(item.compression) {
        object.insert("compression".to_owned(), compression);
    }
    object.insert("updated_at".to_owned(), json!(time::format(item.updated_at)));
    if let Some(at) = item.expires_at {
        object.insert("expires_at".to_owned(), json!(time::format(at)));
    }
    object.into()
}
