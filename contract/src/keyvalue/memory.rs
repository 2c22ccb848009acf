//! The reference backend: the whole contract in memory, as simply as possible. Nothing survives the process.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::row::{self, DeleteOutcome, PutOutcome, Row};
use super::{
    Capabilities, Delete, Direction, Entry, EntryPage, Get, Item, ItemPage, Key, KeyValueBackend, NewItem,
    Position, Precondition, Predicate, Put, PutResult, RecordId, Scan, Selection,
};
use crate::{Error, Lifecycle, Namespace, PreconditionFailure, Swept, Timestamp};

/// An in-memory store that keeps every rule that a single process can keep. One lock guards everything, so every operation
/// is atomic. It is the backend to compare others with, and not optimized.
#[derive(Debug)]
pub struct Memory {
    retention: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last_version: i64,
    namespaces: BTreeMap<Namespace, BTreeMap<RecordId, Record>>,
}

type Record = BTreeMap<Key, Stored>;

#[derive(Debug)]
struct Stored {
    row: Row,
    value: Bytes,
    content_type: String,
    compression: i32,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(row::DEFAULT_RETENTION)
    }
}

impl Memory {
    /// An empty store that keeps tombstones for `retention` (TOK-4).
    pub fn new(retention: Duration) -> Self {
        Self { retention, state: Mutex::default() }
    }

    /// A std mutex: never held across an await. No panic can leave the state half written, so poison is ignored.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Lifecycle for Memory {
    async fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        for records in self.state().namespaces.values_mut() {
            for record in records.values_mut() {
                record.retain(|_, stored| {
                    if stored.row.is_forgotten(now, self.retention) {
                        match stored.row.deleted_at {
                            Some(_) => swept.tombstones += 1,
                            None => swept.expired += 1,
                        }
                        return false;
                    }
                    // An expired item becomes a tombstone, so that no request with an earlier `now` sees it again.
                    if let (None, Some(since)) = (stored.row.deleted_at, stored.row.dead_since(now)) {
                        swept.expired += 1;
                        let row = Row { expires_at: None, deleted_at: Some(since), ..stored.row };
                        *stored = Stored::dead(row);
                    }
                    true
                });
            }
            records.retain(|_, record| !record.is_empty());
        }
        Ok(swept)
    }

    async fn close(&self) {}
}

#[async_trait]
impl KeyValueBackend for Memory {
    fn capabilities(&self, _: &Namespace) -> Capabilities {
        Capabilities::ALL
    }

    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error> {
        let mut state = self.state();
        state.check(&put.namespace, &put.id, &put.preconditions, put.now)?;
        let Put { namespace, id, items, token, expires_at, now, .. } = put;
        let mut last_version = state.last_version;
        let record = state.record_mut(namespace, id);
        let results = items
            .into_iter()
            .map(|item| {
                let seen = record.get(&item.key).map(|stored| &stored.row);
                match row::put(seen, token, now, self.retention) {
                    PutOutcome::Superseded { version } => PutResult { applied: false, version },
                    PutOutcome::Apply { created_at, updated_at, token } => {
                        last_version += 1;
                        let version = last_version;
                        let row =
                            Row { version, token, created_at, updated_at, expires_at, deleted_at: None };
                        let NewItem { key, value, content_type, compression } = item;
                        record.insert(key, Stored { row, value, content_type, compression });
                        PutResult { applied: true, version }
                    }
                }
            })
            .collect();
        state.last_version = last_version;
        Ok(results)
    }

    async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        let state = self.state();
        let Some(record) = state.record(&get.namespace, &get.id) else {
            return Ok(ItemPage::default());
        };
        let mut page = ItemPage::default();
        let mut bytes = 0;
        let items = live_items(record, &get.predicate, &get.selection, get.after.as_ref(), get.now);
        for item in items {
            if !get.selection.page.fits(page.items.len(), bytes, item.weight()) {
                page.more = true;
                break;
            }
            bytes += item.weight();
            page.items.push(item);
        }
        Ok(page)
    }

    async fn delete(&self, delete: Delete) -> Result<u64, Error> {
        let mut state = self.state();
        state.check(&delete.namespace, &delete.id, &delete.preconditions, delete.now)?;
        let Delete { namespace, id, predicate, token, now, .. } = delete;
        let record = state.record_mut(namespace, id);
        let (named, keys) = match predicate {
            Predicate::Keys(keys) => (true, keys.into_iter().collect::<Vec<_>>()),
            Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_) => {
                let matching = record.range::<[u8], _>(predicate.bounds().as_range());
                (false, matching.map(|(key, _)| key.clone()).collect())
            }
        };
        let mut removed = 0;
        for key in keys {
            let seen = record.get(&key).map(|stored| stored.row);
            let remember = match row::delete(seen.as_ref(), token, named, now, self.retention) {
                DeleteOutcome::Keep => continue,
                DeleteOutcome::Remove { token } => {
                    removed += 1;
                    token
                }
                DeleteOutcome::Remember { token } => token,
            };
            if remember > 0 {
                let row = row::tombstone(seen.as_ref(), remember, now);
                record.insert(key, Stored::dead(row));
            } else {
                record.remove(&key);
            }
        }
        Ok(removed)
    }

    async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
        let state = self.state();
        let Some(records) = state.namespaces.get(&scan.namespace) else {
            return Ok(EntryPage::default());
        };
        let mut page = EntryPage::default();
        let mut bytes = 0;
        for (id, record) in records_from(records, scan) {
            let after = scan.after.as_ref().filter(|at| at.id == *id).map(|at| &at.key);
            for item in live_items(record, &scan.predicate, &scan.selection, after, scan.now) {
                let entry = Entry { id: id.clone(), item };
                if !scan.selection.page.fits(page.entries.len(), bytes, entry.weight()) {
                    page.more = true;
                    return Ok(page);
                }
                bytes += entry.weight();
                page.entries.push(entry);
            }
        }
        Ok(page)
    }
}

impl State {
    fn record(&self, namespace: &Namespace, id: &RecordId) -> Option<&Record> {
        self.namespaces.get(namespace)?.get(id)
    }

    fn record_mut(&mut self, namespace: Namespace, id: RecordId) -> &mut Record {
        self.namespaces.entry(namespace).or_default().entry(id).or_default()
    }

    fn check(
        &self,
        namespace: &Namespace,
        id: &RecordId,
        preconditions: &[Precondition],
        now: Timestamp,
    ) -> Result<(), Error> {
        let record = self.record(namespace, id);
        let failures: Vec<_> = preconditions
            .iter()
            .filter_map(|precondition| {
                let stored = record.and_then(|record| record.get(&precondition.key));
                let current_version = row::current_version(stored.map(|stored| &stored.row), now);
                (!precondition.holds(current_version)).then(|| PreconditionFailure {
                    key: precondition.key.clone().into_bytes(),
                    current_version,
                })
            })
            .collect();
        if failures.is_empty() { Ok(()) } else { Err(Error::PreconditionFailed(failures)) }
    }
}

impl Stored {
    /// A tombstone: a row that keeps only its token.
    fn dead(row: Row) -> Self {
        Self { row, value: Bytes::new(), content_type: String::new(), compression: 0 }
    }

    fn item(&self, key: &Key, keys_only: bool) -> Item {
        Item {
            key: key.clone(),
            value: if keys_only { Bytes::new() } else { self.value.clone() },
            content_type: self.content_type.clone(),
            compression: self.compression,
            version: self.row.version,
            priority_token: self.row.token,
            created_at: self.row.created_at,
            updated_at: self.row.updated_at,
            expires_at: self.row.expires_at,
        }
    }
}

/// The remaining records of a scan, in its direction.
fn records_from<'a>(
    records: &'a BTreeMap<RecordId, Record>,
    scan: &'a Scan,
) -> Box<dyn Iterator<Item = (&'a RecordId, &'a Record)> + 'a> {
    if let Some(id) = &scan.id {
        return Box::new(records.get_key_value(id).into_iter());
    }
    let from = scan.after.as_ref().map(|Position { id, .. }| id);
    let from = from.map_or(Bound::Unbounded, Bound::Included);
    match scan.selection.direction {
        Direction::Forward => Box::new(records.range((from, Bound::Unbounded))),
        Direction::Reverse => Box::new(records.range((Bound::Unbounded, from)).rev()),
    }
}

/// A record's live items that match the predicate, beyond `after`, in the selection's direction.
fn live_items<'a>(
    record: &'a Record,
    predicate: &'a Predicate,
    selection: &'a Selection,
    after: Option<&'a Key>,
    now: Timestamp,
) -> impl Iterator<Item = Item> + 'a {
    let bounds = predicate.bounds();
    let matching = record.range::<[u8], _>(bounds.as_range());
    let ordered: Box<dyn Iterator<Item = (&Key, &Stored)>> = match selection.direction {
        Direction::Forward => {
            Box::new(matching.skip_while(move |(key, _)| after.is_some_and(|at| *key <= at)))
        }
        Direction::Reverse => {
            Box::new(matching.rev().skip_while(move |(key, _)| after.is_some_and(|at| *key >= at)))
        }
    };
    ordered
        .filter(move |(key, stored)| stored.row.is_live(now) && predicate.matches(key))
        .map(move |(key, stored)| stored.item(key, selection.keys_only))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros).unwrap()
    }

    #[tokio::test]
    async fn a_swept_expired_item_stays_dead_for_an_earlier_now() {
        let store = Memory::default();
        let (namespace, id) = (Namespace::new("n").unwrap(), RecordId::new("r").unwrap());
        let key = Key::new("k").unwrap();
        let item = NewItem { key, value: Bytes::from("v"), content_type: String::new(), compression: 0 };
        let put = Put {
            namespace: namespace.clone(),
            id: id.clone(),
            items: vec![item],
            token: 5,
            expires_at: Some(at(100)),
            preconditions: Vec::new(),
            now: at(1),
        };
        store.put(put.clone()).await.unwrap();
        assert_eq!(store.sweep(at(100)).await.unwrap().expired, 1);
        let (predicate, selection) = (Predicate::All, Selection::default());
        let get = Get { namespace, id, predicate, selection, after: None, now: at(99) };
        assert_eq!(store.get(&get).await.unwrap(), ItemPage::default());
        let late = store.put(Put { now: at(101), ..put }).await.unwrap();
        assert_eq!(late, [PutResult { applied: false, version: 0 }]);
    }
}
