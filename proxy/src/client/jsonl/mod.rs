//! JSON lines: one record, or part of one, per line. `prism import` reads them, `prism export` writes them.
//!
//! ```json
//! {"id":"user:1","items":[{"key":"city","value":"Paris"},{"key":"photo","value_base64":"/9j/","content_type":"image/jpeg"}]}
//! ```
//!
//! A line has the limits of one Put: 1 to 1,000 items, and 4 MiB of keys and values. A line of a full export holds one item,
//! with its version, token and times.

mod compression;
mod read;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use prism_contract::Timestamp;
use prism_contract::keyvalue::{NewItem, RecordId};

pub(super) use self::compression::{json as compression_json, name as compression_name};
pub(super) use self::read::{json_error, optional_bytes, parse, parse_full, too_long};
pub(super) use self::write::{StoredItem, bytes_member, full_line, key_json, record_line};

/// Maximum line length in bytes: 4 MiB of control characters, each escaped, and room for the member names.
pub(super) const MAX_LINE_BYTES: usize = 32 << 20;

/// A validated line: the items of one Put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The record's id.
    pub(super) id: RecordId,
    /// 1 to 1,000 items, no key twice (PUT-4), in the line's order.
    pub(super) items: Vec<LineItem>,
}

/// An item of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LineItem {
    /// The item to write.
    pub(super) item: NewItem,
    /// Its expiry time; `None`: never.
    pub(super) expires_at: Option<Timestamp>,
}

impl Line {
    /// Total bytes of keys and values.
    pub(super) fn bytes(&self) -> usize {
        self.items.iter().map(|item| item.item.key.len() + item.item.value.len()).sum()
    }

    /// The items grouped by expiry time: a Put has one ttl for all its items, so each group is a separate Put.
    pub(super) fn by_expiry(&self) -> BTreeMap<Option<Timestamp>, Vec<&NewItem>> {
        let mut groups = BTreeMap::<_, Vec<_>>::new();
        for LineItem { item, expires_at } in &self.items {
            groups.entry(*expires_at).or_default().push(item);
        }
        groups
    }

    /// Whether this line and another may write the same item, judged by the ranges of their keys.
    pub(super) fn may_conflict(&self, other: &Self) -> bool {
        fn key_range(line: &Line) -> Option<(&[u8], &[u8])> {
            let keys = || line.items.iter().map(|item| item.item.key.as_bytes());
            keys().min().zip(keys().max())
        }
        self.id == other.id
            && key_range(self)
                .zip(key_range(other))
                .is_some_and(|((from, to), (other_from, other_to))| from <= other_to && other_from <= to)
    }
}
