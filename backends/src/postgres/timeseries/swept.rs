//! Which expired events have left each partition's log.

use std::collections::BTreeMap;

use prism_contract::Timestamp;
use prism_contract::timeseries::log::SweptEvents;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::write_sql::{LOCK_SWEPT, SET_SWEPT};
use crate::engine::CorruptRow;
use crate::postgres::engine::Session;
use crate::postgres::keyvalue::column;

/// Records that expired events have left, in the transaction that removed them: a reader sees both or neither. It locks their
/// partitions. The rows are those of [`REMOVE`](super::write_sql::REMOVE).
pub(super) async fn record_swept(session: &mut Session, removed: &[PgRow]) -> Result<(), sqlx::Error> {
    let mut gone: BTreeMap<i64, Vec<(u64, Timestamp)>> = BTreeMap::new();
    for row in removed {
        let position: i64 = row.try_get(1)?;
        let time = Timestamp::from_micros(row.try_get(2)?).map_err(CorruptRow::because)?;
        gone.entry(row.try_get(0)?).or_default().push((position.cast_unsigned(), time));
    }
    if gone.is_empty() {
        return Ok(());
    }
    let partitions: Vec<_> = gone.keys().copied().collect();
    let mut changed = Vec::new();
    for row in session.rows(sqlx::query(LOCK_SWEPT).bind(partitions)).await? {
        let partition: i64 = row.try_get(0)?;
        let mut swept = decode(row.try_get(1)?)?;
        for (position, time) in gone.remove(&partition).unwrap_or_default() {
            swept.insert(position, time);
        }
        changed.push((partition, swept.encode()));
    }
    let query = sqlx::query(SET_SWEPT)
        .bind(column(&changed, |(partition, _)| *partition))
        .bind(column(&changed, |(_, swept)| swept.as_ref()));
    session.execute(query).await?;
    Ok(())
}

/// Reads the column.
pub(super) fn decode(column: &[u8]) -> Result<SweptEvents, sqlx::Error> {
    SweptEvents::decode(column).ok_or_else(|| CorruptRow::because("damaged list of swept events"))
}
