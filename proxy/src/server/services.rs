//! The backends that one process serves.

use std::sync::Arc;

use futures::future::join_all;
use prism_contract::keyvalue::KeyValueBackend;
use prism_contract::{Error, Lifecycle, Swept, Timestamp};
use tonic::async_trait;

/// The backends of a server, one per abstraction; `None`: not served.
#[derive(Clone, Default)]
pub struct Services {
    /// `prism.keyvalue.v1.KeyValueService`.
    pub keyvalue: Option<Arc<dyn KeyValueBackend>>,
}

impl Services {
    /// All backends, for checks, sweeps and closing.
    fn stores(&self) -> impl Iterator<Item = Arc<dyn Lifecycle>> {
        self.keyvalue.iter().map(|keyvalue| Arc::clone(keyvalue) as Arc<dyn Lifecycle>)
    }
}

impl<B: KeyValueBackend> From<Arc<B>> for Services {
    fn from(keyvalue: Arc<B>) -> Self {
        Self { keyvalue: Some(keyvalue) }
    }
}

impl From<Arc<dyn KeyValueBackend>> for Services {
    fn from(keyvalue: Arc<dyn KeyValueBackend>) -> Self {
        Self { keyvalue: Some(keyvalue) }
    }
}

/// All backends together: an operation fails if it fails for one of them.
#[async_trait]
impl Lifecycle for Services {
    /// Checks all stores.
    async fn check(&self) -> Result<(), Error> {
        join_all(self.stores().map(|store| async move { store.check().await })).await.into_iter().collect()
    }

    /// Sweeps all stores, even if one fails; returns the first error.
    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        join_all(self.stores().map(|store| async move { store.sweep(now).await })).await.into_iter().sum()
    }

    async fn close(&self) {
        join_all(self.stores().map(|store| async move { store.close().await })).await;
    }
}
