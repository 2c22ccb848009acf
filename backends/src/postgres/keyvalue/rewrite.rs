//! Replacement of the content of items, in one statement.

use prism_contract::Namespace;
use prism_contract::keyvalue::RecordId;

use super::transaction::column;
use crate::postgres::engine::Query;
use crate::rewrite::Content;

/// Replaces the content of live items that still have a version. Parameters: namespace, id, and arrays of keys, versions,
/// values, content types and compressions. The record's lock is not needed: a row that another transaction has changed has
/// another version.
pub(in crate::postgres) const REWRITE: &str = "UPDATE prism_items AS i \
     SET value = new.value, content_type = new.content_type, compression = new.compression \
     FROM unnest($3::bytea[], $4::bigint[], $5::bytea[], $6::bytea[], $7::integer[]) \
     AS new (key, version, value, content_type, compression) \
     WHERE i.namespace = $1 AND i.id = $2 AND i.key = new.key AND i.version = new.version AND i.deleted_at IS NULL";

pub(in crate::postgres) fn rewrite(namespace: &Namespace, id: &RecordId, contents: &[Content]) -> Query {
    sqlx::query(REWRITE)
        .bind(namespace.as_str().as_bytes().to_vec())
        .bind(id.as_str().as_bytes().to_vec())
        .bind(column(contents, |content| content.key.as_bytes()))
        .bind(contents.iter().map(|content| content.version).collect::<Vec<_>>())
        .bind(column(contents, |content| content.value.as_ref()))
        .bind(column(contents, |content| content.content_type.as_bytes()))
        .bind(contents.iter().map(|content| content.compression).collect::<Vec<_>>())
}
