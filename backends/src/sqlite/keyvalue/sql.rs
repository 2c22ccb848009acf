//! The text of every statement, in few fixed shapes, so that each is prepared once per connection.
//!
//! Statements over many rows come in [`SIZES`]; a list that falls between two sizes is padded. SQLite takes a parameter that
//! that is not bound for NULL, and every statement here passes over rows of NULLs, so padding costs no binding.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::LazyLock;

use crate::keyvalue::{ROWS, SPANS};

/// How many rows the statements over many rows speak of.
pub(in crate::sqlite) const SIZES: [usize; 5] = [1, 4, 16, 64, 256];

/// Most rows of one statement.
pub(in crate::sqlite) const MOST_ROWS: usize = SIZES[SIZES.len() - 1];

/// The texts of a statement, one for each size.
struct Sized([String; SIZES.len()]);

impl Sized {
    fn new(text: impl Fn(usize) -> String) -> Self {
        Self(SIZES.map(text))
    }

    fn with_room_for(&self, rows: usize) -> &str {
        &self.0[with_room_for(rows)]
    }
}

/// Which of [`SIZES`] is the least with room for `rows`, which are at most [`MOST_ROWS`].
pub(in crate::sqlite) fn with_room_for(rows: usize) -> usize {
    SIZES.partition_point(|size| *size < rows).min(SIZES.len() - 1)
}

/// The rows of `size` places, each with its number; three parameters a place.
pub(in crate::sqlite) fn lookup(rows: usize) -> &'static str {
    static TEXT: LazyLock<Sized> = LazyLock::new(|| {
        Sized::new(|size| {
            format!(
                "WITH wanted (number, namespace, id, key) AS (VALUES {}) \
                 SELECT number, version, token, created_at, updated_at, expires_at, deleted_at \
                 FROM wanted CROSS JOIN items USING (namespace, id, key)",
                list(size, |number| format!("({number}, ?, ?, ?)"))
            )
        })
    });
    TEXT.with_room_for(rows)
}

/// Writes `size` rows, each over what stood there; twelve parameters a row.
pub(in crate::sqlite) fn upsert(rows: usize) -> &'static str {
    static TEXT: LazyLock<Sized> = LazyLock::new(|| {
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
    TEXT.with_room_for(rows)
}

/// Puts `size` items without preconditions and tokens, by the rules of [`prism_contract::keyvalue::row::put`], and draws
/// versions from the counter, which it answers; the items have the first of them. Parameters: how many versions to draw, where
/// the counter must stand for the reserved range to be valid, the version before that (NULLs where nothing is reserved), then
/// eight an item. The retention is in microseconds; it is part of the text because a list that is padded can have nothing
/// bound after it.
pub(in crate::sqlite) fn put_drawing(size: usize, retention: i64) -> String {
    let rows = put_rows(size, "(SELECT last FROM versions) - ?1", "", retention);
    format!("UPDATE versions SET last = ? + iif(last = ?, ?, last) RETURNING last; {rows}")
}

/// The same with versions that were drawn before, or nothing at all if the counter has moved since. Parameters: the version
/// before that of the first item, where the counter must stand, then eight an item.
pub(in crate::sqlite) fn put_reserved(size: usize, retention: i64) -> String {
    let rows = put_rows(size, "before", "stock CROSS JOIN ", retention);
    format!("WITH stock (before) AS (SELECT ? FROM versions WHERE last = ?) {rows}")
}

/// Puts items whose versions are those after `before`.
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

/// Removes the rows of `size` places; three parameters a place.
pub(in crate::sqlite) fn remove(rows: usize) -> &'static str {
    static TEXT: LazyLock<Sized> = LazyLock::new(|| {
        Sized::new(|size| {
            let places = list(size, |_| "(?, ?, ?)".to_owned());
            format!("DELETE FROM items WHERE (namespace, id, key) IN (VALUES {places})")
        })
    });
    TEXT.with_room_for(rows)
}

/// What is live, with the moment in parameter 3.
const LIVE: &str = "deleted_at IS NULL AND (expires_at IS NULL OR expires_at > ?3)";

/// Turns a span's live items into tombstones where a token must be remembered (TOK-4): parameters namespace, id, now, token,
/// start and, if it has one, end.
pub(in crate::sqlite) fn insert_tombstones(ends: bool) -> &'static str {
    static TEXT: LazyLock<[String; 2]> = LazyLock::new(|| {
        [false, true].map(|ends| {
            format!(
                "UPDATE items SET token = max(token, ?4), deleted_at = ?3, expires_at = NULL, content_type = '', \
                 compression = 0, value = x'' WHERE {} AND {LIVE} AND max(token, ?4) > 0 \
                 AND (?4 = 0 OR token < ?4)",
                span(ends)
            )
        })
    });
    &TEXT[usize::from(ends)]
}

/// Removes a span's live items that never saw a token: parameters as for [`insert_tombstones`].
pub(in crate::sqlite) fn delete_without_tombstone(ends: bool) -> &'static str {
    static TEXT: LazyLock<[String; 2]> = LazyLock::new(|| {
        [false, true].map(|ends| format!("DELETE FROM items WHERE {} AND {LIVE} AND token = 0", span(ends)))
    });
    &TEXT[usize::from(ends)]
}

fn span(ends: bool) -> String {
    let end = if ends { " AND key < ?6" } else { "" };
    format!("namespace = ?1 AND id = ?2 AND key >= ?5{end}")
}

/// What reads answer of an item; a read without values answers an empty one instead of the last.
pub(in crate::sqlite) const ITEM_COLUMNS: &str =
    "key, content_type, compression, version, token, created_at, updated_at, expires_at";

const _: () = assert!(SPANS <= MOST_ROWS);

/// Reads spans of several records, each up to one row more than [`ROWS`], with the number of the span before the columns of
/// an item; parameters namespace, id, start, end and moment of each. The order is that of the spans, and of each one's keys.
pub(in crate::sqlite) fn batched_read(spans: usize) -> &'static str {
    static TEXT: LazyLock<Sized> = LazyLock::new(|| {
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
    TEXT.with_room_for(spans)
}

/// The most keys a statement can be asked for by name: a padded list has room for a whole `match_keys`.
const KEY_LISTS: [usize; 5] = [1, 8, 64, 256, 1_024];

/// The shape of a page's statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::sqlite) struct PageShape {
    pub(in crate::sqlite) of: Of,
    pub(in crate::sqlite) keys: Keys,
    pub(in crate::sqlite) reverse: bool,
    pub(in crate::sqlite) values: Values,
}

/// Which values a page's statement brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::sqlite) enum Values {
    /// None: keys only.
    None,
    /// Those of up to [`SMALL`] bytes; NULL for each that is larger.
    Small,
    All,
}

/// What a small value has at most, in bytes.
pub(in crate::sqlite) const SMALL: usize = 16 << 10;

/// What a page is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::sqlite) enum Of {
    /// One record: parameters namespace, id, now, limit, then the keys'.
    Record,
    /// A namespace, from a position: parameters namespace, id, now, limit, key, then the keys'.
    Namespace,
}

/// Which keys a page is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::sqlite) enum Keys {
    /// From a start, to the last: parameter start.
    From,
    /// From a start to an end: parameters start and end.
    Between,
    /// A list, padded to this length by NULLs: its keys as parameters.
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
    /// Every shape there is.
    pub(in crate::sqlite) fn all() -> impl Iterator<Item = Self> {
        let switches = [false, true]
            .map(|reverse| [Values::None, Values::Small, Values::All].map(|values| (reverse, values)))
            .concat();
        [Of::Record, Of::Namespace].into_iter().flat_map(move |of| {
            let switches = switches.clone();
            Keys::all().flat_map(move |keys| {
                let shape = move |(reverse, values)| Self { of, keys, reverse, values };
                switches.clone().into_iter().map(shape)
            })
        })
    }

    /// The statement.
    pub(in crate::sqlite) fn text(self) -> &'static str {
        static TEXTS: LazyLock<HashMap<PageShape, String>> =
            LazyLock::new(|| PageShape::all().map(|shape| (shape, shape.write())).collect());
        &TEXTS[&self]
    }

    /// The limit is an expression on purpose: SQLite plans by the value of a bare `LIMIT ?`, and so prepares the statement
    /// anew whenever another is bound, which costs more than reading an item.
    fn write(self) -> String {
        let value = match self.values {
            Values::None => "x''".to_owned(),
            // SQLite knows a value's length without reading it.
            Values::Small => format!("CASE WHEN length(value) <= {SMALL} THEN value END"),
            Values::All => "value".to_owned(),
        };
        let (id, place, order, first) = match self.of {
            Of::Record => ("", "id = ?2", "key", 5),
            Of::Namespace if self.reverse => (", id", "(id, key) < (?2, ?5)", "id {}, key", 6),
            Of::Namespace => (", id", "(id, key) >= (?2, ?5)", "id {}, key", 6),
        };
        let keys = match self.keys {
            Keys::From => format!("key >= ?{first}"),
            Keys::Between => format!("key >= ?{first} AND key < ?{}", first + 1),
            Keys::Named(size) => format!("key IN ({})", list(size, |n| format!("?{}", first + n))),
        };
        let way = if self.reverse { "DESC" } else { "ASC" };
        let order = order.replace("{}", way);
        format!(
            "SELECT {ITEM_COLUMNS}, {value}{id} FROM items WHERE namespace = ?1 AND {place} AND {keys} \
             AND {LIVE} ORDER BY {order} {way} LIMIT ?4 + 0"
        )
    }
}

/// `size` things, numbered from 0, with commas between them.
fn list(size: usize, thing: impl Fn(usize) -> String) -> String {
    (0..size).fold(String::new(), |mut text, number| {
        let comma = if number == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}{}", thing(number));
        text
    })
}
