//! The contract's trait of TimeSeries, on Kafka.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use prism_contract::timeseries::{
    Append, Bucket, Capabilities, Capability, DeleteEvents, EventPage, Expired, Histogram, ListSeries,
    Partitions, Position, Query, Series, SeriesPage, Start, Tail, TailPage, TimeSeriesBackend,
};
use prism_contract::{Error, Lifecycle, Namespace, Swept, Timestamp};

use super::{Inner, Kafka};

#[async_trait]
impl Lifecycle for Kafka {
    async fn check(&self) -> Result<(), Error> {
        self.inner.open_or_closed()?;
        self.inner.registry.refresh().await
    }

    /// The brokers remove what has expired.
    async fn sweep(&self, _: Timestamp) -> Result<Swept, Error> {
        Ok(Swept::default())
    }

    async fn close(&self) {
        self.inner.is_closed.store(true, Ordering::Release);
        let inner = std::sync::Arc::clone(&self.inner);
        // Waits for records in flight.
        let flushed = tokio::task::spawn_blocking(move || inner.producer.flush()).await;
        if let Err(error) = flushed {
            tracing::warn!(%error, "the producer could not be flushed");
        }
        self.inner.readers.close();
        self.inner.watch.wake();
    }
}

#[async_trait]
impl TimeSeriesBackend for Kafka {
    fn capabilities(&self, _: &Namespace) -> Capabilities {
        crate::kafka::CAPABILITIES
    }

    async fn append(&self, append: Append) -> Result<Vec<bool>, Error> {
        self.inner.open_or_closed()?;
        self.inner.append(&append).await
    }

    async fn query(&self, query: &Query) -> Result<EventPage, Error> {
        self.inner.open_or_closed()?;
        self.inner.query(query).await
    }

    async fn position(
        &self,
        namespace: &Namespace,
        series: Option<&Series>,
        start: Start,
    ) -> Result<Position, Error> {
        self.inner.open_or_closed()?;
        self.inner.position(namespace, series, start).await
    }

    async fn tail(&self, tail: &Tail) -> Result<TailPage, Error> {
        self.inner.open_or_closed()?;
        self.inner.tail(tail).await
    }

    async fn appended(&self, tail: &Tail) {
        if !self.inner.is_closed() {
            self.inner.appended(tail).await;
        }
    }

    /// Never called: it is not declared.
    async fn list_series(&self, _: &ListSeries) -> Result<SeriesPage, Error> {
        Err(Error::Unimplemented(Capability::ListSeries.name()))
    }

    async fn histogram(&self, histogram: &Histogram) -> Result<Vec<Bucket>, Error> {
        self.inner.open_or_closed()?;
        self.inner.histogram(histogram).await
    }

    /// Never called: it is not declared.
    async fn delete_events(&self, _: DeleteEvents) -> Result<u64, Error> {
        Err(Error::Unimplemented(Capability::Delete.name()))
    }

    /// The brokers remove what has expired.
    async fn expire(&self, _: Expired<'_>) -> Result<Swept, Error> {
        Ok(Swept::default())
    }

    async fn repartitioned(&self, configured: Partitions<'_>) -> Result<Option<(Namespace, u32)>, Error> {
        self.inner.registry.repartitioned(configured).await
    }
}

impl Inner {
    fn open_or_closed(&self) -> Result<(), Error> {
        if self.is_closed() { Err(Error::unavailable("the store is closed")) } else { Ok(()) }
    }
}
