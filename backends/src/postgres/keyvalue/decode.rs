//! Decodes Postgres rows into the contract's types. A row that does not decode was not written by Prism: it is corrupt.

use bytes::Bytes;
use prism_contract::Timestamp;
use prism_contract::keyvalue::row::Row as KeyRow;
use prism_contract::keyvalue::{Item, Key, RecordId};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::engine::CorruptRow;

/// An item, from the columns of a page's statement.
pub(in crate::postgres) fn item(row: &PgRow) -> Result<Item, sqlx::Error> {
    Ok(Item {
        key: Key::new(bytes(row, 0)?).map_err(CorruptRow::because)?,
        content_type: text(row, 1)?.to_owned(),
        compression: row.try_get(2)?,
        version: row.try_get(3)?,
        priority_token: row.try_get(4)?,
        created_at: timestamp(row, 5)?,
        updated_at: timestamp(row, 6)?,
        expires_at: optional_timestamp(row, 7)?,
        value: bytes(row, 8)?,
    })
}

/// The record's id, in the column after an item's.
pub(in crate::postgres) fn record_id(row: &PgRow) -> Result<RecordId, sqlx::Error> {
    RecordId::new(text(row, 9)?).map_err(CorruptRow::because)
}

/// A key's row, in the columns after its number.
pub(in crate::postgres) fn key_row(row: &PgRow) -> Result<KeyRow, sqlx::Error> {
    Ok(KeyRow {
        version: row.try_get(1)?,
        token: row.try_get(2)?,
        created_at: timestamp(row, 3)?,
        updated_at: timestamp(row, 4)?,
        expires_at: optional_timestamp(row, 5)?,
        deleted_at: optional_timestamp(row, 6)?,
    })
}

fn bytes(row: &PgRow, column: usize) -> Result<Bytes, sqlx::Error> {
    Ok(Bytes::copy_from_slice(row.try_get(column)?))
}

/// Text that is stored as bytes.
fn text(row: &PgRow, column: usize) -> Result<&str, sqlx::Error> {
    std::str::from_utf8(row.try_get(column)?).map_err(CorruptRow::because)
}

fn timestamp(row: &PgRow, column: usize) -> Result<Timestamp, sqlx::Error> {
    Timestamp::from_micros(row.try_get(column)?).map_err(CorruptRow::because)
}

fn optional_timestamp(row: &PgRow, column: usize) -> Result<Option<Timestamp>, sqlx::Error> {
    let micros: Option<i64> = row.try_get(column)?;
    micros.map(Timestamp::from_micros).transpose().map_err(CorruptRow::because)
}
