//! The query for a page, derived from a Get or a Scan, for all databases.

use bytes::Bytes;
use prism_contract::Timestamp;
use prism_contract::keyvalue::{Direction, Get, Key, Position, Predicate, Scan, Selection};

use super::span::{Span, keys_beyond, successor};

/// The query for a page.
pub(crate) struct PageQuery<'a> {
    pub(crate) namespace: &'a [u8],
    pub(crate) scope: Scope<'a>,
    pub(crate) keys: Keys<'a>,
    pub(crate) selection: &'a Selection,
    pub(crate) now: Timestamp,
}

/// The scope of a page.
pub(crate) enum Scope<'a> {
    /// One record, by its id.
    Record(&'a [u8]),
    /// A namespace: forward, from this id and key, inclusive; in reverse, down to them, exclusive.
    Namespace { id: &'a [u8], key: Bytes },
}

/// The keys that a page reads of each record.
pub(crate) enum Keys<'a> {
    /// The keys of a span.
    Span(Span),
    /// These, in key order.
    Named(Vec<&'a Key>),
}

impl<'a> PageQuery<'a> {
    /// A page of a record; `None` if no key is left to read.
    pub(crate) fn get(get: &'a Get) -> Option<Self> {
        let Get { namespace, id, predicate, selection, after, now } = get;
        Some(Self {
            namespace: namespace.as_str().as_bytes(),
            scope: Scope::Record(id.as_str().as_bytes()),
            keys: Keys::of_record(predicate, after.as_ref(), selection.direction)?,
            selection,
            now: *now,
        })
    }

    /// A page of a namespace, or of one record of it; `None` if no key is left to read.
    pub(crate) fn scan(scan: &'a Scan) -> Option<Self> {
        let Scan { namespace, id, predicate, selection, after, now } = scan;
        let direction = selection.direction;
        let (scope, keys) = if let Some(id) = id {
            let after = after.as_ref().filter(|after| after.id == *id).map(|after| &after.key);
            (Scope::Record(id.as_str().as_bytes()), Keys::of_record(predicate, after, direction)?)
        } else {
            (Scope::from(after.as_ref(), direction), Keys::of_every_record(predicate, direction))
        };
        Some(Self { namespace: namespace.as_str().as_bytes(), scope, keys, selection, now: *now })
    }

    /// Whether the order is reverse.
    pub(crate) fn is_reverse(&self) -> bool {
        self.selection.direction == Direction::Reverse
    }

    /// Row limit: one more than the page holds, to detect whether there is more (PAGE-5).
    pub(crate) fn rows(&self) -> i64 {
        i64::try_from(self.selection.page.items()).unwrap_or(i64::MAX).saturating_add(1)
    }
}

impl<'a> Scope<'a> {
    /// A namespace, beyond a position.
    fn from(after: Option<&'a Position>, direction: Direction) -> Self {
        // Ids are UTF-8, which has no byte FF: [0xFF] is above every id.
        let (id, key): (&[u8], _) = match (after, direction) {
            (Some(after), Direction::Forward) => (after.id.as_str().as_bytes(), successor(&after.key)),
            (Some(after), Direction::Reverse) => {
                (after.id.as_str().as_bytes(), after.key.clone().into_bytes())
            }
            (None, Direction::Forward) => (&[], Bytes::new()),
            (None, Direction::Reverse) => (&[0xFF], Bytes::new()),
        };
        Self::Namespace { id, key }
    }
}

impl<'a> Keys<'a> {
    /// The keys of one record beyond `after`.
    fn of_record(predicate: &'a Predicate, after: Option<&'a Key>, direction: Direction) -> Option<Self> {
        match predicate {
            Predicate::Keys(keys) => {
                let keys: Vec<_> = keys_beyond(keys, after, direction).collect();
                (!keys.is_empty()).then_some(Self::Named(keys))
            }
            Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_) => {
                Some(Self::Span(Span::of(predicate, after, direction)))
            }
        }
    }

    /// The keys of every record: they are filtered per record, so a position limits the scope and not the keys.
    fn of_every_record(predicate: &'a Predicate, direction: Direction) -> Self {
        match predicate {
            Predicate::Keys(keys) => Self::Named(keys.iter().collect()),
            Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_) => {
                Self::Span(Span::of(predicate, None, direction))
            }
        }
    }
}
