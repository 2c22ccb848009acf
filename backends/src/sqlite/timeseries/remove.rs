//! Steps of deletion and of expiry in a transaction, each of a bounded number of events.

use prism_contract::Timestamp;
use prism_contract::timeseries::{EventId, EventKey};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::rows::Bounds;
use super::sql;
use super::swept::{SweptRows, partition_of};
use super::writes::{DeleteStep, Deleted, ExpireStep, STEP};
use crate::engine::CorruptRow;

/// The key in the first two columns of a row.
pub(super) fn key(row: &SqliteRow) -> Result<EventKey, sqlx::Error> {
    let time = Timestamp::from_micros(row.try_get(0)?).map_err(CorruptRow::because)?;
    let id = EventId::new(row.try_get::<Vec<u8>, _>(1)?).map_err(CorruptRow::because)?;
    Ok(EventKey { time, id })
}

/// Deletes the next events of a range.
pub(super) async fn delete(
    connection: &mut SqliteConnection,
    step: &DeleteStep,
) -> Result<Deleted, sqlx::Error> {
    let mut bounds = Bounds::of(step.range, step.after.as_ref(), false);
    let offset = i64::try_from(STEP).map_err(CorruptRow::because)? - 1;
    let last = bounds.bind(sqlx::query(sql::LAST_OF).bind(step.series)).bind(offset);
    let next = last.fetch_optional(&mut *connection).await?.as_ref().map(key).transpose()?;
    if let Some(last) = &next {
        bounds.end_after(last);
    }
    let query = bounds.bind(sqlx::query(sql::DELETE).bind(step.series)).bind(step.snapshot);
    let count = query.execute(connection).await?.rows_affected();
    Ok(Deleted { count, next })
}

/// Removes the oldest expired events of each series, and records that they have left their partitions; returns their number,
/// at most [`STEP`].
pub(super) async fn expire(
    connection: &mut SqliteConnection,
    step: &ExpireStep,
    swept: &mut SweptRows,
) -> Result<usize, sqlx::Error> {
    let mut removed = 0;
    for (series, name) in &step.series {
        let left = i64::try_from(STEP - removed).map_err(CorruptRow::because)?;
        let query = sqlx::query(sql::OLDEST).bind(series).bind(step.expired.as_micros()).bind(left);
        let rows = query.fetch_all(&mut *connection).await?;
        let Some(last) = rows.last().map(key).transpose()? else { continue };
        let event = |row: &SqliteRow| {
            let time = Timestamp::from_micros(row.try_get(0)?).map_err(CorruptRow::because)?;
            Ok::<_, sqlx::Error>((row.try_get(2)?, time))
        };
        let events = rows.iter().map(event).collect::<Result<Vec<(i64, Timestamp)>, _>>()?;
        let place = (step.namespace_id, partition_of(name, step.partitions));
        swept.insert(connection, place, events).await?;
        let after = Bounds::after(&last);
        let query = sqlx::query(sql::REMOVE_BEFORE).bind(series).bind(last.time.as_micros()).bind(after);
        query.execute(&mut *connection).await?;
        removed += rows.len();
        if removed == STEP {
            break;
        }
    }
    Ok(removed)
}
