//! DeleteEvents, in bounded steps.

use prism_contract::Error;
use prism_contract::timeseries::DeleteEvents;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::{bound, saturated};
use crate::engine::CorruptRow;
use crate::postgres::engine::{Attempts, Session, Sessions, translate};
use crate::timeseries::partition;

/// Events that one step removes, at most: some milliseconds.
const STEP: usize = 1_000;

/// Removes the first events of a range. Parameters: namespace; hash and name of the series; snapshot, or NULL for the current
/// one; the place after which the step begins, as time and id; the end of the time; rows. Returns the end of the log; and for
/// each event its time and id, and whether this statement removed it and not another one at the same time.
///
/// Only events up to the snapshot of the first step are removed. An Append that began later is after the whole deletion, and
/// a stream of Appends cannot keep it going.
pub(super) const DELETE: &str = "WITH head AS MATERIALIZED (SELECT n.id AS namespace, p.position FROM prism_ts_namespaces AS n \
     JOIN prism_ts_partitions AS p ON p.id = n.id * 256 + $2::bigint % n.partitions WHERE n.name = $1), \
     found AS MATERIALIZED (SELECT e.series, e.time, e.id FROM head \
     JOIN prism_ts_series AS s ON s.namespace = head.namespace AND s.name = $3 \
     CROSS JOIN LATERAL (SELECT e.series, e.time, e.id FROM prism_ts_events AS e \
     WHERE e.series = s.id AND (e.time, e.id) > ($5::bigint, $6::bytea) AND e.time < $7::bigint \
     AND e.position <= coalesce($4::bigint, head.position) ORDER BY e.time, e.id LIMIT $8) AS e), \
     gone AS (DELETE FROM prism_ts_events AS e USING found WHERE e.series = found.series AND e.time = found.time \
     AND e.id = found.id RETURNING 1) \
     SELECT head.position, (SELECT count(*) FROM gone), (SELECT count(*) FROM found), last.time, last.id \
     FROM head LEFT JOIN (SELECT time, id FROM found ORDER BY time DESC, id DESC LIMIT 1) AS last ON true";

/// Removes live events; returns their number. After an error some of them may be gone, and a repetition removes the others.
pub(super) async fn delete(sessions: &Sessions, delete: &DeleteEvents) -> Result<u64, Error> {
    let range = delete.range.live(delete.expired);
    let (mut deleted, mut snapshot) = (0, None);
    // No id is empty: an empty one comes before all events of its time.
    let mut after = (range.start, Vec::new());
    let mut attempts = Attempts::default();
    if range.is_empty() {
        return Ok(0);
    }
    loop {
        let work = async |session: &mut Session| {
            let query = sqlx::query(DELETE)
                .bind(delete.namespace.as_str().as_bytes())
                .bind(partition::hash(&delete.series))
                .bind(delete.series.as_str().as_bytes())
                .bind(snapshot.map(bound))
                .bind(after.0)
                .bind(after.1.clone())
                .bind(range.end)
                .bind(saturated(STEP));
            session.rows(query).await?.pop().map(|row| Step::of(&row)).transpose()
        };
        let step = match sessions.with(work).await {
            Err(error) if attempts.should_retry(&error) => continue,
            step => step.map_err(translate)?,
        };
        // No row: there is no such namespace.
        let Some(step) = step else { break };
        attempts = Attempts::default();
        deleted += step.deleted;
        snapshot = snapshot.or(Some(step.end));
        match step.last {
            Some(last) => after = last,
            None => break,
        }
    }
    Ok(deleted)
}

struct Step {
    end: u64,
    deleted: u64,
    /// The event after which the next step begins; `None`: this was the last.
    last: Option<(i64, Vec<u8>)>,
}

impl Step {
    fn of(row: &PgRow) -> Result<Self, sqlx::Error> {
        let number = |column| u64::try_from(row.try_get::<i64, _>(column)?).map_err(CorruptRow::because);
        let last = if number(2)? == STEP as u64 { Some((row.try_get(3)?, row.try_get(4)?)) } else { None };
        Ok(Self { end: number(0)?, deleted: number(1)?, last })
    }
}
