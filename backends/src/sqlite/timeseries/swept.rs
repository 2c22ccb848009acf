//! The expired events that have left each partition, changed and written by one transaction.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use prism_contract::Timestamp;
use prism_contract::timeseries::Series;
use prism_contract::timeseries::log::SweptEvents;
use sqlx::{Row, SqliteConnection};

use super::sql;
use crate::engine::CorruptRow;
use crate::timeseries::partition;

/// The changed rows, by namespace and partition.
#[derive(Default)]
pub(super) struct SweptRows(HashMap<(i64, i64), SweptEvents>);

/// The partition of a series in a namespace with so many.
pub(super) fn partition_of(series: &Series, partitions: i64) -> i64 {
    partition::hash(series) % partitions.max(1)
}

/// Reads a row.
pub(super) fn decode(row: &sqlx::sqlite::SqliteRow) -> Result<SweptEvents, sqlx::Error> {
    let bytes: &[u8] = row.try_get(0)?;
    SweptEvents::decode(bytes).ok_or_else(|| CorruptRow::because("swept events are damaged"))
}

impl SweptRows {
    /// Records that expired events have left a partition.
    pub(super) async fn insert(
        &mut self,
        connection: &mut SqliteConnection,
        place: (i64, i64),
        events: impl IntoIterator<Item = (i64, Timestamp)>,
    ) -> Result<(), sqlx::Error> {
        let swept = match self.0.entry(place) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let query = sqlx::query(sql::SWEPT).bind(place.0).bind(place.1);
                let row = query.fetch_optional(connection).await?;
                unknown.insert(row.as_ref().map(decode).transpose()?.unwrap_or_default())
            }
        };
        for (position, time) in events {
            swept.insert(position.cast_unsigned(), time);
        }
        Ok(())
    }

    /// Writes the changed rows.
    pub(super) async fn write(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        for ((namespace, partition), swept) in self.0 {
            let bytes = swept.encode();
            let query = sqlx::query(sql::RECORD_SWEPT).bind(namespace).bind(partition).bind(bytes.as_ref());
            query.execute(&mut *connection).await?;
        }
        Ok(())
    }
}
