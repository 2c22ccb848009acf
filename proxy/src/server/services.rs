//! The backends that one process serves, and the catalog of namespaces.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::join_all;
use prism_backends::observe::{Load, Observe};
use prism_contract::keyvalue::KeyValueBackend;
use prism_contract::timeseries::TimeSeriesBackend;

use crate::catalog::{Catalog, Snapshot};
use crate::config::DEFAULT_BACKEND;

/// A backend of a server.
#[derive(Clone)]
pub struct Store {
    /// The name by which health answers for it: `backend/NAME`.
    pub name: String,
    /// Whether the server is healthy only with it.
    pub required: bool,
    /// Time between two sweeps; `None`: that of the server's options.
    pub sweep_interval: Option<Duration>,
    /// Its KeyValue backend, whose check is that of the store.
    pub keyvalue: Arc<dyn KeyValueBackend>,
    /// Its TimeSeries backend, which may be the same engine; `None`: it does not keep TimeSeries.
    pub timeseries: Option<Arc<dyn TimeSeriesBackend>>,
    /// Its load, for metrics; empty while it is not open, and if it does not report any.
    pub observed: Arc<OnceLock<Arc<dyn Observe>>>,
}

impl Store {
    /// Its load, if it reports it.
    pub(super) fn load(&self, namespaces: usize) -> Option<Load> {
        self.observed.get().map(|observed| observed.load(namespaces))
    }
}

/// The backends of a server, and which of them serves a namespace.
#[derive(Clone)]
pub struct Services {
    /// The backends; the indices of the catalog are theirs.
    pub stores: Vec<Store>,
    /// The catalog of namespaces.
    pub catalog: Catalog,
    /// The index of the backend that keeps the definitions of namespaces; `None`: there is no control plane.
    pub definitions: Option<usize>,
}

impl Services {
    /// Closes all backends. An engine that keeps both abstractions is closed twice, which does no harm.
    pub(crate) async fn close(&self) {
        join_all(self.stores.iter().map(|store| async {
            store.keyvalue.close().await;
            if let Some(timeseries) = &store.timeseries {
                timeseries.close().await;
            }
        }))
        .await;
    }
}

impl<B: KeyValueBackend> From<Arc<B>> for Services {
    fn from(keyvalue: Arc<B>) -> Self {
        (keyvalue as Arc<dyn KeyValueBackend>).into()
    }
}

/// One backend that serves every namespace, as KeyValue.
impl From<Arc<dyn KeyValueBackend>> for Services {
    fn from(keyvalue: Arc<dyn KeyValueBackend>) -> Self {
        let catalog = Catalog::new(Snapshot::of_one(Arc::clone(&keyvalue)));
        let name = DEFAULT_BACKEND.to_owned();
        Self {
            stores: vec![Store {
                name,
                required: true,
                sweep_interval: None,
                keyvalue,
                timeseries: None,
                observed: Arc::default(),
            }],
            catalog,
            definitions: None,
        }
    }
}
