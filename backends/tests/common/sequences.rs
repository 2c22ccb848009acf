//! Random sequences of all operations, to compare one store with another.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use bytes::Bytes;
use prism_contract::keyvalue::{
    Delete, Direction, Get, Key, KeyValueBackend, NewItem, Precondition, Predicate, Put, PutResult, RecordId,
    Scan, Selection,
};
use prism_contract::{Error, Namespace, PageSize, Timestamp};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;

use super::at;

/// In microseconds; short, so that tombstones pass their retention within a sequence.
pub(crate) const RETENTION: u64 = 40;

#[derive(Debug, Clone)]
pub(crate) enum Write {
    Put(Put),
    Delete(Delete),
}

impl Write {
    pub(crate) fn namespace(&self) -> &Namespace {
        match self {
            Self::Put(put) => &put.namespace,
            Self::Delete(delete) => &delete.namespace,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Writes that are queued together, and so share one transaction.
    Writes(Vec<Write>),
    /// Gets that are queued together, and so are read by one statement.
    Gets(Vec<Get>),
    Scan(Scan),
    Sweep,
    Reopen,
}

/// A step, preceded by a change of the clock.
pub(crate) type Timed = (i64, Step);

fn keys() -> impl Strategy<Value = Key> {
    let keys: [&[u8]; 10] = [b"a", b"a\0", b"a\0\0", b"a\xff", b"ab", b"b", b"A", b"%", b"\xff", b"\xff\xff"];
    select(keys.to_vec()).prop_map(|key| Key::new(key).unwrap())
}

fn records() -> impl Strategy<Value = (Namespace, RecordId)> {
    (select(vec!["n", "n.n"]), select(vec!["r", "rr", "é"]))
        .prop_map(|(namespace, id)| (Namespace::new(namespace).unwrap(), RecordId::new(id).unwrap()))
}

fn predicates() -> impl Strategy<Value = Predicate> {
    let bound = || prop_oneof![Just(Bytes::new()), keys().prop_map(Key::into_bytes)];
    prop_oneof![
        Just(Predicate::All),
        btree_set(keys(), 1..6).prop_map(|set| Predicate::keys(set).unwrap()),
        bound().prop_map(|prefix| Predicate::prefix(prefix).unwrap()),
        (bound(), bound()).prop_filter_map("inverted", |(start, end)| Predicate::range(start, end).ok()),
    ]
}

/// Few small versions, so that preconditions hold sometimes: versions count from 1.
fn preconditions() -> impl Strategy<Value = Vec<Precondition>> {
    let one = (keys(), prop_oneof![3 => Just(0), 1 => 1_i64..12]);
    prop_oneof![
        4 => Just(Vec::new()),
        1 => vec(one, 1..3).prop_map(|generated| {
            let mut seen = std::collections::BTreeMap::new();
            seen.extend(generated);
            seen.into_iter().map(|(key, version)| Precondition::new(key, version).unwrap()).collect()
        }),
    ]
}

fn tokens() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), 1_i64..6]
}

/// Times are relative until a sequence is run: `expires_at` is the time to live, `now` is unused.
fn puts() -> impl Strategy<Value = Put> {
    let item = (vec(any::<u8>(), 0..40), select(vec!["", "text/plain", "a\0b"]), -1..3).prop_map(
        |(value, content_type, compression)| (Bytes::from(value), content_type.to_owned(), compression),
    );
    let items = proptest::collection::btree_map(keys(), item, 1..5);
    (records(), items, tokens(), proptest::option::of(1_i64..60), preconditions()).prop_map(
        |((namespace, id), items, token, ttl, preconditions)| Put {
            namespace,
            id,
            items: items
                .into_iter()
                .map(|(key, (value, content_type, compression))| NewItem {
                    key,
                    value,
                    content_type,
                    compression,
                })
                .collect(),
            token,
            expires_at: ttl.map(at),
            preconditions,
            now: Timestamp::EPOCH,
        },
    )
}

fn deletes() -> impl Strategy<Value = Delete> {
    (records(), predicates(), tokens(), preconditions()).prop_map(
        |((namespace, id), predicate, token, preconditions)| {
            let now = Timestamp::EPOCH;
            Delete { namespace, id, predicate, token, preconditions, now }
        },
    )
}

fn selections() -> impl Strategy<Value = Selection> {
    (0_u32..5, prop_oneof![Just(0), 1_u32..600], any::<bool>(), any::<bool>()).prop_map(
        |(items, bytes, keys_only, reverse)| Selection {
            page: PageSize::new(items, bytes),
            keys_only,
            direction: if reverse { Direction::Reverse } else { Direction::Forward },
        },
    )
}

fn steps(sweeps: bool) -> impl Strategy<Value = Step> {
    let write = prop_oneof![3 => puts().prop_map(Write::Put), 2 => deletes().prop_map(Write::Delete)];
    let get = (records(), predicates(), selections()).prop_map(|((namespace, id), predicate, selection)| {
        Get { namespace, id, predicate, selection, after: None, now: Timestamp::EPOCH }
    });
    let scan = (records(), any::<bool>(), predicates(), selections()).prop_map(
        |((namespace, id), whole, predicate, selection)| {
            let id = (!whole).then_some(id);
            Step::Scan(Scan { namespace, id, predicate, selection, after: None, now: Timestamp::EPOCH })
        },
    );
    prop_oneof![
        8 => vec(write, 1..6).prop_map(Step::Writes),
        4 => vec(get, 1..6).prop_map(Step::Gets),
        4 => scan,
        u32::from(sweeps) => Just(Step::Sweep),
        1 => Just(Step::Reopen),
    ]
}

/// Only a sequence without sweeps may set the clock back: after a sweep, a request with an earlier `now` may see less.
pub(crate) fn sequences(sweeps: bool) -> impl Strategy<Value = Vec<Timed>> {
    let clock = if sweeps { 0_i64..15 } else { -10..20 };
    vec((clock, steps(sweeps)), 1..40)
}

/// Executes a write of either kind.
pub(crate) async fn write(backend: &impl KeyValueBackend, write: Write) -> Result<Written, Error> {
    match write {
        Write::Put(put) => backend.put(put).await.map(Written::Put),
        Write::Delete(delete) => backend.delete(delete).await.map(Written::Deleted),
    }
}

#[derive(Debug, PartialEq)]
pub(crate) enum Written {
    Put(Vec<PutResult>),
    Deleted(u64),
}

pub(crate) fn timed(write: Write, now: Timestamp) -> Write {
    match write {
        Write::Put(mut put) => {
            put.expires_at = put.expires_at.map(|ttl| at(now.as_micros() + ttl.as_micros()));
            Write::Put(Put { now, ..put })
        }
        Write::Delete(delete) => Write::Delete(Delete { now, ..delete }),
    }
}
