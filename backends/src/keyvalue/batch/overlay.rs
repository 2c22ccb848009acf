//! The rows of a batch: as loaded, as changed by the batch, and the changes still to be written.

use std::collections::HashMap;
use std::time::Duration;

use prism_contract::keyvalue::row::{self, DeleteOutcome, Row};
use prism_contract::keyvalue::{Delete, Key, NewItem, Predicate};

use crate::keyvalue::Request;

/// The full key of an item. Borrowed from the requests of the batch, so it is `Copy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FullKey<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) id: &'a str,
    pub(crate) key: &'a [u8],
}

/// A change to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    /// Write this item, with this row.
    Item(Row, &'a NewItem),
    /// Write a tombstone, which keeps the token.
    Tombstone(Row),
    /// Remove the row.
    Remove,
}

/// A change and its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pending<'a> {
    pub(crate) full_key: FullKey<'a>,
    pub(crate) change: Change<'a>,
}

/// The rows of a batch. Each key has one slot.
pub(crate) struct Overlay<'a> {
    pub(super) requests: &'a [Request<'a>],
    pub(super) slots: Vec<Slot<'a>>,
    /// The slots of each write: those of its items or named keys, then those of its preconditions.
    pub(super) touched: Vec<Vec<usize>>,
    pub(super) retention: Duration,
    pub(super) versions: Versions,
}

/// The source of versions for applied writes.
pub(super) enum Versions {
    /// Counted up from this version, exclusive.
    After(i64),
    /// Drawn by the store, ascending.
    #[cfg(feature = "postgres")]
    Drawn(std::vec::IntoIter<i64>),
}

impl Versions {
    /// The next version, above all before it; `None` once all drawn versions are used.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(clippy::unnecessary_wraps, reason = "only drawn versions can run out")
    )]
    pub(super) fn next(&mut self) -> Option<i64> {
        match self {
            Self::After(last) => {
                *last += 1;
                Some(*last)
            }
            #[cfg(feature = "postgres")]
            Self::Drawn(versions) => versions.next(),
        }
    }
}

pub(super) struct Slot<'a> {
    pub(super) full_key: FullKey<'a>,
    pub(super) row: Option<Row>,
    pub(super) pending: Option<Change<'a>>,
}

impl<'a> Overlay<'a> {
    /// An overlay of the keys of `requests`, none of them loaded yet.
    pub(crate) fn new(requests: &'a [Request<'a>], retention: Duration) -> Self {
        let versions = Versions::After(0);
        let mut overlay = Self { requests, slots: Vec::new(), touched: Vec::new(), retention, versions };
        let mut index = HashMap::new();
        for request in requests {
            let touched = full_keys(*request)
                .map(|full_key| *index.entry(full_key).or_insert_with(|| overlay.add(full_key)))
                .collect();
            overlay.touched.push(touched);
        }
        overlay
    }

    fn add(&mut self, full_key: FullKey<'a>) -> usize {
        self.slots.push(Slot { full_key, row: None, pending: None });
        self.slots.len() - 1
    }

    /// The keys to load, by slot.
    pub(crate) fn full_keys(&self) -> Vec<FullKey<'a>> {
        self.slots.iter().map(|slot| slot.full_key).collect()
    }

    /// Sets the stored row of a slot; a slot without it has no row.
    pub(crate) fn set_row(&mut self, slot: usize, row: Row) {
        self.slots[slot].row = Some(row);
    }

    /// Versions continue after `version`, the last one before this batch.
    #[cfg(feature = "sqlite")]
    pub(crate) fn continue_after(&mut self, version: i64) {
        self.versions = Versions::After(version);
    }

    /// The last version used.
    #[cfg(feature = "sqlite")]
    pub(crate) fn last_version(&self) -> i64 {
        match self.versions {
            Versions::After(version) => version,
            #[cfg(feature = "postgres")]
            Versions::Drawn(_) => 0,
        }
    }

    /// Maximum number of versions that the batch may need.
    #[cfg(feature = "postgres")]
    pub(crate) fn versions_needed(&self) -> usize {
        let items = self.requests.iter().map(|request| match request {
            Request::Put(put) => put.items.len(),
            Request::Delete(_) => 0,
        });
        items.sum()
    }

    /// Versions come from this ascending list, of length [`Overlay::versions_needed`].
    #[cfg(feature = "postgres")]
    pub(crate) fn draw_from(&mut self, versions: Vec<i64>) {
        self.versions = Versions::Drawn(versions.into_iter());
    }

    /// Takes the pending changes, each key once. The caller writes all of them, or fails the batch.
    pub(crate) fn take_changes(&mut self) -> Vec<Pending<'a>> {
        let taken = self.slots.iter_mut().filter_map(|slot| {
            let change = slot.pending.take()?;
            Some(Pending { full_key: slot.full_key, change })
        });
        taken.collect()
    }

    /// Applies `delete`, by range, prefix or all, which the store has executed on the rows as left by the changes taken
    /// before.
    pub(crate) fn apply_store_delete(&mut self, delete: &Delete) {
        for slot in &mut self.slots {
            let FullKey { namespace, id, key } = slot.full_key;
            let same_record = namespace == delete.namespace.as_str() && id == delete.id.as_str();
            if !same_record || !delete.predicate.matches(key) {
                continue;
            }
            let seen = slot.row.as_ref();
            match row::delete(seen, delete.token, false, delete.now, self.retention) {
                DeleteOutcome::Keep => {}
                DeleteOutcome::Remove { token: 0 } => slot.row = None,
                DeleteOutcome::Remove { token } | DeleteOutcome::Remember { token } => {
                    slot.row = Some(row::tombstone(seen, token, delete.now));
                }
            }
        }
    }
}

/// The keys of a write.
fn full_keys(request: Request<'_>) -> impl Iterator<Item = FullKey<'_>> {
    let (namespace, id) = request.record();
    let (items, keys) = match request {
        Request::Put(put) => (put.items.as_slice(), None),
        Request::Delete(delete) => match &delete.predicate {
            Predicate::Keys(keys) => (&[][..], Some(keys)),
            Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_) => (&[][..], None),
        },
    };
    let items = items.iter().map(|item| item.key.as_bytes());
    let keys = keys.into_iter().flatten().map(Key::as_bytes);
    let guarded = request.preconditions().iter().map(|precondition| precondition.key.as_bytes());
    items.chain(keys).chain(guarded).map(move |key| FullKey { namespace, id, key })
}
