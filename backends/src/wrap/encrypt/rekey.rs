//! Sealing stored items again under the active master key, while gateways serve them.

use std::sync::Arc;

use prism_contract::keyvalue::{
    Direction, Entry, Get, Item, Key, NewItem, Position, Predicate, RecordId, Scan, Selection,
};
use prism_contract::{Error, Namespace, Timestamp};
use prism_mutants::seeded;

use super::data_keys::{DataKeys, Unreadable, master_of};
use super::key_ring::KeyRing;
use super::key_use::{KeyUse, REMEMBERED_FOR, Recorder};
use super::row::{Opener, seal};
use crate::rewrite::{Content, Rewrite};

/// Seals the items of one namespace again.
pub struct Rekey {
    store: Arc<dyn Rewrite>,
    ring: Arc<KeyRing>,
    keys: DataKeys,
    recorder: Recorder,
    namespace: Namespace,
}

/// What was done so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Items looked at.
    pub items: u64,
    /// Items sealed again.
    pub sealed: u64,
    /// Items that could not be opened, and stay as they are.
    pub damaged: u64,
    /// Where to continue; `None`: all items were looked at.
    pub next: Option<Position>,
}

impl Rekey {
    /// Rekeys `namespace` of `store`, which is not encrypted itself, to the active key of `ring`.
    pub fn new(store: Arc<dyn Rewrite>, ring: Arc<KeyRing>, namespace: Namespace) -> Self {
        let keys = DataKeys::new(Arc::clone(&ring));
        let recorder = Recorder::new(Arc::clone(&store) as _);
        Self { store, ring, keys, recorder, namespace }
    }

    /// Continues with a page of items. Items under the active key are skipped, so it does not matter where an earlier run
    /// ended.
    ///
    /// # Errors
    /// Those of the store; [`Error::Internal`] if the ring lacks the master key of an item.
    pub async fn step(&self, progress: &mut Progress, now: Timestamp) -> Result<(), Error> {
        self.recorder.record(&self.namespace, &self.ring, now).await?;
        let selection = Selection { keys_only: true, direction: Direction::Forward, ..Selection::default() };
        let scan = Scan {
            namespace: self.namespace.clone(),
            id: None,
            predicate: Predicate::All,
            selection,
            after: progress.next.take(),
            now,
        };
        let page = self.store.scan(&scan).await?;
        let last = page.entries.last().map(Entry::position);
        let mut entries = page.entries.into_iter().peekable();
        while let Some(first) = entries.next() {
            let id = first.id;
            let mut items = vec![first.item];
            while let Some(next) = entries.next_if(|entry| entry.id == id) {
                items.push(next.item);
            }
            progress.items += items.len() as u64;
            let active = self.ring.active().id();
            let stale: Vec<Key> = items
                .into_iter()
                .filter(|item| master_of(&item.content_type).as_deref() != Some(active))
                .map(|item| item.key)
                .collect();
            if !stale.is_empty() {
                self.record(&id, stale, progress, now).await?;
            }
        }
        progress.next = last.filter(|_| page.more && !seeded("rekey/ends-after-a-page"));
        if seeded("rekey/forgets-the-old-key-before-a-whole-run") {
            self.forget_other_keys(now).await?;
        }
        Ok(())
    }

    /// Seals items of one record again.
    async fn record(
        &self,
        id: &RecordId,
        keys: Vec<Key>,
        progress: &mut Progress,
        now: Timestamp,
    ) -> Result<(), Error> {
        let predicate = Predicate::keys(keys).map_err(Error::internal)?;
        let (namespace, selection) = (self.namespace.clone(), Selection::default());
        let mut get = Get { namespace, id: id.clone(), predicate, selection, after: None, now };
        loop {
            let page = self.store.get(&get).await?;
            get.after = page.items.last().map(|item| item.key.clone());
            let mut contents = Vec::with_capacity(page.items.len());
            let mut opener = Opener::new(&self.keys, &self.namespace);
            for item in page.items {
                match self.sealed_again(&mut opener, id, item) {
                    Ok(content) => contents.push(content?),
                    Err(Unreadable::Damaged(_)) if seeded("rekey/counts-no-damage") => {}
                    Err(Unreadable::MissingKey(_)) if seeded("rekey/passes-over-items-of-a-missing-key") => {}
                    Err(Unreadable::Damaged(_)) => progress.damaged += 1,
                    Err(missing @ Unreadable::MissingKey(_)) => return Err(Error::internal(missing)),
                }
            }
            if !contents.is_empty() {
                progress.sealed += self.store.rewrite(&self.namespace, id, contents).await?;
            }
            if !page.more {
                return Ok(());
            }
        }
    }

    fn sealed_again(
        &self,
        opener: &mut Opener<'_>,
        id: &RecordId,
        item: Item,
    ) -> Result<Result<Content, Error>, Unreadable> {
        let half_open = opener.open_metadata(id, item)?;
        let Item { key, value, content_type, compression, version, .. } = opener.open_value(id, half_open)?;
        let mut items = [NewItem { key, value, content_type, compression }];
        if let Err(error) = seal(&self.keys, &self.namespace, id, &mut items) {
            return Ok(Err(error));
        }
        let [NewItem { key, value, content_type, compression }] = items;
        Ok(Ok(Content { key, version, value, content_type, compression }))
    }

    /// Forgets that other master keys than the active one have sealed data of the namespace. Only after a whole run that has
    /// found no item to seal and none that is damaged.
    ///
    /// A gateway may seal under another key without recording it for as long as it remembers an earlier record. So this waits
    /// until no gateway remembers one, and as long again for writes in progress. Returns whether no other key was recorded
    /// since; if so, what was sealed meanwhile is found by one more whole run.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn forget_other_keys(&self, now: Timestamp) -> Result<bool, Error> {
        let active = self.ring.active().id();
        let except = Some(active).filter(|_| !seeded("rekey/forgets-the-active-key-too"));
        KeyUse::forget(Arc::clone(&self.store) as _, &self.namespace, except, now).await?;
        if !seeded("rekey/does-not-wait-for-other-gateways") {
            tokio::time::sleep(2 * REMEMBERED_FOR).await;
        }
        let mut uses = KeyUse::all(Arc::clone(&self.store) as _, now).await?.into_iter();
        Ok(!uses.any(|of| of.namespace == self.namespace && of.key_id != active))
    }
}
