//! Removal of expired events, a bounded number at a time.
//!
//! A sweep visits the series of each partition one after the other, and reads the first events of each: a search in the primary
//! key per series, so that no further index has to be written with every event. Where a sweep ended, the next one continues.

use std::collections::BTreeSet;

use prism_contract::timeseries::Expired;
use prism_contract::{Error, Namespace, Swept, Timestamp};
use sqlx::Row;
use tokio::sync::Mutex;

use super::saturated;
use super::swept::record_swept;
use super::write_sql::{LOCK_SWEPT, REMOVE};
use crate::engine::CorruptRow;
use crate::postgres::engine::{Attempts, Session, Sessions, translate};
use crate::postgres::keyvalue::{column, end};

/// Series that one transaction visits, and events that it removes, at most.
const STEP: usize = 1_000;
/// Transactions of one sweep, at most.
const STEPS: usize = 20;

/// The first partition from an id on, with its namespace. Parameter: id.
pub(super) const PARTITION: &str = "SELECT p.id, n.name FROM prism_ts_partitions AS p JOIN prism_ts_namespaces AS n ON n.id = p.id / 256 \
     WHERE p.id >= $1 ORDER BY p.id LIMIT 1";

/// The expired events of the series of a partition after an id, and series without any event. Parameters: partition, series,
/// the time up to which events have expired, and rows. A series without expired events has one row, where time and id are NULL.
pub(super) const VISIT: &str = "SELECT s.id, e.time, e.id, \
     e.time IS NULL AND NOT EXISTS (SELECT FROM prism_ts_events AS any_event WHERE any_event.series = s.id) \
     FROM (SELECT s.id FROM prism_ts_series AS s WHERE s.partition = $1 AND s.id > $2 ORDER BY s.id LIMIT $4) AS s \
     LEFT JOIN LATERAL (SELECT e.time, e.id FROM prism_ts_events AS e WHERE e.series = s.id AND e.time <= $3 \
     ORDER BY e.time, e.id LIMIT $4) AS e ON true LIMIT $4";

/// Removes series without events, whose partition is locked. Parameter: ids.
pub(super) const REMOVE_SERIES: &str = "DELETE FROM prism_ts_series AS s WHERE s.id = ANY($1) \
     AND NOT EXISTS (SELECT FROM prism_ts_events AS e WHERE e.series = s.id)";

/// The sweep of a store: one at a time.
#[derive(Default)]
pub(super) struct Sweep {
    /// The partition and the series after which it continues.
    next: Mutex<(i64, i64)>,
}

/// What a visit found.
struct Visit {
    events: Vec<(i64, i64, Vec<u8>)>,
    empty: Vec<i64>,
    /// The series after which the next visit begins; `None`: it was the last of the partition.
    last: Option<i64>,
}

impl Sweep {
    /// Removes a bounded number of expired events. There is more to do until a sweep has come to the last partition.
    pub(super) async fn expire(&self, sessions: &Sessions, expired: Expired<'_>) -> Result<Swept, Error> {
        let mut next = self.next.lock().await;
        let mut swept = Swept::default();
        for _ in 0..STEPS {
            let Some((partition, namespace)) = first_partition(sessions, next.0).await? else {
                *next = (0, 0);
                return Ok(swept);
            };
            if partition != next.0 {
                *next = (partition, 0);
            }
            let Some(expired) = expired(&namespace) else {
                // The first partition of the next namespace.
                *next = ((partition / 256 + 1) * 256, 0);
                continue;
            };
            let mut attempts = Attempts::default();
            let (removed, last) = loop {
                let work = async |session: &mut Session| step(session, *next, expired).await;
                match sessions.with(work).await {
                    Err(error) if attempts.should_retry(&error) => {}
                    ended => break ended.map_err(translate)?,
                }
            };
            swept.expired += removed;
            *next = last.map_or((partition + 1, 0), |last| (partition, last));
        }
        swept.more = true;
        Ok(swept)
    }
}

async fn first_partition(sessions: &Sessions, from: i64) -> Result<Option<(i64, Namespace)>, Error> {
    let work = async |session: &mut Session| {
        let row = session.rows(sqlx::query(PARTITION).bind(from)).await?.pop();
        row.map(|row| {
            let name = std::str::from_utf8(row.try_get(1)?).map_err(CorruptRow::because)?;
            Ok((row.try_get(0)?, Namespace::new(name).map_err(CorruptRow::because)?))
        })
        .transpose()
    };
    sessions.with(work).await.map_err(translate)
}

/// Visits some series. Returns how many events were removed, and the series after which the next step begins.
async fn step(
    session: &mut Session,
    (partition, after): (i64, i64),
    expired: Timestamp,
) -> Result<(u64, Option<i64>), sqlx::Error> {
    let visit = Visit::read(session, partition, after, expired).await?;
    if visit.events.is_empty() && visit.empty.is_empty() {
        return Ok((0, visit.last));
    }
    session.run("BEGIN").await?;
    let removed = remove(session, partition, &visit).await;
    Ok((end(session, removed).await?, visit.last))
}

/// Removes what a visit found. The events first: the partition is locked for no longer than needed.
async fn remove(session: &mut Session, partition: i64, visit: &Visit) -> Result<u64, sqlx::Error> {
    let mut removed = 0;
    if !visit.events.is_empty() {
        let query = sqlx::query(REMOVE)
            .bind(column(&visit.events, |(series, ..)| *series))
            .bind(column(&visit.events, |(_, time, _)| *time))
            .bind(column(&visit.events, |(.., id)| id.as_slice()));
        let rows = session.rows(query).await?;
        record_swept(session, &rows).await?;
        removed = rows.len() as u64;
    }
    if !visit.empty.is_empty() {
        session.rows(sqlx::query(LOCK_SWEPT).bind(vec![partition])).await?;
        session.execute(sqlx::query(REMOVE_SERIES).bind(visit.empty.clone())).await?;
    }
    Ok(removed)
}

impl Visit {
    async fn read(
        session: &mut Session,
        partition: i64,
        after: i64,
        expired: Timestamp,
    ) -> Result<Self, sqlx::Error> {
        let query =
            sqlx::query(VISIT).bind(partition).bind(after).bind(expired.as_micros()).bind(saturated(STEP));
        let (mut events, mut empty, mut visited) = (Vec::new(), Vec::new(), BTreeSet::new());
        let rows = session.rows(query).await?;
        for row in &rows {
            let series = row.try_get(0)?;
            visited.insert(series);
            match row.try_get::<Option<i64>, _>(1)? {
                Some(time) => events.push((series, time, row.try_get(2)?)),
                None if row.try_get(3)? => empty.push(series),
                None => {}
            }
        }
        // At the limit, the last series may have more expired events: it is visited again, unless it was without one.
        let last = visited.last().copied().filter(|_| rows.len() == STEP);
        let is_complete = last.is_some_and(|last| events.last().is_none_or(|(series, ..)| *series != last));
        Ok(Self { events, empty, last: last.map(|last| if is_complete { last } else { last - 1 }) })
    }
}
