//! A backend that is opened later: until then, its requests are UNAVAILABLE.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use prism_contract::keyvalue::{
    self, Delete, EntryPage, Get, ItemPage, KeyValueBackend, Put, PutResult, Scan,
};
use prism_contract::timeseries::{
    self, Append, Bucket, DeleteEvents, EventPage, Expired, Histogram, ListSeries, Partitions, Position,
    Query, Series, SeriesPage, Start, Tail, TailPage, TimeSeriesBackend,
};
use prism_contract::{Error, Lifecycle, Namespace, Swept, Timestamp};

/// A KeyValue backend that is opened later.
pub type DeferredKeyValue = Deferred<dyn KeyValueBackend, keyvalue::Capabilities>;
/// A TimeSeries backend that is opened later.
pub type DeferredTimeSeries = Deferred<dyn TimeSeriesBackend, timeseries::Capabilities>;

/// A backend `B` that is opened later, with capabilities of the type `C`.
pub struct Deferred<B: ?Sized, C> {
    backend: OnceLock<Arc<B>>,
    capabilities: C,
}

impl<B: ?Sized, C> Deferred<B, C> {
    /// A backend that is not open. `capabilities` are those that it has once it is open.
    pub fn new(capabilities: C) -> Self {
        Self { backend: OnceLock::new(), capabilities }
    }

    /// Serves requests with `backend` from now on; returns it if there is one already.
    pub fn set(&self, backend: Arc<B>) -> Result<(), Arc<B>> {
        self.backend.set(backend)
    }

    fn opened(&self) -> Result<&B, Error> {
        self.backend
            .get()
            .map(|backend| &**backend)
            .ok_or_else(|| Error::unavailable("it has not been opened yet"))
    }
}

#[async_trait]
impl<B: Lifecycle + ?Sized, C: Send + Sync + 'static> Lifecycle for Deferred<B, C> {
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
impl KeyValueBackend for DeferredKeyValue {
    fn capabilities(&self, namespace: &Namespace) -> keyvalue::Capabilities {
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

#[async_trait]
impl TimeSeriesBackend for DeferredTimeSeries {
    fn capabilities(&self, namespace: &Namespace) -> timeseries::Capabilities {
        self.backend.get().map_or(self.capabilities, |backend| backend.capabilities(namespace))
    }

    async fn append(&self, append: Append) -> Result<Vec<bool>, Error> {
        self.opened()?.append(append).await
    }

    async fn query(&self, query: &Query) -> Result<EventPage, Error> {
        self.opened()?.query(query).await
    }

    async fn position(
        &self,
        namespace: &Namespace,
        series: Option<&Series>,
        start: Start,
    ) -> Result<Position, Error> {
        self.opened()?.position(namespace, series, start).await
    }

    async fn tail(&self, tail: &Tail) -> Result<TailPage, Error> {
        self.opened()?.tail(tail).await
    }

    /// Returns at once while it is not open: the read that follows says so.
    async fn appended(&self, tail: &Tail) {
        if let Some(backend) = self.backend.get() {
            backend.appended(tail).await;
        }
    }

    async fn list_series(&self, list: &ListSeries) -> Result<SeriesPage, Error> {
        self.opened()?.list_series(list).await
    }

    async fn histogram(&self, histogram: &Histogram) -> Result<Vec<Bucket>, Error> {
        self.opened()?.histogram(histogram).await
    }

    async fn delete_events(&self, delete: DeleteEvents) -> Result<u64, Error> {
        self.opened()?.delete_events(delete).await
    }

    async fn expire(&self, expired: Expired<'_>) -> Result<Swept, Error> {
        match self.backend.get() {
            Some(backend) => backend.expire(expired).await,
            None => Ok(Swept::default()),
        }
    }

    async fn repartitioned(&self, configured: Partitions<'_>) -> Result<Option<(Namespace, u32)>, Error> {
        self.opened()?.repartitioned(configured).await
    }
}
