//! Parses a line of a full export: one item with all its metadata.

use prism_contract::Timestamp;
use prism_contract::keyvalue::{Entry, Item};

use super::{RawItem, item_at, raw};
use crate::client::time;

/// Parses a line of `prism export --full` without its newline. The error states the fault and what is allowed, but not the
/// line number.
pub(in super::super::super) fn parse_full(line: &[u8]) -> Result<Entry, String> {
    let (id, items) = raw(line)?;
    let [item] = <[RawItem; 1]>::try_from(items).map_err(|items: Vec<_>| {
        format!("items holds {} items; a line of a full export holds 1", items.len())
    })?;
    Ok(Entry { id, item: full_item(item).map_err(|why| format!("items[0].{why}"))? })
}

fn full_item(raw: RawItem) -> Result<Item, String> {
    let version = at_least("version", raw.version.ok_or_else(|| missing("version"))?, 1)?;
    // Canonical lines omit it if it is 0.
    let priority_token = at_least("priority_token", raw.priority_token.unwrap_or(0), 0)?;
    let created_at = timestamp("created_at", raw.created_at.as_deref())?;
    let updated_at = timestamp("updated_at", raw.updated_at.as_deref())?;
    let line_item = item_at(0, raw).map_err(|why| why.trim_start_matches("items[0].").to_owned())?;
    let item = Item {
        key: line_item.item.key,
        value: line_item.item.value,
        content_type: line_item.item.content_type,
        compression: line_item.item.compression,
        version,
        priority_token,
        created_at,
        updated_at,
        expires_at: line_item.expires_at,
    };
    check_times(&item)?;
    Ok(item)
}

/// Refuses times that no store can hold (PUT-5). An item may expire before `updated_at` if its last write came through a
/// gateway whose clock was behind that of its creation; then `updated_at` equals `created_at`.
fn check_times(item: &Item) -> Result<(), String> {
    if item.updated_at < item.created_at {
        return Err("updated_at is before created_at".to_owned());
    }
    if item.updated_at > item.created_at && item.expires_at.is_some_and(|at| at <= item.updated_at) {
        return Err("expires_at is not after updated_at".to_owned());
    }
    Ok(())
}

fn timestamp(name: &str, text: Option<&str>) -> Result<Timestamp, String> {
    time::parse(text.ok_or_else(|| missing(name))?).map_err(|why| format!("{name} {why}"))
}

fn at_least(name: &str, number: i64, least: i64) -> Result<i64, String> {
    if number < least { Err(format!("{name} is {number}; {least} or more is allowed")) } else { Ok(number) }
}

fn missing(name: &str) -> String {
    format!("{name} is missing; each line of 'prism export --full' has it; import other files without --full")
}
