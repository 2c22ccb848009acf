//! The contract's trait of TimeSeries, on a SQLite file.

use std::pin::pin;

use async_trait::async_trait;
use prism_contract::timeseries::{
    Append, Bucket, Capabilities, DeleteEvents, EventPage, Expired, Histogram, ListSeries, Partitions,
    Position, Query, Series, SeriesPage, Start, Tail, TailPage, TimeSeriesBackend,
};
use prism_contract::{Error, Namespace, Swept};

use super::place::{Place, Read, connection, finish};
use super::writes::{DeleteStep, TimeSeriesWrite};
use super::{expire, histogram, list, query, sql, tail};
use crate::engine::Lease;
use crate::sqlite::Sqlite;
use crate::sqlite::commit::StoreWrite;
use crate::sqlite::engine::Connections;

#[async_trait]
impl TimeSeriesBackend for Sqlite {
    fn capabilities(&self, _: &Namespace) -> Capabilities {
        Capabilities::ALL
    }

    async fn append(&self, append: Append) -> Result<Vec<bool>, Error> {
        self.engine.queue.append(append).await
    }

    async fn query(&self, query: &Query) -> Result<EventPage, Error> {
        self.engine.files.check()?;
        query::query(&self.readers, &self.timeseries, query).await
    }

    async fn position(
        &self,
        namespace: &Namespace,
        _: Option<&Series>,
        start: Start,
    ) -> Result<Position, Error> {
        let end = match start {
            Start::Beginning => 0,
            Start::Now => self.place(namespace, None).await?.end,
        };
        Ok(self.timeseries.at(end))
    }

    async fn tail(&self, tail: &Tail) -> Result<TailPage, Error> {
        self.engine.files.check()?;
        tail::tail(&self.readers, &self.timeseries, tail).await
    }

    async fn appended(&self, tail: &Tail) {
        let tails = &self.timeseries.tails;
        // Registered before the log is looked at, so that no Append is missed in between.
        let entered = tails.enter(&tail.namespace);
        let mut appended = pin!(tails.wake_of(tail));
        appended.as_mut().enable();
        if tails.is_closed() {
            return;
        }
        // An error is reported by the read that follows.
        if let Ok(Some(end)) = self.quiet_until(tail).await {
            entered.looked(end);
            appended.await;
        }
    }

    async fn list_series(&self, list: &ListSeries) -> Result<SeriesPage, Error> {
        self.engine.files.check()?;
        list::list(&self.readers, list).await
    }

    async fn histogram(&self, histogram: &Histogram) -> Result<Vec<Bucket>, Error> {
        self.engine.files.check()?;
        histogram::histogram(&self.readers, histogram).await
    }

    /// In several transactions: an error may leave a part deleted, and the same Delete continues.
    async fn delete_events(&self, delete: DeleteEvents) -> Result<u64, Error> {
        let range = delete.range.live(delete.expired);
        let place = self.place(&delete.namespace, Some(&delete.series)).await?;
        let Some(series) = place.series.filter(|_| !range.is_empty()) else { return Ok(0) };
        let (mut count, mut after) = (0, None);
        loop {
            let namespace = delete.namespace.clone();
            let step = DeleteStep { namespace, series, range, after, snapshot: place.end };
            let write = |job| StoreWrite::TimeSeries(TimeSeriesWrite::Delete(job));
            let deleted = self.engine.queue.write(step, 0, write).await?;
            count += deleted.count;
            let Some(next) = deleted.next else { return Ok(count) };
            after = Some(next);
        }
    }

    async fn expire(&self, expired: Expired<'_>) -> Result<Swept, Error> {
        self.engine.files.check()?;
        expire::expire(self, expired).await
    }

    async fn repartitioned(&self, configured: Partitions<'_>) -> Result<Option<(Namespace, u32)>, Error> {
        self.engine.files.check()?;
        expire::repartitioned(self, configured).await
    }
}

impl Sqlite {
    async fn place(&self, namespace: &Namespace, series: Option<&Series>) -> Result<Place, Error> {
        self.engine.files.check()?;
        let mut lease = self.readers.acquire(namespace, false).await?;
        let read = find(&mut lease, namespace, series).await;
        finish(lease, read)
    }

    /// The end of the log, if no event of this Tail is after its position.
    async fn quiet_until(&self, tail: &Tail) -> Result<Option<i64>, Error> {
        self.engine.files.check()?;
        let mut lease = self.readers.acquire(&tail.namespace, false).await?;
        let read = self.look(&mut lease, tail).await;
        finish(lease, read)
    }

    async fn look(&self, lease: &mut Lease<Connections>, tail: &Tail) -> Read<Option<i64>> {
        let place = Place::find(connection(lease)?, &tail.namespace, tail.series.as_ref()).await?;
        let after = place.read(&self.timeseries, &tail.after)?;
        let has_grown = match (&tail.series, place.series) {
            _ if after == place.end => false,
            (None, _) => true,
            (Some(_), None) => false,
            (Some(_), Some(series)) => {
                let query = sqlx::query(sql::HAS_GROWN).bind(series).bind(after);
                !query.fetch_all(connection(lease)?).await?.is_empty()
            }
        };
        Ok(((!has_grown).then_some(place.end), true))
    }
}

async fn find(lease: &mut Lease<Connections>, namespace: &Namespace, series: Option<&Series>) -> Read<Place> {
    Ok((Place::find(connection(lease)?, namespace, series).await?, true))
}
