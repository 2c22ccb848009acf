//! The KeyValue side of a store that keeps TimeSeries alone.

use std::sync::Arc;

use async_trait::async_trait;
use prism_contract::keyvalue::{
    Capabilities, Delete, EntryPage, Get, ItemPage, KeyValueBackend, Put, PutResult, Scan,
};
use prism_contract::{Error, Lifecycle, Namespace, forward};

/// The KeyValue side of a store that has none: it holds nothing, and takes nothing. No namespace is configured on it; a gateway
/// looks there for the records of the gateway, as in every store.
pub struct NoKeyValue<B>(pub Arc<B>);

#[async_trait]
impl<B: Lifecycle> Lifecycle for NoKeyValue<B> {
    forward!(Lifecycle: self => self.0, [check, sweep, close]);
}

#[async_trait]
impl<B: Lifecycle> KeyValueBackend for NoKeyValue<B> {
    fn capabilities(&self, _: &Namespace) -> Capabilities {
        Capabilities::NONE
    }

    async fn put(&self, _: Put) -> Result<Vec<PutResult>, Error> {
        Err(Error::internal("this backend keeps no KeyValue data"))
    }

    async fn get(&self, _: &Get) -> Result<ItemPage, Error> {
        Ok(ItemPage { items: Vec::new(), more: false })
    }

    async fn delete(&self, _: Delete) -> Result<u64, Error> {
        Ok(0)
    }

    async fn scan(&self, _: &Scan) -> Result<EntryPage, Error> {
        Ok(EntryPage { entries: Vec::new(), more: false })
    }
}
