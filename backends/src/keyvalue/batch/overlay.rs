//! The rows a batch touches: as they were loaded, as the batch has made them, and what is still to be written.

use std::collections::HashMap;
use std::time::Duration;

use prism_contract::keyvalue::row::{self, DeleteOutcome, Row};
use prism_contract::keyvalue::{Delete, Key, NewItem, Predicate};

use crate::keyvalue::Request;

/// Where an item stands. Borrowed from the requests of the batch, so it is copied freely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) id: &'a str,
    pub(crate) key: &'a [u8],
}

/// What is to be written at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    /// This item, with this row.
    Item(Row, &'a NewItem),
    /// A row that only remembers its token.
    Tombstone(Row),
    /// No row.
    Remove,
}

/// A change and where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pending<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) change: Change<'a>,
}

/// The rows a batch touches. Every place appears once, in a numbered slot.
pub(crate) struct Overlay<'a> {
    pub(super) requests: &'a [Request<'a>],
    pub(super) slots: Vec<Slot<'a>>,
    /// The slots of each write: first those of its items or named keys, then those of its preconditions.
    pub(super) touched: Vec<Vec<usize>>,
    pub(super) retention: Duration,
    pub(super) versions: Versions,
}

/// Where the versions of applied writes come from.
pub(super) enum Versions {
    /// They are counted on, from this one.
    After(i64),
    /// The store has drawn them, in rising order.
    #[cfg(feature = "postgres")]
    Drawn(std::vec::IntoIter<i64>),
}

impl Versions {
    /// A version above all before it; `None` once what was drawn is used up.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(clippy::unnecessary_wraps, reason = "only versions that were drawn can run out")
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
    pub(super) place: Place<'a>,
    pub(super) row: Option<Row>,
    pub(super) pending: Option<Change<'a>>,
}

impl<'a> Overlay<'a> {
    /// The places that `requests` need to know, none of them loaded yet.
    pub(crate) fn new(requests: &'a [Request<'a>], retention: Duration) -> Self {
        let versions = Versions::After(0);
        let mut overlay = Self { requests, slots: Vec::new(), touched: Vec::new(), retention, versions };
        let mut index = HashMap::new();
        for request in requests {
            let touched = places(*request)
                .map(|place| *index.entry(place).or_insert_with(|| overlay.add(place)))
                .collect();
            overlay.touched.push(touched);
        }
        overlay
    }

    fn add(&mut self, place: Place<'a>) -> usize {
        self.slots.push(Slot { place, row: None, pending: None });
        self.slots.len() - 1
    }

    /// Every place to load, by slot.
    pub(crate) fn places(&self) -> Vec<Place<'a>> {
        self.slots.iter().map(|slot| slot.place).collect()
    }

    /// What the store knows of a slot's place; a slot never told of has no row.
    pub(crate) fn know(&mut self, slot: usize, row: Row) {
        self.slots[slot].row = Some(row);
    }

    /// Versions are counted on from `version`, the last that any item was given before this batch.
    #[cfg(feature = "sqlite")]
    pub(crate) fn continue_after(&mut self, version: i64) {
        self.versions = Versions::After(version);
    }

    /// The last version that was counted to.
    #[cfg(feature = "sqlite")]
    pub(crate) fn last_version(&self) -> i64 {
        match self.versions {
            Versions::After(version) => version,
            #[cfg(feature = "postgres")]
            Versions::Drawn(_) => 0,
        }
    }

    /// How many versions the batch may need.
    #[cfg(feature = "postgres")]
    pub(crate) fn versions_needed(&self) -> usize {
        let items = self.requests.iter().map(|request| match request {
            Request::Put(put) => put.items.len(),
            Request::Delete(_) => 0,
        });
        items.sum()
    }

    /// Versions are these, in rising order: as many as [`Overlay::versions_needed`] says.
    #[cfg(feature = "postgres")]
    pub(crate) fn draw_from(&mut self, versions: Vec<i64>) {
        self.versions = Versions::Drawn(versions.into_iter());
    }

    /// What is to be written by now, each place once. The caller writes all of it, or gives the batch up.
    pub(crate) fn take_changes(&mut self) -> Vec<Pending<'a>> {
        let taken = self.slots.iter_mut().filter_map(|slot| {
            let change = slot.pending.take()?;
            Some(Pending { place: slot.place, change })
        });
        taken.collect()
    }

    /// Tells the overlay that the store itself did `delete`, one by range, prefix or all, to the rows as they stood after
    /// the changes taken before.
    pub(crate) fn swept_by(&mut self, delete: &Delete) {
        for slot in &mut self.slots {
            let Place { namespace, id, key } = slot.place;
            let here = namespace == delete.namespace.as_str() && id == delete.id.as_str();
            if !here || !delete.predicate.matches(key) {
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

/// The places a write names.
fn places(request: Request<'_>) -> impl Iterator<Item = Place<'_>> {
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
    items.chain(keys).chain(guarded).map(move |key| Place { namespace, id, key })
}
