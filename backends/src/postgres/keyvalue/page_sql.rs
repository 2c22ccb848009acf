//! The text of every statement that reads a page, in few fixed shapes, so that each is prepared once per connection.

use std::collections::HashMap;
use std::sync::LazyLock;

use prism_contract::keyvalue::Item;

use crate::keyvalue::ROWS;

/// What is live, with the moment in parameter 3.
pub(in crate::postgres) const LIVE: &str =
    "i.deleted_at IS NULL AND (i.expires_at IS NULL OR i.expires_at > $3)";

/// What reads answer of an item, but for its value.
const COLUMNS: [&str; 8] =
    ["key", "content_type", "compression", "version", "token", "created_at", "updated_at", "expires_at"];

/// The shape of a page's statement. Its parameters are namespace, id, now and how many rows, then the position's key (of a
/// namespace), then the keys', then the page's bytes (if it is cut by them).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::postgres) struct PageShape {
    pub(in crate::postgres) of: Of,
    pub(in crate::postgres) keys: Keys,
    pub(in crate::postgres) reverse: bool,
    pub(in crate::postgres) values: Values,
}

/// What a page is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::postgres) enum Of {
    /// One record.
    Record,
    /// A namespace, from a position on.
    Namespace,
}

/// Which keys a page is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::postgres) enum Keys {
    /// From a start, to the last: parameter start.
    From,
    /// From a start to an end: parameters start and end.
    Between,
    /// An array of keys, for a record in the order of the answer.
    Named,
}

/// What a page answers of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::postgres) enum Values {
    /// Nothing (PAGE-8).
    None,
    /// All of as many rows as were asked for.
    All,
    /// Those of the rows that begin within the page's bytes, and of the second, because the first is answered however large
    /// it is (PAGE-7): what the page cannot hold is not sent (SCAN-3).
    Within,
}

/// Most rows, live or dead, that a batched read walks of a span that has a dead one.
const WALKED: usize = 256;

/// Reads spans of several records, each up to one row more than [`ROWS`]: the columns of an item, the span's number, counted
/// from one, and whether the row is live. Parameters namespaces, ids, starts, ends and moments, a row for each span. The order
/// is that of the spans, and of the keys of each.
///
/// A dead row is answered where its span has more than [`WALKED`] rows, so the statement walks no further than that. The count
/// is an `InitPlan`, which Postgres runs at the first dead row of a span: a span without dead rows costs nothing more.
pub(in crate::postgres) fn batched_read() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let columns = COLUMNS.map(|column| format!("i.{column}")).join(", ");
        let in_span = "i.namespace = wanted.namespace AND i.id = wanted.id AND i.key >= wanted.first \
                       AND i.key < wanted.beyond";
        let live = "(i.deleted_at IS NULL AND (i.expires_at IS NULL OR i.expires_at > wanted.now))";
        format!(
            "SELECT {columns}, i.value, wanted.number, i.live \
             FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bigint[]) WITH ORDINALITY \
             AS wanted (namespace, id, first, beyond, now, number) \
             CROSS JOIN LATERAL (SELECT *, {live} AS live FROM prism_items AS i WHERE {in_span} AND ({live} OR \
             (SELECT true FROM prism_items AS i WHERE {in_span} ORDER BY i.key OFFSET {WALKED} LIMIT 1)) \
             ORDER BY i.key LIMIT {}) AS i",
            ROWS + 1
        )
    });
    &TEXT
}

impl PageShape {
    /// Every shape there is.
    pub(in crate::postgres) fn all() -> impl Iterator<Item = Self> {
        let places = [Of::Record, Of::Namespace];
        let keys = [Keys::From, Keys::Between, Keys::Named];
        let values = [Values::None, Values::All, Values::Within];
        places.into_iter().flat_map(move |of| {
            keys.into_iter().flat_map(move |keys| {
                values.into_iter().flat_map(move |values| {
                    [false, true].map(move |reverse| Self { of, keys, reverse, values })
                })
            })
        })
    }

    /// The statement.
    pub(in crate::postgres) fn text(self) -> &'static str {
        static TEXTS: LazyLock<HashMap<PageShape, String>> =
            LazyLock::new(|| PageShape::all().map(|shape| (shape, shape.write())).collect());
        &TEXTS[&self]
    }

    fn write(self) -> String {
        let value = if self.values == Values::None { "''::bytea" } else { "i.value" };
        let id = if self.of == Of::Namespace { ", i.id" } else { "" };
        let columns = COLUMNS.map(|column| format!("i.{column}")).join(", ");
        let (from, order) = self.source();
        let read = format!("SELECT {columns}, {value} AS value{id}");
        if self.values != Values::Within {
            return format!("{read} FROM {from} AND {LIVE} ORDER BY {order} LIMIT $4");
        }
        // The weight of an item on a page (PAGE-7), or a little less, so that no row of the page is left out.
        let weight = format!(
            "(octet_length(i.key) + octet_length(i.value) + octet_length(i.content_type) + {})",
            Item::FIXED_WEIGHT
        );
        let bytes = self.first_of_keys() + if self.keys == Keys::Between { 2 } else { 1 };
        let answered = COLUMNS.join(", ");
        let answered_id = if self.of == Of::Namespace { ", id" } else { "" };
        format!(
            "SELECT {answered}, value{answered_id} FROM ({read}, row_number() OVER page AS number, \
             sum({weight}) OVER page - {weight} AS before FROM {from} AND {LIVE} \
             WINDOW page AS (ORDER BY {order} ROWS UNBOUNDED PRECEDING) ORDER BY {order} LIMIT $4) \
             AS read WHERE before <= ${bytes} OR number <= 2"
        )
    }

    /// What follows FROM, and the order of the answer.
    fn source(self) -> (String, String) {
        let first = self.first_of_keys();
        let way = if self.reverse { " DESC" } else { "" };
        let span = match self.keys {
            Keys::From => format!("i.key >= ${first}"),
            Keys::Between => format!("i.key >= ${first} AND i.key < ${}", first + 1),
            // A filter and not a search: the order of the answer is that of the index.
            Keys::Named => format!("(i.key IN (SELECT unnest(${first}::bytea[]))) IS TRUE"),
        };
        match (self.of, self.keys) {
            (Of::Record, Keys::Named) => {
                let item = "SELECT * FROM prism_items AS i WHERE i.namespace = $1 AND i.id = $2 \
                            AND i.key = wanted.key LIMIT 1";
                let wanted = "unnest($5::bytea[]) WITH ORDINALITY AS wanted (key, number)";
                (format!("{wanted} CROSS JOIN LATERAL ({item}) AS i WHERE true"), "wanted.number".to_owned())
            }
            (Of::Record, Keys::From | Keys::Between) => (
                format!("prism_items AS i WHERE i.namespace = $1 AND i.id = $2 AND {span}"),
                format!("i.key{way}"),
            ),
            (Of::Namespace, _) => {
                let beyond = if self.reverse { "<" } else { ">=" };
                let position = format!("(i.id, i.key) {beyond} ($2, $5)");
                (
                    format!("prism_items AS i WHERE i.namespace = $1 AND {position} AND {span}"),
                    format!("i.id{way}, i.key{way}"),
                )
            }
        }
    }

    /// The number of the keys' first parameter.
    fn first_of_keys(self) -> usize {
        match self.of {
            Of::Record => 5,
            Of::Namespace => 6,
        }
    }
}
