//! Definitions of namespaces, and their changes, in the database of the default backend.
//!
//! They are items of one record: a head with the version of the last change, an item for each definition, and one for each
//! change. A change writes all three in one step, under the condition that the head is still the one it was based on, so the
//! versions of changes have no gap and no change is lost, whichever gateways make them.

use bytes::Bytes;
use prism_backends::internal::{Internal, one};
use prism_contract::keyvalue::{Expected, Item, Key, Precondition, Predicate};
use prism_contract::{Error, Timestamp};
use prism_mutants::seeded;
use prism_proto::control::v1::{Change, ChangeKind, Namespace};
use prost::Message;

use super::Fault;

/// The record's id.
pub(super) const RECORD: &str = "namespaces";
/// The key of the head.
const HEAD: &[u8] = b"head";
/// How the keys of definitions begin; the name follows.
const DEFINITION: &[u8] = b"definition/";
/// How the keys of changes begin; the version follows, in eight bytes.
const CHANGE: &[u8] = b"change/";
/// Maximum tries of a change that meets changes of other gateways.
const MAX_TRIES: usize = 32;

/// The definitions in a backend.
pub(super) struct DefinitionStore {
    record: Internal,
    limits: Limits,
}

/// How many definitions and changes are kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Maximum number of definitions.
    pub(super) definitions: usize,
    /// Maximum number of those that an administrator of some namespaces may use: it cannot take all from the others.
    pub(super) of_limited: usize,
    /// Number of the last changes that are kept at least.
    pub(super) kept: i64,
    /// Number of changes that are removed at a time.
    pub(super) removed: i64,
}

impl Limits {
    pub(super) const DEFAULT: Self =
        Self { definitions: 100_000, of_limited: 10_000, kept: 100_000, removed: 1_000 };
}

/// The versions of the kept changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// That of the last one; 0: there was none.
    pub(super) last: i64,
    /// That of the first one that is kept.
    pub(super) first: i64,
}

/// What a change makes of a definition.
pub(super) enum Edit {
    /// It is this one from now on; its version is set by the store.
    Put(ChangeKind, Namespace),
    /// It is this one from now on, whose status is DELETING, and its items are removed.
    ForceDelete(Namespace),
    /// It is removed.
    Remove,
}

impl DefinitionStore {
    pub(super) fn new(record: Internal, limits: Limits) -> Self {
        Self { record, limits }
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// The versions of the kept changes.
    pub(super) async fn head(&self, now: Timestamp) -> Result<Head, Error> {
        Head::of(self.record.get(key(HEAD), now).await?.as_ref())
    }

    /// All definitions. They may be newer than a head that was read before, each with the version of its last change.
    pub(super) async fn all(&self, now: Timestamp) -> Result<Vec<Namespace>, Error> {
        let prefix = Predicate::prefix(DEFINITION.into()).map_err(Error::internal)?;
        let items = self.record.list(prefix, now).await?;
        let definitions = items.iter().map(|item| Stored::of(Some(item)));
        definitions.filter_map(Result::transpose).map(|stored| Ok(stored?.namespace)).collect()
    }

    /// A definition; `None`: there is none.
    pub(super) async fn get(&self, name: &str, now: Timestamp) -> Result<Option<Stored>, Error> {
        Stored::of(self.record.get(definition_key(name), now).await?.as_ref())
    }

    /// The changes after a version, in order: all, or the first of many. They begin with the next version unless it is not
    /// kept any more.
    pub(super) async fn changes(
        &self,
        after: i64,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Change>, Error> {
        let start = change_key(after.saturating_add(1));
        let range = Predicate::range(start.into_bytes(), end_of(CHANGE)).map_err(Error::internal)?;
        let items = self.record.first(limit, range, now).await?;
        items.iter().map(|item| decode(&item.value)).collect()
    }

    /// Changes a definition: `edit` is given the current one, and may be called several times.
    pub(super) async fn change(
        &self,
        name: &str,
        now: Timestamp,
        mut edit: impl FnMut(Option<Namespace>) -> Result<Edit, Fault>,
    ) -> Result<Change, Fault> {
        let definition = definition_key(name);
        let keys = Predicate::keys([key(HEAD), definition.clone()]).map_err(Error::internal)?;
        for _ in 0..MAX_TRIES {
            let items = self.record.list(keys.clone(), now).await?;
            let find = |key: &Key| items.iter().find(|item| item.key == *key);
            let head = find(&key(HEAD));
            let current = Stored::of(find(&definition))?.map(|stored| stored.namespace);
            let expected = head.and_then(|item| item.version.try_into().ok());
            let precondition =
                Precondition { key: key(HEAD), expected: expected.map_or(Expected::Absent, Expected::At) };
            let Head { last, first } = Head::of(head)?;
            let version = last + 1;
            let (kind, mut namespace, is_forced) = match edit(current.clone())? {
                Edit::Put(kind, namespace) => (kind, namespace, false),
                Edit::ForceDelete(namespace) => (ChangeKind::Updated, namespace, true),
                Edit::Remove => (ChangeKind::Deleted, current.unwrap_or_default(), false),
            };
            let removed = kind == ChangeKind::Deleted;
            namespace.version = version;
            let Limits { kept, removed: removed_at_once, .. } = self.limits;
            let kept_from = if version - first >= kept + removed_at_once { version - kept } else { first };
            // The value of a removed definition is empty until its item is removed, below.
            let value = if removed { Bytes::new() } else { Stored::encode(&namespace, is_forced) };
            let change = Change { kind: kind.into(), namespace: Some(namespace) };
            let items = [
                (key(HEAD), Head { last: version, first: kept_from }.encode()),
                (definition.clone(), value),
                (change_key(version), change.encode_to_vec().into()),
            ];
            let preconditions = if seeded("control/overwrites-a-change-of-another-gateway") {
                Vec::new()
            } else {
                vec![precondition]
            };
            match self.record.put(items, preconditions, now).await {
                Ok(()) => {}
                // Another gateway was first.
                Err(Error::PreconditionFailed(_)) => continue,
                Err(error) => return Err(error.into()),
            }
            self.clean(removed.then_some(definition), first..kept_from, now).await;
            return Ok(change);
        }
        Err(Error::unavailable("other gateways change definitions all the time").into())
    }

    /// Removes what is not needed any more. What a failure leaves behind is not read: a definition without a value, and
    /// changes before the first one.
    async fn clean(&self, removed: Option<Key>, changes: std::ops::Range<i64>, now: Timestamp) {
        let mut cleaned = Ok(());
        if let Some(definition) = removed {
            cleaned = self.record.delete(one(definition), now).await;
        }
        if !changes.is_empty() {
            let (start, end) = (change_key(changes.start), change_key(changes.end));
            let range = Predicate::range(start.into_bytes(), end.into_bytes()).map_err(Error::internal);
            cleaned = match range {
                Ok(range) => cleaned.and(self.record.delete(range, now).await),
                Err(error) => Err(error),
            };
        }
        if let Err(error) = cleaned {
            tracing::warn!(%error, "definitions that are not needed any more were not removed");
        }
    }
}

/// A definition as it is stored: a byte that says whether a deletion was forced, and the message.
pub(super) struct Stored {
    pub(super) namespace: Namespace,
    /// Whether items are removed with it, if it is being deleted.
    pub(super) is_forced: bool,
}

impl Stored {
    fn of(item: Option<&Item>) -> Result<Option<Self>, Error> {
        let Some(item) = item.filter(|item| !item.value.is_empty()) else { return Ok(None) };
        let namespace = decode(&item.value.slice(1..))?;
        Ok(Some(Self { namespace, is_forced: item.value[0] == 1 }))
    }

    fn encode(namespace: &Namespace, is_forced: bool) -> Bytes {
        [vec![u8::from(is_forced)], namespace.encode_to_vec()].concat().into()
    }
}

impl Head {
    fn of(item: Option<&Item>) -> Result<Self, Error> {
        let Some(item) = item else { return Ok(Self { last: 0, first: 1 }) };
        let (last, first) = item.value.split_first_chunk().ok_or_else(damaged)?;
        let first = first.try_into().map_err(|_| damaged())?;
        Ok(Self { last: i64::from_be_bytes(*last), first: i64::from_be_bytes(first) })
    }

    fn encode(self) -> Bytes {
        [self.last.to_be_bytes(), self.first.to_be_bytes()].concat().into()
    }
}

fn key(bytes: &[u8]) -> Key {
    Key::new(Bytes::copy_from_slice(bytes)).expect("the keys of definitions are shorter than the limit")
}

fn definition_key(name: &str) -> Key {
    key(&[DEFINITION, name.as_bytes()].concat())
}

fn change_key(version: i64) -> Key {
    key(&[CHANGE, &version.to_be_bytes()[..]].concat())
}

/// The end of the range of keys that begin with `prefix`.
fn end_of(prefix: &[u8]) -> Bytes {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end.into()
}

fn decode<M: Message + Default>(value: &Bytes) -> Result<M, Error> {
    M::decode(value.clone()).map_err(|_| damaged())
}

fn damaged() -> Error {
    Error::internal("a definition of a namespace is damaged")
}
