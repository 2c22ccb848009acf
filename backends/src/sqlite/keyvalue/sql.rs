//! The statements, in few fixed shapes, so that each is prepared once per connection.
//!
//! Statements over many rows exist in few sizes; see [`Sized`].

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::keyvalue::{ROWS, SPANS};
use crate::sqlite::sized::{MAX_ROWS, Sized, list};

/// The rows of `size` keys, each with the number of its key; three parameters per key.
pub(in crate::sqlite) fn lookup(rows: usize) -> &'static str {
    static STATEMENTS: LazyLock<Sized> = LazyLock::new(|| {
        Sized::new(|size| {
            format!(
                "WITH wanted (number, namespace, id, key) AS (VALUES {}) \
                 SELECT number, version, token, created_at, updated_at, expires_at, deleted_at \
                 FROM wanted CROSS JOIN items USING (namespace, id, key)",
                list(size, |number| format!("({number}, ?, ?, ?)"))
            )
        })
    });
    STATEMENTS.for_rows(rows)
}

/// Inserts or replaces `size` rows; twelve parameters per row.
pub(in crate::sqlite) fn upsert(rows: usize) -> &'static str {
    static STATEMENTS: LazyLock<Sized> = LazyLock::new(|| {
        Sized::new(|size| {
            format!(
                "INSERT INTO items (namespace, id, key, content_type, compression, version, token, \
                 created_at, updated_at, expires_at, deleted_at, value) \
                 SELECT * FROM (VALUES {}) WHERE column1 IS NOT NULL \
                 ON CONFLICT (namespace, id, key) DO UPDATE SET content_type = excluded.content_type, \
                 compression = excluded.compression, version = excluded.version, token = excluded.token, \
                 created_at = excluded.created_at, updated_at = excluded.updated_at, \
                 expires_at = excluded.expires_at, deleted_at = excluded.deleted_at, value = excluded.value",
                list(size, |_| "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)".to_owned())
            )
        })
    });
    STATEMENTS.for_rows(rows)
}

/// Puts `size` items without preconditions and tokens, by the rules of [`prism_contract::keyvalue::row::put`]. Draws
/// versions from the counter, returns its new value, and gives the first of them to the items. Parameters: number of
/// versions to draw; the counter's value for which the reserved range is valid, and the version before the range (NULLs if
/// nothing is reserved); then eight per item. The retention is in microseconds; it is a literal, because nothing can be
/// bound after a padded list.
pub(in crate::sqlite) fn put_drawing(size: usize, retention: i64) -> String {
    let rows = put_rows(size, "(SELECT last FROM versions) - ?1", "", retention);
    format!("UPDATE versions SET last = ? + iif(last = ?, ?, last) RETURNING last; {rows}")
}

/// The same with reserved versions; writes nothing if the counter has changed since. Parameters: the version before the
/// first item's, the counter's required value, then eight per item.
pub(in crate::sqlite) fn put_reserved(size: usize, retention: i64) -> String {
    let rows = put_rows(size, "before", "reserved CROSS JOIN ", retention);
    format!("WITH reserved (before) AS (SELECT ? FROM versions WHERE last = ?) {rows}")
}

/// Puts items, with the versions that follow `before`.
fn put_rows(size: usize, before: &str, from: &str, retention: i64) -> String {
    let now = "excluded.updated_at";
    let live =
        format!("(items.deleted_at IS NULL AND (items.expires_at IS NULL OR items.expires_at > {now}))");
    let dead_since = format!(
        "(CASE WHEN items.deleted_at IS NOT NULL THEN items.deleted_at \
         WHEN items.expires_at <= {now} THEN items.expires_at END)"
    );
    let created_at = format!("CASE WHEN {live} THEN items.created_at ELSE {now} END");
    format!(
        "INSERT INTO items (namespace, id, key, content_type, compression, version, token, \
         created_at, updated_at, expires_at, deleted_at, value) \
         SELECT column2, column3, column4, column5, column6, {before} + column1, 0, \
         column7, column7, column8, NULL, column9 FROM {from}(VALUES {}) WHERE column2 IS NOT NULL \
         ON CONFLICT (namespace, id, key) DO UPDATE SET content_type = excluded.content_type, \
         compression = excluded.compression, version = excluded.version, \
         token = CASE WHEN {dead_since} <= {now} - {retention} THEN 0 ELSE items.token END, \
         created_at = {created_at}, updated_at = max({now}, {created_at}), expires_at = excluded.expires_at, \
         deleted_at = NULL, value = excluded.value",
        list(size, |number| format!("({}, ?, ?, ?, ?, ?, ?, ?, ?)", number + 1))
    )
}

/// Removes the rows of `size` keys; three parameters per key.
pub(in crate::sqlite) fn remove(rows: usize) -> &'static str {
    static STATEMENTS: LazyLock<Sized> = LazyLock::new(|| {
        Sized::new(|size| {
            let keys = list(size, |_| "(?, ?, ?)".to_owned());
            format!("DELETE FROM items WHERE (namespace, id, key) IN (VALUES {keys})")
        })
    });
    STATEMENTS.for_rows(rows)
}

/// The condition of a live row, with the time in parameter 3.
const LIVE: &str = "deleted_at IS NULL AND (expires_at IS NULL OR expires_at > ?3)";

/// Turns a span's live items into tombstones if a token must be kept (TOK-4). Parameters: namespace, id, now, token, start
/// and, if it has one, end.
pub(in crate::sqlite) fn insert_tombstones(has_end: bool) -> &'static str {
    static STATEMENTS: LazyLock<[String; 2]> = LazyLock::new(|| {
        [false, true].map(|has_end| {
            format!(
                "UPDATE items SET token = max(token, ?4), deleted_at = ?3, expires_at = NULL, content_type = '', \
                 compression = 0, value = x'' WHERE {} AND {LIVE} AND max(token, ?4) > 0 \
                 AND (?4 = 0 OR token < ?4)",
                span(has_end)
            )
        })
    });
    &STATEMENTS[usize::from(has_end)]
}

/// Removes a span's live items without a token. Parameters as for [`insert_tombstones`].
pub(in crate::sqlite) fn delete_without_tombstone(has_end: bool) -> &'static str {
    static STATEMENTS: LazyLock<[String; 2]> = LazyLock::new(|| {
        [false, true]
            .map(|has_end| format!("DELETE FROM items WHERE {} AND {LIVE} AND token = 0", span(has_end)))
    });
    &STATEMENTS[usize::from(has_end)]
}

fn span(has_end: bool) -> String {
    let end = if has_end { " AND key < ?6" } else { "" };
    format!("namespace = ?1 AND id = ?2 AND key >= ?5{end}")
}

/// The columns of an item, except its value; a read without values returns an empty one.
pub(in crate::sqlite) const ITEM_COLUMNS: &str =
    "key, content_type, compression, version, token, created_at, updated_at, expires_at";

const _: () = assert!(SPANS <= MAX_ROWS);

/// Reads spans of several records, each up to one row more than [`ROWS`]: the number of the span, then the columns of an
/// item. Parameters per span: namespace, id, start, end and time. Rows are ordered by span, then by key.
pub(in crate::sqlite) fn batched_read(spans: usize) -> &'static str {
    static STATEMENTS: LazyLock<Sized> = LazyLock::new(|| {
        Sized::new(|size| {
            let arms = (0..size).map(|number| {
                format!(
                    "SELECT * FROM (SELECT {number}, {ITEM_COLUMNS}, value FROM items WHERE namespace = ? AND id = ? \
                     AND key >= ? AND key < ? AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > ?) \
                     ORDER BY key LIMIT {})",
                    ROWS + 1
                )
            });
            arms.collect::<Vec<_>>().join(" UNION ALL ")
        })
    });
    STATEMENTS.for_rows(spans)
}

/// The lengths of padded key lists: the largest has room for a whole `match_keys`.
const KEY_LISTS: [usize; 5] = [1, 8, 64, 256, 1_024];

/// The shape of a page's statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::sqlite) struct PageShape {
    pub(in crate::sqlite) scope: Scope,
    pub(in crate::sqlite) keys: Keys,
    pub(in crate::sqlite) reverse: bool,
    pub(in crate::sqlite) values: Values,
}

/// The values that a page's statement returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::sqlite) enum Values {
    /// None: keys only.
    None,
    /// Values of up to [`SMALL`] bytes; NULL instead of a larger one.
    Small,
    /// All values.
    All,
}

/// Maximum length of a small value, in bytes.
pub(in crate::sqlite) const SMALL: usize = 16 << 10;

/// The scope of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::sqlite) enum Scope {
    /// One record: parameters namespace, id, now, limit, then the keys'.
    Record,
    /// A namespace, from a position: parameters namespace, id, now, limit, key, then the keys'.
    Namespace,
}

/// The keys of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::sqlite) enum Keys {
    /// From a start to the last key: parameter start.
    From,
    /// From a start to an end: parameters start and end.
    Between,
    /// A list, padded to this length with NULLs: its keys as parameters.
    Named(usize),
}

impl Keys {
    /// The shape for this many named keys, at most 1,000.
    pub(in crate::sqlite) fn named(keys: usize) -> Self {
        let size = KEY_LISTS.partition_point(|size| *size < keys).min(KEY_LISTS.len() - 1);
        Self::Named(KEY_LISTS[size])
    }

    fn all() -> impl Iterator<Item = Self> {
        [Self::From, Self::Between].into_iter().chain(KEY_LISTS.map(Self::Named))
    }
}

impl PageShape {
    /// All shapes.
    pub(in crate::sqlite) fn all() -> impl Iterator<Item = Self> {
        let switches = [false, true]
            .map(|reverse| [Values::None, Values::Small, Values::All].map(|values| (reverse, values)))
            .concat();
        [Scope::Record, Scope::Namespace].into_iter().flat_map(move |scope| {
            let switches = switches.clone();
            Keys::all().flat_map(move |keys| {
                let shape = move |(reverse, values)| Self { scope, keys, reverse, values };
                switches.clone().into_iter().map(shape)
            })
        })
    }

    /// The statement.
    pub(in crate::sqlite) fn statement(self) -> &'static str {
        static STATEMENTS: LazyLock<HashMap<PageShape, String>> =
            LazyLock::new(|| PageShape::all().map(|shape| (shape, shape.write())).collect());
        &STATEMENTS[&self]
    }

    /// The limit is an expression on purpose: SQLite plans by the value of a bare `LIMIT ?`, and so re-prepares the
    /// statement whenever another value is bound, which costs more than reading an item.
    fn write(self) -> String {
        let value = match self.values {
            Values::None => "x''".to_owned(),
            // SQLite knows a value's length without reading it.
            Values::Small => format!("CASE WHEN length(value) <= {SMALL} THEN value END"),
            Values::All => "value".to_owned(),
        };
        let (id, scope, order, first) = match self.scope {
            Scope::Record => ("", "id = ?2", "key", 5),
            Scope::Namespace if self.reverse => (", id", "(id, key) < (?2, ?5)", "id {}, key", 6),
            Scope::Namespace => (", id", "(id, key) >= (?2, ?5)", "id {}, key", 6),
        };
        let keys = match self.keys {
            Keys::From => format!("key >= ?{first}"),
            Keys::Between => format!("key >= ?{first} AND key < ?{}", first + 1),
            Keys::Named(size) => format!("key IN ({})", list(size, |n| format!("?{}", first + n))),
        };
        let direction = if self.reverse { "DESC" } else { "ASC" };
        let order = order.replace("{}", direction);
        format!(
            "SELECT {ITEM_COLUMNS}, {value}{id} FROM items WHERE namespace = ?1 AND {scope} AND {keys} \
             AND {LIVE} ORDER BY {order} {direction} LIMIT ?4 + 0"
        )
    }
}
