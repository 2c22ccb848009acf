//! What one process serves.

use std::sync::Arc;

use prism_contract::keyvalue::KeyValueBackend;
use prism_contract::{Error, Lifecycle, Swept, Timestamp};
use tonic::async_trait;

/// The backends that a server serves, one for each abstraction; `None`: the server does not have it.
#[derive(Clone, Default)]
pub struct Services {
    /// `prism.keyvalue.v1.KeyValueService`.
    pub keyvalue: Option<Arc<dyn KeyValueBackend>>,
}

impl Services {
    /// All backends, as what is checked, swept and closed.
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

/// All of them together: what one of them cannot do, they cannot.
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
