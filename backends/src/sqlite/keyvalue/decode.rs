//! Decodes SQLite rows into the contract's types. A row that does not decode was not written by Prism: it is corrupt.

use bytes::Bytes;
use prism_contract::Timestamp;
use prism_contract::keyvalue::{Item, Key, RecordId};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::engine::CorruptRow;

/// A timestamp that is never NULL.
pub(in crate::sqlite) fn timestamp(row: &SqliteRow, column: usize) -> Result<Timestamp, sqlx::Error> {
    Timestamp::from_micros(row.try_get(column)?).map_err(CorruptRow::because)
}

/// A timestamp that may be NULL.
pub(in crate::sqlite) fn optional_timestamp(
    row: &SqliteRow,
    column: usize,
) -> Result<Option<Timestamp>, sqlx::Error> {
    let micros: Option<i64> = row.try_get(column)?;
    micros.map(Timestamp::from_micros).transpose().map_err(CorruptRow::because)
}

/// The column of an item's value, in a row that begins with the item.
pub(in crate::sqlite) const VALUE: usize = 8;

/// An item, in the order of [`super::sql::ITEM_COLUMNS`] and the value, from the column `first` on.
pub(in crate::sqlite) fn item(row: &SqliteRow, first: usize) -> Result<Item, sqlx::Error> {
    Ok(Item {
        key: Key::new(row.try_get::<Vec<u8>, _>(first)?).map_err(CorruptRow::because)?,
        content_type: row.try_get(first + 1)?,
        compression: row.try_get(first + 2)?,
        version: row.try_get(first + 3)?,
        priority_token: row.try_get(first + 4)?,
        created_at: timestamp(row, first + 5)?,
        updated_at: timestamp(row, first + 6)?,
        expires_at: optional_timestamp(row, first + 7)?,
        value: Bytes::from(row.try_get::<Vec<u8>, _>(first + VALUE)?),
    })
}

/// The record's id, in the column after an item's.
pub(in crate::sqlite) fn record_id(row: &SqliteRow) -> Result<RecordId, sqlx::Error> {
    let bytes: &[u8] = row.try_get(9)?;
    let text = std::str::from_utf8(bytes).map_err(CorruptRow::because)?;
    RecordId::new(text).map_err(CorruptRow::because)
}
