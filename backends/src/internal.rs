//! Data of the gateway itself, as items of a namespace that no client can name: in the database, so that every gateway on it
//! sees the same, and without tables of their own.

use std::sync::Arc;

use bytes::Bytes;
use prism_contract::keyvalue::{
    Delete, Get, Item, Key, KeyValueBackend, NewItem, Precondition, Predicate, Put, RecordId, Selection,
};
use prism_contract::{Error, Namespace, Timestamp};

/// A record of the gateway itself.
#[derive(Clone)]
pub struct Internal {
    store: Arc<dyn KeyValueBackend>,
    namespace: Namespace,
    id: RecordId,
}

impl Internal {
    /// The record with this id in `store`.
    ///
    /// # Panics
    /// If the id is not valid.
    pub fn new(store: Arc<dyn KeyValueBackend>, id: &str) -> Self {
        let id = RecordId::new(id).expect("the ids of internal records are valid");
        Self { store, namespace: Namespace::internal(), id }
    }

    /// All items that a predicate selects, in key order. Several pages are several snapshots.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(&self, predicate: Predicate, now: Timestamp) -> Result<Vec<Item>, Error> {
        self.first(usize::MAX, predicate, now).await
    }

    /// The first page of items that a predicate selects, or more pages until there are `limit` items.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn first(
        &self,
        limit: usize,
        predicate: Predicate,
        now: Timestamp,
    ) -> Result<Vec<Item>, Error> {
        let (namespace, id, selection) = (self.namespace.clone(), self.id.clone(), Selection::default());
        let mut get = Get { namespace, id, predicate, selection, after: None, now };
        let mut items = Vec::new();
        loop {
            let page = self.store.get(&get).await?;
            get.after = page.items.last().map(|item| item.key.clone());
            items.extend(page.items);
            if !page.more || items.len() >= limit {
                return Ok(items);
            }
        }
    }

    /// The item with this key; `None`: it is absent.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn get(&self, key: Key, now: Timestamp) -> Result<Option<Item>, Error> {
        Ok(self.list(one(key), now).await?.pop())
    }

    /// Writes items in one step, if all preconditions hold.
    ///
    /// # Errors
    /// [`Error::PreconditionFailed`], and those of the store.
    pub async fn put(
        &self,
        items: impl IntoIterator<Item = (Key, Bytes)>,
        preconditions: Vec<Precondition>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let item = |(key, value)| NewItem { key, value, content_type: String::new(), compression: 0 };
        let put = Put {
            namespace: self.namespace.clone(),
            id: self.id.clone(),
            items: items.into_iter().map(item).collect(),
            token: 0,
            expires_at: None,
            preconditions,
            now,
        };
        self.store.put(put).await.map(|_| ())
    }

    /// Removes the items that a predicate selects.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn delete(&self, predicate: Predicate, now: Timestamp) -> Result<(), Error> {
        let (namespace, id) = (self.namespace.clone(), self.id.clone());
        let delete = Delete { namespace, id, predicate, token: 0, preconditions: Vec::new(), now };
        self.store.delete(delete).await.map(|_| ())
    }
}

/// The predicate of one key.
pub fn one(key: Key) -> Predicate {
    Predicate::keys([key]).expect("one key is allowed")
}
