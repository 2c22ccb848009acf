//! The statements of write transactions. Rows are passed as arrays, one per column, so that one statement serves any number
//! of rows.

use std::sync::LazyLock;
use std::time::Duration;

use super::page_sql::LIVE;
use crate::postgres::engine::millis;

/// Begins a transaction and takes the exclusive lock of each record, given as an array. The locks are taken in the array's
/// order, which is the same in every process. `longest` is the timeout of the transaction's statements.
pub(in crate::postgres) fn begin_locked(records: &[i64], longest: Option<Duration>) -> String {
    use std::fmt::Write;
    let mut statements = "BEGIN; ".to_owned();
    if let Some(longest) = longest {
        let _ = write!(statements, "SET LOCAL statement_timeout = {}; ", millis(longest));
    }
    statements.push_str("SELECT pg_advisory_xact_lock(record) FROM unnest('{");
    for (number, record) in records.iter().enumerate() {
        let _ = write!(statements, "{}{record}", if number == 0 { "" } else { "," });
    }
    statements.push_str("}'::bigint[]) AS record");
    statements
}

/// Tries to lock records; returns for each whether it did. Parameter: lock ids.
pub(in crate::postgres) const TRY_LOCKS: &str =
    "SELECT pg_try_advisory_xact_lock(record) FROM unnest($1::bigint[]) AS record";

/// The rows of keys, each with the 1-based number of its key; and new versions, as rows of number 0. Parameters:
/// namespaces, ids, keys, and the number of versions.
pub(in crate::postgres) const LOOK_UP: &str = "SELECT wanted.number, i.version, i.token, i.created_at, i.updated_at, i.expires_at, i.deleted_at \
     FROM unnest($1::bytea[], $2::bytea[], $3::bytea[]) WITH ORDINALITY AS wanted (namespace, id, key, number) \
     CROSS JOIN LATERAL (SELECT * FROM prism_items AS i WHERE i.namespace = wanted.namespace AND i.id = wanted.id \
     AND i.key = wanted.key LIMIT 1) AS i \
     UNION ALL SELECT 0, nextval('prism_versions'), 0, 0, 0, NULL, NULL FROM generate_series(1, $4)";

/// Inserts or replaces rows. Parameters: arrays, in the order of the columns.
pub(in crate::postgres) const UPSERT: &str = "INSERT INTO prism_items (namespace, id, key, content_type, compression, version, token, created_at, \
     updated_at, expires_at, deleted_at, value) \
     SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::integer[], $6::bigint[], \
     $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bytea[]) \
     ON CONFLICT (namespace, id, key) DO UPDATE SET content_type = excluded.content_type, \
     compression = excluded.compression, version = excluded.version, token = excluded.token, \
     created_at = excluded.created_at, updated_at = excluded.updated_at, expires_at = excluded.expires_at, \
     deleted_at = excluded.deleted_at, value = excluded.value";

/// Removes rows. Parameters: namespaces, ids and keys.
pub(in crate::postgres) const REMOVE: &str = "DELETE FROM prism_items AS i USING unnest($1::bytea[], $2::bytea[], $3::bytea[]) \
     AS gone (namespace, id, key) \
     WHERE i.namespace = gone.namespace AND i.id = gone.id AND i.key = gone.key";

/// Puts items without preconditions, by the rules of [`prism_contract::keyvalue::row::put`], in one statement. Parameters:
/// lock ids of the records; namespaces, ids, keys, content types, compressions, tokens, times, expiries and values; and the
/// retention in microseconds.
///
/// - Its shared locks exclude deletes and conditional writes of these records, but not other Puts (LIN-4).
/// - The items are joined to the row that counts the locks, so each version is drawn after all locks are held (VER-1).
/// - An existing row is read in its latest version, once its row lock is held, however old the statement's snapshot is:
///   that is how ON CONFLICT works under READ COMMITTED.
/// - An item superseded by its token is missing in the result, which is otherwise in the order of the items.
pub(in crate::postgres) fn put_unconditional() -> &'static str {
    static STATEMENT: LazyLock<String> = LazyLock::new(|| {
        let now = "excluded.updated_at";
        let live = format!("(i.deleted_at IS NULL AND (i.expires_at IS NULL OR i.expires_at > {now}))");
        let dead_since = format!(
            "(CASE WHEN i.deleted_at IS NOT NULL THEN i.deleted_at WHEN i.expires_at <= {now} THEN i.expires_at END)"
        );
        let seen = format!("(CASE WHEN {dead_since} <= {now} - $11::bigint THEN 0 ELSE i.token END)");
        let created_at = format!("(CASE WHEN {live} THEN i.created_at ELSE {now} END)");
        format!(
            "WITH locked AS MATERIALIZED (SELECT count(pg_advisory_xact_lock_shared(record)) AS records \
             FROM unnest($1::bigint[]) AS record) \
             INSERT INTO prism_items AS i (namespace, id, key, content_type, compression, version, token, \
             created_at, updated_at, expires_at, deleted_at, value) \
             SELECT new.namespace, new.id, new.key, new.content_type, new.compression, nextval('prism_versions'), \
             new.token, new.now, new.now, new.expires_at, NULL, new.value \
             FROM locked CROSS JOIN unnest($2::bytea[], $3::bytea[], $4::bytea[], $5::bytea[], $6::integer[], \
             $7::bigint[], $8::bigint[], $9::bigint[], $10::bytea[]) \
             AS new (namespace, id, key, content_type, compression, token, now, expires_at, value) \
             WHERE locked.records > 0 \
             ON CONFLICT (namespace, id, key) DO UPDATE SET content_type = excluded.content_type, \
             compression = excluded.compression, version = nextval('prism_versions'), \
             token = greatest(excluded.token, {seen}), created_at = {created_at}, \
             updated_at = greatest({now}, {created_at}), expires_at = excluded.expires_at, deleted_at = NULL, \
             value = excluded.value \
             WHERE excluded.token = 0 OR excluded.token > {seen} \
             RETURNING namespace, id, key, version"
        )
    });
    &STATEMENT
}

/// Turns a span's live items into tombstones if a token must be kept (TOK-4). Parameters: namespace, id, now, token, start
/// and, if it has one, end.
pub(in crate::postgres) fn insert_tombstones(has_end: bool) -> &'static str {
    static STATEMENTS: LazyLock<[String; 2]> = LazyLock::new(|| {
        [false, true].map(|has_end| {
            format!(
                "UPDATE prism_items AS i SET token = greatest(i.token, $4), deleted_at = $3, expires_at = NULL, \
                 content_type = '', compression = 0, value = '' WHERE {} AND {LIVE} \
                 AND greatest(i.token, $4) > 0 AND ($4 = 0 OR i.token < $4)",
                span(has_end)
            )
        })
    });
    &STATEMENTS[usize::from(has_end)]
}

/// Removes a span's live items without a token. Parameters as for [`insert_tombstones`].
pub(in crate::postgres) fn delete_without_tombstone(has_end: bool) -> &'static str {
    static STATEMENTS: LazyLock<[String; 2]> = LazyLock::new(|| {
        [false, true].map(|has_end| {
            format!(
                "DELETE FROM prism_items AS i WHERE {} AND {LIVE} AND i.token = $4 AND $4 = 0",
                span(has_end)
            )
        })
    });
    &STATEMENTS[usize::from(has_end)]
}

/// Counts a span's rows, up to a limit. Parameters: namespace, id, limit, start and, if it has one, end.
pub(in crate::postgres) fn count_span(has_end: bool) -> &'static str {
    if has_end {
        "SELECT count(*) FROM (SELECT 1 FROM prism_items AS i WHERE i.namespace = $1 AND i.id = $2 AND i.key >= $4 \
         AND i.key < $5 LIMIT $3) AS counted"
    } else {
        "SELECT count(*) FROM (SELECT 1 FROM prism_items AS i WHERE i.namespace = $1 AND i.id = $2 AND i.key >= $4 \
         LIMIT $3) AS counted"
    }
}

fn span(has_end: bool) -> String {
    let end = if has_end { " AND i.key < $6" } else { "" };
    format!("i.namespace = $1 AND i.id = $2 AND i.key >= $5{end}")
}
