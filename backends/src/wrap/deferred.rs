//! A backend that is opened later: until then, its requests are UNAVAILABLE.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use prism_contract::keyvalue::{
    Capabilities, Delete, EntryPage, Get, ItemPage, KeyValueBackend, Put, PutResult, Scan,
};
use prism_contract::{Error, Lifecycle, Namespace, Swept, Timestamp};

/// A backend that is opened later.
pub struct Deferred {
    backend: OnceLock<Arc<dyn KeyValueBackend>>,
    capabilities: Capabilities,
}

impl Deferred {
    /// A backend that is not open. `capabilities` are those that it has once it is open.
    pub fn new(capabilities: Capabilities) -> Self {
        Self { backend: OnceLock::new(), capabilities }
    }

    /// Serves requests with `backend` from now on; returns it if there is one already.
    pub fn set(&self, backend: Arc<dyn KeyValueBackend>) -> Result<(), Arc<dyn KeyValueBackend>> {
        self.backend.set(backend)
    }

    fn opened(&self) -> Result<&dyn KeyValueBackend, Error> {
        self.backend
            .get()
            .map(|backend| &**backend)
            .ok_or_else(|| Error::unavailable("it has not been opened yet"))
    }
}

#[async_trait]
impl Lifecycle for Deferred {
    async fn check(&self) -> Result<(), Error> {
        self.opened()?.check().await
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        match self.backend.get() {
            Some(backend) => backend.sweep(now).await,
            None => Ok(Swept::default()),
        }
    }

    async fn close(&self) {
        if let Some(backend) = self.backend.get() {
            backend.close().await;
        }
    }
}

#[async_trait]
impl KeyValueBackend for Deferred {
    fn capabilities(&self, namespace: &Namespace) -> Capabilities {
        self.backend.get().map_or(self.capabilities, |backend| backend.capabilities(namespace))
    }

    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error> {
        self.opened()?.put(put).await
    }

    async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        self.opened()?.get(get).await
    }

    async fn delete(&self, delete: Delete) -> Result<u64, Error> {
        self.opened()?.delete(delete).await
    }

    async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
        self.opened()?.scan(scan).await
    }
}
