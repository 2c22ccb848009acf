//! Lists of series, and histograms.

use std::collections::BTreeMap;

use prism_contract::timeseries::{Bucket, EventId, Histogram, ListSeries, SeriesPage};
use prism_contract::{Error, Timestamp};
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::decode;
use super::{bound, read_sql, saturated};
use crate::engine::CorruptRow;
use crate::postgres::engine::{Query, translate};
use crate::postgres::keyvalue::Readers;
use crate::timeseries::{partition, stored_tags};

/// Series that a page of names looks at, with or without a live event; at least one more than it lists.
const LOOKED_AT: usize = 1_001;
/// Events that one statement of a histogram counts: some tens of milliseconds.
const COUNTED: usize = 100_000;

/// Lists a page of names.
pub(super) async fn list(readers: &Readers, list: &ListSeries) -> Result<SeriesPage, Error> {
    let looked_at = LOOKED_AT.max(list.limit + 1);
    let statement = || {
        sqlx::query(read_sql::LIST_SERIES)
            .bind(list.namespace.as_str().as_bytes())
            .bind(list.prefix.as_bytes())
            .bind(beyond(&list.prefix))
            .bind(list.after.as_ref().map_or(&b""[..], |after| after.as_str().as_bytes()))
            .bind(list.expired.map_or(i64::MIN, Timestamp::as_micros))
            .bind(saturated(looked_at))
    };
    let rows = readers.rows(&list.namespace, statement).await?;
    let mut page = SeriesPage::default();
    let mut last = None;
    for row in &rows {
        let read = || Ok::<_, sqlx::Error>((decode::series(row.try_get(0)?)?, row.try_get::<bool, _>(1)?));
        let (series, is_live) = read().map_err(translate)?;
        if is_live {
            if page.series.len() == list.limit {
                page.next = last;
                return Ok(page);
            }
            page.series.push(series.clone());
        }
        last = Some(series);
    }
    page.next = last.filter(|_| rows.len() == looked_at);
    Ok(page)
}

/// A name beyond all that begin with this. No byte of UTF-8 is 255.
fn beyond(prefix: &str) -> Vec<u8> {
    let mut beyond = prefix.as_bytes().to_vec();
    match beyond.last_mut() {
        Some(last) => *last += 1,
        None => beyond.push(255),
    }
    beyond
}

/// Counts events, a bounded number in each statement; all of them in the snapshot of the first.
pub(super) async fn histogram(readers: &Readers, histogram: &Histogram) -> Result<Vec<Bucket>, Error> {
    let range = histogram.range.live(histogram.expired);
    let mut buckets = BTreeMap::new();
    // No id is empty: an empty one comes before all events of its time.
    let mut after = (range.start, Vec::new());
    let mut snapshot = None;
    loop {
        let statement = || statement(histogram, snapshot, &after, range.end);
        let rows = readers.rows(&histogram.namespace, statement).await?;
        let (at, last) = step(histogram, &rows, &mut buckets).map_err(translate)?;
        snapshot = snapshot.or(at);
        match last {
            Some((time, id)) => after = (time.as_micros(), id.into_bytes().to_vec()),
            None => return Ok(buckets.into_values().collect()),
        }
    }
}

/// Adds the rows of a step. Returns the end of the log, and the event after which the next step begins.
#[expect(clippy::type_complexity, reason = "used once")]
fn step(
    histogram: &Histogram,
    rows: &[PgRow],
    buckets: &mut BTreeMap<i64, Bucket>,
) -> Result<(Option<u64>, Option<(Timestamp, EventId)>), sqlx::Error> {
    let width = i64::try_from(histogram.bucket.get()).unwrap_or(i64::MAX);
    let (mut end, mut next) = (None, None);
    for row in rows {
        let count = u64::try_from(row.try_get::<i64, _>(2)?).map_err(CorruptRow::because)?;
        let Some(number) = row.try_get::<Option<i64>, _>(1)? else {
            end = row.try_get::<Option<i64>, _>(0)?.map(i64::cast_unsigned);
            if count == COUNTED as u64 {
                next = Some((decode::timestamp(row.try_get(4)?)?, decode::id(row.try_get(5)?)?));
            }
            continue;
        };
        let start = decode::timestamp(histogram.range.start + number * width)?;
        let bucket = buckets.entry(number).or_insert(Bucket { start, count: 0, payload_bytes: 0 });
        bucket.count += count;
        bucket.payload_bytes += row.try_get::<i64, _>(3)?.cast_unsigned();
    }
    Ok((end, next))
}

fn statement(histogram: &Histogram, snapshot: Option<u64>, after: &(i64, Vec<u8>), end: i64) -> Query {
    sqlx::query(read_sql::histogram())
        .bind(histogram.namespace.as_str().as_bytes())
        .bind(partition::hash(&histogram.series))
        .bind(histogram.series.as_str().as_bytes())
        .bind(snapshot.map(bound))
        .bind(after.0)
        .bind(after.1.clone())
        .bind(end)
        .bind(stored_tags::needles(&histogram.tags))
        .bind(saturated(COUNTED))
        .bind(histogram.range.start)
        .bind(i64::try_from(histogram.bucket.get()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_beyond_all_that_begin_with_the_prefix() {
        for (prefix, name) in [("", "\u{10ffff}"), ("a", "a\u{10ffff}"), ("é", "é!"), ("a\u{7f}", "a\u{7f}b")]
        {
            assert!(beyond(prefix).as_slice() > name.as_bytes(), "{prefix:?}");
        }
        assert!(beyond("a").as_slice() <= b"b".as_slice());
    }
}
