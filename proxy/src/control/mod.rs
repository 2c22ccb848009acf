//! The control plane: definitions of namespaces that are created, changed and deleted at run time.
//!
//! `store` keeps them in the default backend, where every gateway on it looks for changes, and [`Control`] makes the catalog
//! of them. `definition` validates and converts, `deletion` removes the items of a deleted namespace, and `service` is
//! `prism.control.v1.NamespaceService`.

mod definition;
mod deletion;
mod service;
mod store;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prism_backends::internal::Internal;
use prism_backends::wrap::encrypt::KeyUse;
use prism_contract::keyvalue::{KeyValueBackend, Scan, Selection};
use prism_contract::timeseries::{Capability, ListSeries, TimeSeriesBackend};
use prism_contract::{Code, Error, Namespace as Name, PageSize};
use prism_mutants::seeded;
use prism_proto::control::v1::{Abstraction, ChangeKind, Namespace, NamespaceStatus};
use prism_wire::clock::Clock;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tonic::Status;

use self::store::{DefinitionStore, Head, Limits, RECORD};
use crate::catalog::{self, Catalog, Created, Snapshot};
use crate::server::{Services, Store};

/// Time between two looks for changes of other gateways.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Time limit of one look, after which the next begins.
const POLL_TIMEOUT: Duration = Duration::from_secs(5);
/// Time after which every gateway has a change.
const SPREAD: Duration = Duration::from_secs(1);
/// Changes read at a time.
const PAGE: usize = 1_000;

/// The control plane of a server. Clones share it.
#[derive(Clone)]
pub(crate) struct Control(Arc<Inner>);

struct Inner {
    store: DefinitionStore,
    catalog: Catalog,
    backends: Vec<Backend>,
    /// The index of the default backend.
    default: usize,
    has_audit: bool,
    clock: Arc<dyn Clock>,
    /// One look for changes at a time.
    known: tokio::sync::Mutex<Known>,
    /// The version of the last change that the catalog has.
    version: watch::Sender<i64>,
    /// Namespaces that are being deleted, and when this gateway learnt of it.
    deleting: Mutex<HashMap<String, deletion::Seen>>,
}

/// A backend of the server.
pub(crate) struct Backend {
    pub(crate) name: String,
    pub(crate) keyvalue: Arc<dyn KeyValueBackend>,
    /// `None`: it does not keep TimeSeries.
    pub(crate) timeseries: Option<Arc<dyn TimeSeriesBackend>>,
    /// Its health now.
    pub(crate) health: Box<dyn Fn() -> BackendHealth + Send + Sync>,
}

/// The health of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BackendHealth {
    /// It has not passed a check yet.
    Starting,
    /// It passed its last check.
    Serving,
    /// It did not.
    Failing,
}

/// The definitions that the catalog has.
#[derive(Default)]
struct Known {
    /// `None`: they were not read yet.
    version: Option<i64>,
    namespaces: BTreeMap<String, Namespace>,
}

/// Why a call failed.
#[derive(Debug)]
enum Fault {
    Error(Error),
    /// An error that no backend can cause.
    Status(Box<Status>),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Why the definitions do not fit the stored data.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionsError {
    /// They cannot be read.
    #[error("the definitions of namespaces cannot be read: {0}")]
    Store(#[from] Error),
    /// The data that they must fit cannot be read.
    #[error("the definitions of namespaces cannot be checked against the stored data: {0}")]
    Unchecked(Error),
    /// A namespace would be served without its encryption.
    #[error(
        "the namespace {0} has encrypted items and is not defined as encrypted: set `encrypt: true` in its rule, since its items \
         would be served as they are stored"
    )]
    NotEncrypted(String),
    /// The number of partitions of a namespace is fixed, and its rule has another one.
    #[error(
        "the namespace {namespace} has {fixed} partitions since its first Append, and {configured} in its definition: set \
         `partitions: {fixed}` in its rule. For another number, make another namespace and copy the events"
    )]
    Repartitioned {
        /// The namespace.
        namespace: String,
        /// The number of its first Append.
        fixed: u32,
        /// The configured number.
        configured: u32,
    },
}

impl DefinitionsError {
    /// The error of a call that needs the definitions.
    fn into_error(self) -> Error {
        match self {
            Self::Store(error) | Self::Unchecked(error) => error,
            Self::NotEncrypted(_) | Self::Repartitioned { .. } => Error::unavailable(self),
        }
    }
}

impl From<DefinitionsError> for Fault {
    fn from(error: DefinitionsError) -> Self {
        Self::Error(error.into_error())
    }
}

/// Reads the definitions into the catalog of `services`, for a command that serves nothing.
///
/// # Errors
/// If they cannot be read, or do not fit the stored data.
pub(crate) async fn load(services: &Services, clock: Arc<dyn Clock>) -> Result<(), DefinitionsError> {
    let Some(default) = services.definitions else { return Ok(()) };
    let backend = |store: &Store| Backend {
        name: store.name.clone(),
        keyvalue: Arc::clone(&store.keyvalue),
        timeseries: store.timeseries.clone(),
        health: Box::new(|| BackendHealth::Starting),
    };
    let backends = services.stores.iter().map(backend).collect();
    Control::new(services.catalog.clone(), backends, default, false, clock).refresh().await
}

impl Control {
    /// The control plane of these backends; definitions are kept in the one at `default`.
    pub(crate) fn new(
        catalog: Catalog,
        backends: Vec<Backend>,
        default: usize,
        has_audit: bool,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self::with_limits(catalog, backends, default, has_audit, clock, Limits::DEFAULT)
    }

    fn with_limits(
        catalog: Catalog,
        backends: Vec<Backend>,
        default: usize,
        has_audit: bool,
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> Self {
        let record = Internal::new(Arc::clone(&backends[default].keyvalue), RECORD);
        let (known, deleting, version) = Default::default();
        Self(Arc::new(Inner {
            store: DefinitionStore::new(record, limits),
            catalog,
            backends,
            default,
            has_audit,
            clock,
            known,
            version: watch::Sender::new(version),
            deleting,
        }))
    }

    /// Looks for changes until it is dropped.
    pub(crate) async fn follow(self) {
        let mut fails = false;
        loop {
            sleep(POLL_INTERVAL).await;
            let too_long = || Err(Error::unavailable("it takes too long").into());
            let refreshed = timeout(POLL_TIMEOUT, self.refresh()).await.unwrap_or_else(|_| too_long());
            match &refreshed {
                Ok(()) if fails => tracing::info!("changes of namespaces are seen again"),
                Err(error) if !fails => tracing::warn!(%error, "changes of namespaces are not seen"),
                Ok(()) | Err(_) => {}
            }
            fails = refreshed.is_err();
            self.continue_deletions();
        }
    }

    /// Brings the catalog up to the last change. All definitions are read at first, and after a database was replaced by an
    /// older one; then they are checked before they are served.
    ///
    /// # Errors
    /// If they cannot be read, or do not fit the stored data. The catalog stays as it is.
    pub(crate) async fn refresh(&self) -> Result<(), DefinitionsError> {
        let inner = &*self.0;
        let mut known = inner.known.lock().await;
        let head = inner.store.head(inner.clock.now()).await?;
        let last = match known.version {
            Some(version) if version == head.last => return Ok(()),
            Some(version) if version < head.last && version + 1 >= head.first => {
                self.apply_changes(&mut known, version, head).await?
            }
            Some(_) | None => {
                let all = inner.store.all(inner.clock.now()).await?;
                let all = all.into_iter().map(|namespace| (namespace.name.clone(), namespace)).collect();
                let planned =
                    Snapshot::clone(&inner.catalog.snapshot()).with_created(Some(inner.created(&all)));
                let backends = inner.backends.iter();
                let backends = backends.map(|backend| (&backend.keyvalue, backend.timeseries.as_ref()));
                check_stored(&planned, backends, &*inner.clock).await?;
                known.namespaces = all;
                head.last
            }
        };
        known.version = Some(last);
        let created = inner.created(&known.namespaces);
        inner.catalog.change(|snapshot| snapshot.with_created(Some(created)));
        self.note_deletions(known.namespaces.values());
        inner.version.send_replace(last);
        Ok(())
    }

    /// Applies all changes after `version`; returns the last version.
    async fn apply_changes(&self, known: &mut Known, mut version: i64, head: Head) -> Result<i64, Error> {
        while version < head.last {
            let changes = self.0.store.changes(version, PAGE, self.0.clock.now()).await?;
            let Some(last) = changes.last().and_then(|change| change.namespace.as_ref()) else { break };
            version = last.version;
            for change in changes {
                let (kind, Some(namespace)) = (change.kind(), change.namespace) else { continue };
                let is_gone = kind == ChangeKind::Deleted || namespace.status() == NamespaceStatus::Deleting;
                if is_gone && seeded("catalog/keeps-a-deleted-namespace") {
                    continue;
                }
                if kind == ChangeKind::Deleted {
                    known.namespaces.remove(&namespace.name);
                } else {
                    known.namespaces.insert(namespace.name.clone(), namespace);
                }
            }
        }
        Ok(version)
    }

    /// The definition as it is now, with its status.
    fn shown(&self, mut namespace: Namespace) -> Namespace {
        namespace.status = self.0.status_of(&namespace).into();
        namespace
    }
}

impl Inner {
    /// The definitions as the catalog has them.
    fn created(&self, namespaces: &BTreeMap<String, Namespace>) -> Created {
        let created = namespaces.values().map(|namespace| {
            (namespace.name.as_str().into(), definition::of(namespace, self.index_of(&namespace.backend)))
        });
        created.collect()
    }

    /// The index of a backend by its name; empty: the default one.
    fn index_of(&self, name: &str) -> Option<usize> {
        if name.is_empty() {
            return Some(self.default);
        }
        self.backends.iter().position(|backend| backend.name == name)
    }

    /// Whether its backend, which this gateway has, keeps its abstraction.
    fn keeps(&self, namespace: &Namespace) -> bool {
        let backend = self.index_of(&namespace.backend).map(|index| &self.backends[index]);
        namespace.abstraction() != Abstraction::Timeseries
            || backend.is_some_and(|backend| backend.timeseries.is_some())
    }

    fn status_of(&self, namespace: &Namespace) -> NamespaceStatus {
        let encrypts = namespace.policy.as_ref().is_some_and(|policy| policy.encrypt);
        let health = self.index_of(&namespace.backend).map(|index| (self.backends[index].health)());
        match health {
            _ if namespace.status() == NamespaceStatus::Deleting => NamespaceStatus::Deleting,
            None | Some(BackendHealth::Failing) => NamespaceStatus::Degraded,
            Some(_) if !self.keeps(namespace) => NamespaceStatus::Degraded,
            Some(_) if encrypts && self.catalog.snapshot().keys().is_none() => NamespaceStatus::Degraded,
            Some(BackendHealth::Starting) => NamespaceStatus::Provisioning,
            Some(BackendHealth::Serving) => NamespaceStatus::Active,
        }
    }

    /// The TimeSeries backend at `index`, if it has `capability` for the namespace.
    fn timeseries(
        &self,
        index: usize,
        namespace: &Name,
        capability: Capability,
    ) -> Result<&dyn TimeSeriesBackend, Error> {
        let backend = self.backends[index].timeseries.as_deref();
        let backend = backend.ok_or_else(|| Error::unavailable("this backend does not keep TimeSeries"))?;
        if !backend.capabilities(namespace).contains(capability) {
            return Err(Error::Unimplemented(capability.name()));
        }
        Ok(backend)
    }

    /// Refuses to delete a namespace whose data its backend cannot list or delete: the deletion would never end.
    fn check_deletable(&self, namespace: &Namespace) -> Result<(), Error> {
        let index = self.index_of(&namespace.backend);
        let (Abstraction::Timeseries, Some(index)) = (namespace.abstraction(), index) else { return Ok(()) };
        let name = Name::new(&namespace.name).map_err(Error::internal)?;
        self.timeseries(index, &name, Capability::ListSeries)?;
        self.timeseries(index, &name, Capability::Delete).map(drop)
    }

    /// Whether a namespace with this policy holds no live data in a backend.
    async fn is_empty(
        &self,
        index: usize,
        namespace: &Name,
        policy: &catalog::Policy,
    ) -> Result<bool, Error> {
        match policy {
            catalog::Policy::KeyValue(_) => self.has_no_item(index, namespace).await,
            catalog::Policy::TimeSeries(policy) => {
                let (after, prefix, expired) = (None, String::new(), policy.expired(self.clock.now()));
                let list = ListSeries { namespace: namespace.clone(), prefix, after, limit: 1, expired };
                let backend = self.timeseries(index, namespace, Capability::ListSeries)?;
                is_empty_list(backend, list).await
            }
        }
    }

    async fn has_no_item(&self, index: usize, namespace: &Name) -> Result<bool, Error> {
        let selection = Selection { page: PageSize::new(1, 0), keys_only: true, ..Selection::default() };
        let scan = Scan {
            namespace: namespace.clone(),
            id: None,
            predicate: prism_contract::keyvalue::Predicate::All,
            selection,
            after: None,
            now: self.clock.now(),
        };
        Ok(self.backends[index].keyvalue.scan(&scan).await?.entries.is_empty())
    }

    fn deleting(&self) -> std::sync::MutexGuard<'_, HashMap<String, deletion::Seen>> {
        self.deleting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a list has no series.
async fn is_empty_list(backend: &dyn TimeSeriesBackend, mut list: ListSeries) -> Result<bool, Error> {
    loop {
        let page = backend.list_series(&list).await?;
        if !page.series.is_empty() || page.next.is_none() {
            return Ok(page.series.is_empty());
        }
        // A page may pass over series without a live event.
        list.after = page.next;
    }
}

/// A store, by abstraction.
pub(crate) type Stored<'a> = (&'a Arc<dyn KeyValueBackend>, Option<&'a Arc<dyn TimeSeriesBackend>>);

/// Checks that the definitions fit the stored data: every namespace with encrypted items is defined as encrypted, and each
/// number of partitions is that of the first Append. Unavailable backends are left out, since the others would stop with them: what
/// is not yet open is checked when it is opened.
pub(crate) async fn check_stored<'a>(
    snapshot: &Snapshot,
    backends: impl Iterator<Item = Stored<'a>>,
    clock: &dyn Clock,
) -> Result<(), DefinitionsError> {
    for (index, backend) in backends.enumerate() {
        match check_stored_in(snapshot, index, backend, clock).await {
            Ok(()) => {}
            Err(DefinitionsError::Unchecked(error)) if error.code() == Code::Unavailable => {
                tracing::info!(backend = index, %error, "the backend is unavailable: definitions are not checked against its data");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The same for the backend at `index`.
pub(crate) async fn check_stored_in(
    snapshot: &Snapshot,
    index: usize,
    (keyvalue, timeseries): Stored<'_>,
    clock: &dyn Clock,
) -> Result<(), DefinitionsError> {
    check_encrypted(snapshot, index, keyvalue, clock).await?;
    // Asked only then: it may prepare the store for TimeSeries.
    match timeseries {
        Some(timeseries) if snapshot.keeps_timeseries(index) => {
            check_partitions(snapshot, index, timeseries).await
        }
        Some(_) | None => Ok(()),
    }
}

async fn check_partitions(
    snapshot: &Snapshot,
    index: usize,
    backend: &Arc<dyn TimeSeriesBackend>,
) -> Result<(), DefinitionsError> {
    let configured = |namespace: &Name| snapshot.partitions(index, namespace);
    let repartitioned = backend.repartitioned(&configured).await.map_err(DefinitionsError::Unchecked)?;
    let Some((namespace, fixed)) = repartitioned else { return Ok(()) };
    let configured = configured(&namespace).unwrap_or_default();
    Err(DefinitionsError::Repartitioned { namespace: namespace.as_str().to_owned(), fixed, configured })
}

async fn check_encrypted(
    snapshot: &Snapshot,
    index: usize,
    backend: &Arc<dyn KeyValueBackend>,
    clock: &dyn Clock,
) -> Result<(), DefinitionsError> {
    let uses = KeyUse::all(Arc::clone(backend), clock.now()).await.map_err(DefinitionsError::Unchecked)?;
    for KeyUse { namespace, .. } in uses {
        // Of another abstraction, its items are not served at all.
        let served = snapshot.find(namespace.as_str()).filter(|found| {
            found.index == Some(index) && matches!(found.policy, catalog::Policy::KeyValue(_))
        });
        if served.is_some_and(|definition| !definition.encrypt)
            && !seeded("encrypt/starts-with-sealed-items-in-a-plain-namespace")
        {
            return Err(DefinitionsError::NotEncrypted(namespace.as_str().to_owned()));
        }
    }
    Ok(())
}
