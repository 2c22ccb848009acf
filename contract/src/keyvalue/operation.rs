//! The operations of a backend and their results, valid once built.

use super::{Item, Key, NewItem, Precondition, Predicate, RecordId, Selection};
use crate::{Namespace, Timestamp};

/// Write items of one record, atomically (PUT-3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The record's namespace.
    pub namespace: Namespace,
    /// The record's id.
    pub id: RecordId,
    /// 1 to 1,000 items, each key once (PUT-4).
    pub items: Vec<NewItem>,
    /// 0: none; never negative (TOK-1, TOK-2, TOK-6).
    pub token: i64,
    /// When the items expire, later than `now`; `None`: never, which clears an earlier expiry (TTL-2).
    pub expires_at: Option<Timestamp>,
    /// All must hold (COND-1); each key once.
    pub preconditions: Vec<Precondition>,
    /// The time of the request.
    pub now: Timestamp,
}

/// The result of one item of a Put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PutResult {
    /// Whether the item was written; `false` if a token superseded it (TOK-1).
    pub applied: bool,
    /// The item's current version; 0: absent.
    pub version: i64,
}

/// Read one page of one record, as one snapshot (LIN-3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Get {
    /// The record's namespace.
    pub namespace: Namespace,
    /// The record's id.
    pub id: RecordId,
    /// Which items.
    pub predicate: Predicate,
    /// Page size and order.
    pub selection: Selection,
    /// The last key of the previous page, exclusive; `None`: the first page.
    pub after: Option<Key>,
    /// The time of the request.
    pub now: Timestamp,
}

/// A page of one record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemPage {
    /// Live items, in the requested order.
    pub items: Vec<Item>,
    /// Whether another live item follows the last of `items` (PAGE-5). A page with more is never empty.
    pub more: bool,
}

/// Remove items of one record, atomically (DEL-5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// The record's namespace.
    pub namespace: Namespace,
    /// The record's id.
    pub id: RecordId,
    /// Which items.
    pub predicate: Predicate,
    /// 0: none; never negative (TOK-1, TOK-4).
    pub token: i64,
    /// All must hold (COND-5); each key once.
    pub preconditions: Vec<Precondition>,
    /// The time of the request.
    pub now: Timestamp,
}

/// The position of an entry in a scan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Its record.
    pub id: RecordId,
    /// Its key.
    pub key: Key,
}

/// Read one page of a namespace or of one record, ordered by (id bytes, key) (ORD-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// The namespace.
    pub namespace: Namespace,
    /// One record of it; `None`: every record.
    pub id: Option<RecordId>,
    /// Which items of each record.
    pub predicate: Predicate,
    /// Page size and order.
    pub selection: Selection,
    /// The last entry of the previous page, exclusive; `None`: the first page.
    pub after: Option<Position>,
    /// The time of the request.
    pub now: Timestamp,
}

/// One item and the id of its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The record's id.
    pub id: RecordId,
    /// The item.
    pub item: Item,
}

impl Entry {
    /// The weight of this entry on a page, in bytes: the item's weight plus the id's length (PAGE-7).
    pub fn weight(&self) -> usize {
        self.item.weight() + self.id.as_str().len()
    }

    /// Its position, for the next page.
    pub fn position(&self) -> Position {
        Position { id: self.id.clone(), key: self.item.key.clone() }
    }
}

/// A page of a scan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryPage {
    /// Live items, in the requested order.
    pub entries: Vec<Entry>,
    /// Whether another live item follows the last of `entries`. A page with more is never empty.
    pub more: bool,
}
