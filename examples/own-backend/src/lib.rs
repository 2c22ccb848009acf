//! A store of sorted maps in memory, with a log on disk from which they are rebuilt.

mod log;

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use prism_contract::keyvalue::{
    Capabilities, Capability, Delete, Entry, EntryPage, Get, Item, ItemPage, Key, KeyValueBackend,
    Precondition, Put, PutResult, RecordId, Scan,
};
use prism_contract::{Error, Lifecycle, Namespace, PreconditionFailure, Swept, Timestamp};

use log::{Log, Write};

/// The capabilities beyond the core.
pub const CAPABILITIES: Capabilities = Capabilities::NONE.with(Capability::ConditionalWrites);

/// The store. One process at a time may open a log.
pub struct Store(Mutex<State>);

struct State {
    log: Log,
    last_version: i64,
    records: BTreeMap<(Namespace, RecordId), BTreeMap<Key, Item>>,
}

impl Store {
    /// Opens the log at `path`, or creates it, and applies its writes in their order. Versions are
    /// counted anew, and are the same as before (DUR-3).
    pub fn open(path: &Path) -> io::Result<Self> {
        let (log, writes) = Log::open(path)?;
        let mut state = State {
            log,
            last_version: 0,
            records: BTreeMap::new(),
        };
        for write in writes {
            state.apply(write);
        }
        Ok(Self(Mutex::new(state)))
    }

    /// Never held across an await, so every operation is atomic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Lifecycle for Store {
    async fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn sweep(&self, _: Timestamp) -> Result<Swept, Error> {
        Ok(Swept::default())
    }

    async fn close(&self) {}
}

#[async_trait]
impl KeyValueBackend for Store {
    fn capabilities(&self, _: &Namespace) -> Capabilities {
        CAPABILITIES
    }

    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error> {
        let mut state = self.state();
        state.check(&put.namespace, &put.id, &put.preconditions)?;
        let result = PutResult {
            applied: true,
            version: state.last_version + 1,
        };
        let results = vec![result; put.items.len()];
        let Put {
            namespace,
            id,
            items,
            now,
            ..
        } = put;
        state.write(Write {
            namespace,
            id,
            now,
            items,
            removed: Vec::new(),
        })?;
        Ok(results)
    }

    async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        Ok(self.state().page(get, 0))
    }

    async fn delete(&self, delete: Delete) -> Result<u64, Error> {
        let mut state = self.state();
        state.check(&delete.namespace, &delete.id, &delete.preconditions)?;
        let Delete {
            namespace,
            id,
            predicate,
            now,
            ..
        } = delete;
        let record = state.records.get(&(namespace.clone(), id.clone()));
        let keys = record.into_iter().flat_map(BTreeMap::keys);
        let removed: Vec<Key> = keys.filter(|key| predicate.matches(key)).cloned().collect();
        let count = removed.len() as u64;
        if count > 0 {
            state.write(Write {
                namespace,
                id,
                now,
                items: Vec::new(),
                removed,
            })?;
        }
        Ok(count)
    }

    async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
        // Without an id it needs NamespaceScan, which this store does not declare.
        let Some(id) = scan.id.clone() else {
            return Err(Error::internal("a Scan of a namespace reached the store"));
        };
        let get = Get {
            namespace: scan.namespace.clone(),
            id: id.clone(),
            predicate: scan.predicate.clone(),
            selection: scan.selection,
            after: scan.after.as_ref().map(|position| position.key.clone()),
            now: scan.now,
        };
        let ItemPage { items, more } = self.state().page(&get, id.as_str().len());
        let entry = |item| Entry {
            id: id.clone(),
            item,
        };
        Ok(EntryPage {
            entries: items.into_iter().map(entry).collect(),
            more,
        })
    }
}

impl State {
    /// Logs a write, then applies it. What cannot be logged is neither applied nor acknowledged. It
    /// blocks the thread until the disk has the write; a busy store syncs several writes at once.
    fn write(&mut self, write: Write) -> Result<(), Error> {
        self.log.append(&write).map_err(Error::unavailable)?;
        self.apply(write);
        Ok(())
    }

    fn apply(&mut self, write: Write) {
        let record = self.records.entry((write.namespace, write.id)).or_default();
        for key in write.removed {
            record.remove(&key);
        }
        if write.items.is_empty() {
            return;
        }
        // One version for the whole Put, above every earlier version of this store (VER-1, VER-2).
        self.last_version += 1;
        for new in write.items {
            let created_at = record.get(&new.key).map_or(write.now, |old| old.created_at);
            let item = Item {
                key: new.key.clone(),
                value: new.value,
                content_type: new.content_type,
                compression: new.compression,
                version: self.last_version,
                priority_token: 0,
                created_at,
                // A gateway whose clock is behind must not set it before created_at (PUT-5).
                updated_at: write.now.max(created_at),
                expires_at: None,
            };
            record.insert(new.key, item);
        }
    }

    /// Refuses a write whose preconditions do not hold: it names all that fail (COND-1). The caller
    /// holds the lock until it has written, so that no other write comes between (COND-3).
    fn check(
        &self,
        namespace: &Namespace,
        id: &RecordId,
        preconditions: &[Precondition],
    ) -> Result<(), Error> {
        let record = self.records.get(&(namespace.clone(), id.clone()));
        let mut failures = Vec::new();
        for precondition in preconditions {
            let item = record.and_then(|record| record.get(&precondition.key));
            // 0: absent (COND-2).
            let current_version = item.map_or(0, |item| item.version);
            if !precondition.holds(current_version) {
                let key = precondition.key.clone().into_bytes();
                failures.push(PreconditionFailure {
                    key,
                    current_version,
                });
            }
        }
        if failures.is_empty() {
            Ok(())
        } else {
            Err(Error::PreconditionFailed(failures))
        }
    }

    /// A page of a record; each item weighs `extra` more than its own weight (PAGE-7).
    fn page(&self, get: &Get, extra: usize) -> ItemPage {
        let mut page = ItemPage::default();
        let key = (get.namespace.clone(), get.id.clone());
        let Some(record) = self.records.get(&key) else {
            return page;
        };
        let after = get.after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let size = get.selection.page;
        let mut weight = 0;
        for (key, item) in record.range::<Key, _>((after, Bound::Unbounded)) {
            if !get.predicate.matches(key) {
                continue;
            }
            let mut item = item.clone();
            if get.selection.keys_only {
                item.value = Bytes::new();
            }
            let item_weight = item.weight() + extra;
            // An item that does not fit is left for the next page; the first one always fits.
            if !size.fits(page.items.len(), weight, item_weight) {
                page.more = true;
                break;
            }
            weight += item_weight;
            page.items.push(item);
        }
        page
    }
}
