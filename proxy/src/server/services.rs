//! The backends that one process serves.

use std::sync::Arc;

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
    async fn check(&self) -> Result<(), Error> {
        for store in self.stores() {
            store.check().await?;
        }
        Ok(())
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        let mut all = Swept::default();
        for store in self.stores() {
            let swept = store.sweep(now).await?;
            all.expired += swept.expired;
            all.tombstones += swept.tombstones;
            all.more |= swept.more;
        }
        Ok(all)
    }

    async fn close(&self) {
        for store in self.stores() {
            store.close().await;
        }
    }
}
