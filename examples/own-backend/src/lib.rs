//! An example backend: the core of the contract over a sorted map, without optional capabilities.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use prism_contract::keyvalue::{
    Capabilities, Delete, Entry, EntryPage, Get, Item, ItemPage, Key, KeyValueBackend, Put, PutResult,
    RecordId, Scan, Selection,
};
use prism_contract::{Error, Lifecycle, Namespace, Swept, Timestamp};

/// One sorted map under one lock. Nothing survives the process.
#[derive(Default)]
pub struct OwnStore(Mutex<State>);

#[derive(Default)]
struct State {
    last_version: i64,
    records: BTreeMap<(Namespace, RecordId), BTreeMap<Key, Item>>,
}

impl OwnStore {
    /// Never held across an await, so every operation is atomic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Lifecycle for OwnStore {
    async fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn sweep(&self, _: Timestamp) -> Result<Swept, Error> {
        Ok(Swept::default())
    }

    async fn close(&self) {}
}

#[async_trait]
impl KeyValueBackend for OwnStore {
    fn capabilities(&self, _: &Namespace) -> Capabilities {
        Capabilities::NONE
    }

    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error> {
        let mut state = self.state();
        // One version for the whole Put, above every earlier version of this store (VER-1, VER-2).
        state.last_version += 1;
        let version = state.last_version;
        let results = vec![PutResult { applied: true, version }; put.items.len()];
        let record = state.records.entry((put.namespace, put.id)).or_default();
        for new in put.items {
            let created_at = record.get(&new.key).map_or(put.now, |old| old.created_at);
            let item = Item {
                key: new.key.clone(),
                value: new.value,
                content_type: new.content_type,
                compression: new.compression,
                version,
                priority_token: 0,
                created_at,
                // A gateway whose clock is behind must not set updated_at before created_at (PUT-5).
                updated_at: put.now.max(created_at),
                expires_at: None,
            };
            record.insert(new.key, item);
        }
        Ok(results)
    }

    async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        Ok(self.state().page(get, 0))
    }

    async fn delete(&self, delete: Delete) -> Result<u64, Error> {
        let mut state = self.state();
        let Some(record) = state.records.get_mut(&(delete.namespace, delete.id)) else { return Ok(0) };
        let before = record.len();
        record.retain(|key, _| !delete.predicate.matches(key));
        Ok(u64::try_from(before - record.len()).unwrap_or(u64::MAX))
    }

    async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
        // A Scan without an id needs NAMESPACE_SCAN: it never reaches a store that does not declare it.
        let Some(id) = &scan.id else { return Ok(EntryPage::default()) };
        let Scan { namespace, predicate, selection, now, .. } = scan.clone();
        let after = scan.after.as_ref().map(|at| at.key.clone());
        let get = Get { namespace, id: id.clone(), predicate, selection, after, now };
        let ItemPage { items, more } = self.state().page(&get, id.as_str().len());
        let entries = items.into_iter().map(|item| Entry { id: id.clone(), item }).collect();
        Ok(EntryPage { entries, more })
    }
}

impl State {
    /// A page of a record; `extra_weight` is added to the weight of each item (PAGE-7).
    fn page(&self, get: &Get, extra_weight: usize) -> ItemPage {
        let mut page = ItemPage::default();
        let record_key = (get.namespace.clone(), get.id.clone());
        let Some(record) = self.records.get(&record_key) else { return page };
        let after = get.after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut weight = 0;
        for (_, item) in record.range::<Key, _>((after, Bound::Unbounded)) {
            if !get.predicate.matches(&item.key) {
                continue;
            }
            let item = selected(item, get.selection);
            let item_weight = item.weight() + extra_weight;
            if !get.selection.page.fits(page.items.len(), weight, item_weight) {
                page.more = true;
                break;
            }
            weight += item_weight;
            page.items.push(item);
        }
        page
    }
}

/// The item as it is returned (PAGE-8).
fn selected(item: &Item, selection: Selection) -> Item {
    let value = if selection.keys_only { Bytes::new() } else { item.value.clone() };
    Item { value, ..item.clone() }
}
