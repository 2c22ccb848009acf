//! The statements that read a page, in few fixed shapes, so that each is prepared once per connection.

use std::collections::HashMap;
use std::sync::LazyLock;

use prism_contract::keyvalue::Item;

use crate::keyvalue::ROWS;

/// The condition of a live row, with the time in parameter 3.
pub(in crate::postgres) const LIVE: &str =
    "i.deleted_at IS NULL AND (i.expires_at IS NULL OR i.expires_at > $3)";

/// The columns of an item, except its value.
const COLUMNS: [&str; 8] =
    ["key", "content_type", "compression", "version", "token", "created_at", "updated_at", "expires_at"];

/// The shape of a page's statement. Parameters: namespace, id, now and row limit; the key of the position (for a
/// namespace); those of the keys; the page's bytes and its allowance per item (for [`Values::Within`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::postgres) struct PageShape {
    pub(in crate::postgres) scope: Scope,
    pub(in crate::postgres) keys: Keys,
    pub(in crate::postgres) reverse: bool,
    pub(in crate::postgres) values: Values,
}

/// The scope of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::postgres) enum Scope {
    /// One record.
    Record,
    /// A namespace, from a position on.
    Namespace,
}

/// The keys of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::postgres) enum Keys {
    /// From a start to the last key: parameter start.
    From,
    /// From a start to an end: parameters start and end.
    Between,
    /// An array of keys; for a record, in the order of the answer.
    Named,
}

/// The values that a statement returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::postgres) enum Values {
    /// No values (PAGE-8).
    None,
    /// The values of all rows.
    All,
    /// Only the rows that begin within the page's bytes, and the second row, because the first is returned whatever its size
    /// (PAGE-7): rows that the page cannot hold are not sent (SCAN-3).
    Within,
}

/// Maximum rows, live or dead, that a batched read scans of a span with a dead one.
const MAX_SCANNED: usize = 256;

/// Reads spans of several records, each up to one row more than [`ROWS`]: the columns of an item, the 1-based number of the
/// span, and whether the row is live. Parameters: arrays of namespaces, ids, starts, ends and times, one element per span.
/// Rows are ordered by span, then by key.
///
/// A dead row is returned if its span has more than [`MAX_SCANNED`] rows, so the statement scans no further than that. The
/// count is an `InitPlan`, which Postgres runs at the first dead row of a span: a span without dead rows has no extra cost.
pub(in crate::postgres) fn batched_read() -> &'static str {
    static STATEMENT: LazyLock<String> = LazyLock::new(|| {
        let columns = COLUMNS.map(|column| format!("i.{column}")).join(", ");
        let in_span = "i.namespace = wanted.namespace AND i.id = wanted.id AND i.key >= wanted.first \
                       AND i.key < wanted.beyond";
        let live = "(i.deleted_at IS NULL AND (i.expires_at IS NULL OR i.expires_at > wanted.now))";
        format!(
            "SELECT {columns}, i.value, wanted.number, i.live \
             FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bigint[]) WITH ORDINALITY \
             AS wanted (namespace, id, first, beyond, now, number) \
             CROSS JOIN LATERAL (SELECT *, {live} AS live FROM prism_items AS i WHERE {in_span} AND ({live} OR \
             (SELECT true FROM prism_items AS i WHERE {in_span} ORDER BY i.key OFFSET {MAX_SCANNED} LIMIT 1)) \
             ORDER BY i.key LIMIT {}) AS i",
            ROWS + 1
        )
    });
    &STATEMENT
}

impl PageShape {
    /// All shapes.
    pub(in crate::postgres) fn all() -> impl Iterator<Item = Self> {
        let scopes = [Scope::Record, Scope::Namespace];
        let keys = [Keys::From, Keys::Between, Keys::Named];
        let values = [Values::None, Values::All, Values::Within];
        scopes.into_iter().flat_map(move |scope| {
            keys.into_iter().flat_map(move |keys| {
                values.into_iter().flat_map(move |values| {
                    [false, true].map(move |reverse| Self { scope, keys, reverse, values })
                })
            })
        })
    }

    /// The statement.
    pub(in crate::postgres) fn statement(self) -> &'static str {
        static STATEMENTS: LazyLock<HashMap<PageShape, String>> =
            LazyLock::new(|| PageShape::all().map(|shape| (shape, shape.write())).collect());
        &STATEMENTS[&self]
    }

    fn write(self) -> String {
        let value = if self.values == Values::None { "''::bytea" } else { "i.value" };
        let id = if self.scope == Scope::Namespace { ", i.id" } else { "" };
        let columns = COLUMNS.map(|column| format!("i.{column}")).join(", ");
        let (from, order) = self.source();
        let read = format!("SELECT {columns}, {value} AS value{id}");
        if self.values != Values::Within {
            return format!("{read} FROM {from} AND {LIVE} ORDER BY {order} LIMIT $4");
        }
        // A lower bound of an item's weight on a page (PAGE-7), so that no row of the page is omitted.
        let weight = format!(
            "(octet_length(i.key) + octet_length(i.value) + octet_length(i.content_type) + {})",
            Item::FIXED_WEIGHT
        );
        let bytes = self.first_of_keys() + if self.keys == Keys::Between { 2 } else { 1 };
        let allowance = bytes + 1;
        let outer_columns = COLUMNS.join(", ");
        let outer_id = if self.scope == Scope::Namespace { ", id" } else { "" };
        format!(
            "SELECT {outer_columns}, value{outer_id} FROM ({read}, row_number() OVER page AS number, \
             sum({weight}) OVER page - {weight} AS before FROM {from} AND {LIVE} \
             WINDOW page AS (ORDER BY {order} ROWS UNBOUNDED PRECEDING) ORDER BY {order} LIMIT $4) \
             AS read WHERE before <= ${bytes} + (number - 1) * ${allowance} OR number <= 2"
        )
    }

    /// The FROM and WHERE clauses, and the ORDER BY columns.
    fn source(self) -> (String, String) {
        let first = self.first_of_keys();
        let direction = if self.reverse { " DESC" } else { "" };
        let span = match self.keys {
            Keys::From => format!("i.key >= ${first}"),
            Keys::Between => format!("i.key >= ${first} AND i.key < ${}", first + 1),
            // A filter and not an index condition, so that rows come in index order.
            Keys::Named => format!("(i.key IN (SELECT unnest(${first}::bytea[]))) IS TRUE"),
        };
        match (self.scope, self.keys) {
            (Scope::Record, Keys::Named) => {
                let item = "SELECT * FROM prism_items AS i WHERE i.namespace = $1 AND i.id = $2 \
                            AND i.key = wanted.key LIMIT 1";
                let wanted = "unnest($5::bytea[]) WITH ORDINALITY AS wanted (key, number)";
                (format!("{wanted} CROSS JOIN LATERAL ({item}) AS i WHERE true"), "wanted.number".to_owned())
            }
            (Scope::Record, Keys::From | Keys::Between) => (
                format!("prism_items AS i WHERE i.namespace = $1 AND i.id = $2 AND {span}"),
                format!("i.key{direction}"),
            ),
            (Scope::Namespace, _) => {
                let beyond = if self.reverse { "<" } else { ">=" };
                let position = format!("(i.id, i.key) {beyond} ($2, $5)");
                (
                    format!("prism_items AS i WHERE i.namespace = $1 AND {position} AND {span}"),
                    format!("i.id{direction}, i.key{direction}"),
                )
            }
        }
    }

    /// The number of the first key parameter.
    fn first_of_keys(self) -> usize {
        match self.scope {
            Scope::Record => 5,
            Scope::Namespace => 6,
        }
    }
}
