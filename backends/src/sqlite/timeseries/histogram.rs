//! Counts the events of a series by time: one statement, whose rows are counted as they come.

use futures::TryStreamExt;
use prism_contract::timeseries::{Bucket, Histogram};
use prism_contract::{Error, Timestamp};
use sqlx::Row;
use tracing::Instrument;

use super::place::{Place, Read, connection, finish};
use super::rows::{self, Filter};
use super::sql;
use crate::engine::{CorruptRow, Lease};
use crate::sqlite::engine::{Connections, statement_span};
use crate::sqlite::keyvalue::Readers;

/// Counts events (HIS rules).
pub(super) async fn histogram(readers: &Readers, histogram: &Histogram) -> Result<Vec<Bucket>, Error> {
    let mut lease = readers.acquire(&histogram.namespace, true).await?;
    let read = read(&mut lease, histogram).instrument(statement_span("read")).await;
    finish(lease, read)
}

async fn read(lease: &mut Lease<Connections>, histogram: &Histogram) -> Read<Vec<Bucket>> {
    let place = Place::find(connection(lease)?, &histogram.namespace, Some(&histogram.series)).await?;
    let range = histogram.range.live(histogram.expired);
    let Some(series) = place.series.filter(|_| !range.is_empty()) else { return Ok((Vec::new(), true)) };
    let filter = Filter::new(&histogram.tags);
    let statement = if filter.is_empty() { sql::LENGTHS } else { sql::LENGTHS_AND_TAGS };
    let query = sqlx::query(statement).bind(series).bind(range.start).bind(range.end);
    let mut stream = query.fetch(connection(lease)?);
    let mut buckets: Vec<Bucket> = Vec::new();
    // Where the last bucket ends: most events are in the same one as the event before.
    let mut end = i64::MIN;
    let width = i64::try_from(histogram.bucket.get()).unwrap_or(i64::MAX);
    while let Some(row) = stream.try_next().await? {
        if !filter.is_empty() && !filter.matches(row.try_get(2)?) {
            continue;
        }
        let time: Timestamp = rows::time(&row)?;
        if time.as_micros() >= end {
            let start = histogram.start_of(time);
            end = start.as_micros().saturating_add(width);
            buckets.push(Bucket { start, count: 0, payload_bytes: 0 });
        }
        let bytes = u64::try_from(row.try_get::<i64, _>(1)?).map_err(CorruptRow::because)?;
        if let Some(bucket) = buckets.last_mut() {
            bucket.count += 1;
            bucket.payload_bytes += bytes;
        }
    }
    Ok((buckets, true))
}
