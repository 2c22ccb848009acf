//! The statements, in few fixed shapes, so that each is prepared once per connection.

use std::sync::LazyLock;

use crate::sqlite::sized::{Sized, list};

/// Maximum length of a payload that is read with prefetch, in bytes.
const SMALL: usize = 16 << 10;

/// Number of namespaces in [`ends`].
pub(super) const ENDS: usize = 16;

/// Which payloads a page returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payloads {
    /// None: they are left out.
    None,
    /// Those of up to [`SMALL`] bytes; NULL instead of a larger one.
    Small,
    /// All.
    All,
}

impl Payloads {
    pub(super) const EACH: [Self; 3] = [Self::None, Self::Small, Self::All];

    fn column(self) -> String {
        match self {
            Self::None => "x''".to_owned(),
            // SQLite knows its length without reading it.
            Self::Small => format!("CASE WHEN length(payload) <= {SMALL} THEN payload END"),
            Self::All => "payload".to_owned(),
        }
    }
}

/// The statement of each choice of payloads.
struct ByPayloads([String; 3]);

impl ByPayloads {
    fn new(statement: impl Fn(&str) -> String) -> Self {
        Self(Payloads::EACH.map(|payloads| statement(&payloads.column())))
    }

    fn get(&self, payloads: Payloads) -> &str {
        match payloads {
            Payloads::None => &self.0[0],
            Payloads::Small => &self.0[1],
            Payloads::All => &self.0[2],
        }
    }
}

/// The columns of an event, before its payload.
const EVENT: &str = "time, events.id, position, content_type, tags";

/// Events of a series between two keys, in order. The limit is an expression, so that SQLite does not plan anew for another
/// value.
pub(super) fn page(payloads: Payloads, reverse: bool) -> &'static str {
    static STATEMENTS: LazyLock<[ByPayloads; 2]> = LazyLock::new(|| {
        ["ASC", "DESC"].map(|direction| {
            ByPayloads::new(|payload| {
                format!(
                    "SELECT {EVENT}, {payload} FROM ts_events AS events WHERE series = ? AND (time, id) > (?, ?) \
                     AND (time, id) < (?, ?) ORDER BY time {direction}, id {direction} LIMIT ? + 0"
                )
            })
        })
    });
    STATEMENTS[usize::from(reverse)].get(payloads)
}

/// Events of a series in append order.
pub(super) fn log_of_series(payloads: Payloads) -> &'static str {
    static STATEMENTS: LazyLock<ByPayloads> = LazyLock::new(|| {
        ByPayloads::new(|payload| {
            format!(
                "SELECT {EVENT}, {payload} FROM ts_events AS events INDEXED BY ts_events_by_series \
                 WHERE series = ? AND position > ? AND position <= ? ORDER BY position LIMIT ? + 0"
            )
        })
    });
    STATEMENTS.get(payloads)
}

/// Events of a namespace in append order, with the name of the series.
pub(super) fn log_of_namespace(payloads: Payloads) -> &'static str {
    static STATEMENTS: LazyLock<ByPayloads> = LazyLock::new(|| {
        ByPayloads::new(|payload| {
            format!(
                "SELECT {EVENT}, {payload}, series.name FROM ts_events AS events INDEXED BY ts_events_by_namespace \
                 CROSS JOIN ts_series AS series ON series.id = events.series \
                 WHERE events.namespace = ? AND position > ? AND position <= ? ORDER BY position LIMIT ? + 0"
            )
        })
    });
    STATEMENTS.get(payloads)
}

/// Each of [`ENDS`] namespaces that exists, by number, and the last position of its log.
pub(super) fn ends() -> &'static str {
    static STATEMENT: LazyLock<String> = LazyLock::new(|| {
        format!(
            "WITH wanted (number, name) AS (VALUES {}) \
             SELECT number, position FROM wanted CROSS JOIN ts_namespaces USING (name)",
            list(ENDS, |number| format!("({number}, ?)"))
        )
    });
    &STATEMENT
}

/// The place of a series: parameters are the names of the namespace and of the series.
pub(super) const PLACE: &str = "SELECT namespaces.id, namespaces.position, series.id FROM ts_namespaces AS namespaces \
     LEFT JOIN ts_series AS series ON series.namespace = namespaces.id AND series.name = ?2 WHERE namespaces.name = ?1";

/// Draws positions, in a namespace that may be new. Parameters: its name, its partitions, the number of positions.
pub(super) const DRAW: &str = "INSERT INTO ts_namespaces (name, partitions, position) VALUES (?, ?, ?) \
     ON CONFLICT (name) DO UPDATE SET position = position + excluded.position RETURNING id, partitions, position";

/// Inserts series that are not there; two parameters per row.
pub(super) fn insert_series(rows: usize) -> &'static str {
    static STATEMENTS: LazyLock<Sized> = LazyLock::new(|| {
        Sized::new(|size| {
            format!(
                "INSERT INTO ts_series (namespace, name) SELECT * FROM (VALUES {}) WHERE column1 IS NOT NULL \
                 ON CONFLICT DO NOTHING",
                list(size, |_| "(?, ?)".to_owned())
            )
        })
    });
    STATEMENTS.for_rows(rows)
}

/// The ids of series, by number; two parameters per row.
pub(super) fn find_series(rows: usize) -> &'static str {
    static STATEMENTS: LazyLock<Sized> = LazyLock::new(|| {
        Sized::new(|size| {
            format!(
                "WITH wanted (number, namespace, name) AS (VALUES {}) \
                 SELECT number, id FROM wanted CROSS JOIN ts_series USING (namespace, name)",
                list(size, |number| format!("({number}, ?, ?)"))
            )
        })
    });
    STATEMENTS.for_rows(rows)
}

/// Inserts events that are not there; eight parameters per row.
pub(super) fn insert_events(rows: usize) -> &'static str {
    static STATEMENTS: LazyLock<Sized> = LazyLock::new(|| {
        Sized::new(|size| {
            format!(
                "INSERT INTO ts_events (series, time, id, namespace, position, content_type, tags, payload) \
                 SELECT * FROM (VALUES {}) WHERE column1 IS NOT NULL ON CONFLICT DO NOTHING",
                list(size, |_| "(?, ?, ?, ?, ?, ?, ?, ?)".to_owned())
            )
        })
    });
    STATEMENTS.for_rows(rows)
}

/// The positions of events that are there, by number; three parameters per row.
pub(super) fn find_events(rows: usize) -> &'static str {
    static STATEMENTS: LazyLock<Sized> = LazyLock::new(|| {
        Sized::new(|size| {
            format!(
                "WITH wanted (number, series, time, id) AS (VALUES {}) \
                 SELECT number, position FROM wanted CROSS JOIN ts_events USING (series, time, id)",
                list(size, |number| format!("({number}, ?, ?, ?)"))
            )
        })
    });
    STATEMENTS.for_rows(rows)
}

/// Removes an event.
pub(super) const REMOVE: &str = "DELETE FROM ts_events WHERE series = ? AND time = ? AND id = ?";

/// The last of so many events between two keys. Parameters as for [`page`], and the number less one.
pub(super) const LAST_OF: &str = "SELECT time, id FROM ts_events WHERE series = ? AND (time, id) > (?, ?) \
     AND (time, id) < (?, ?) ORDER BY time, id LIMIT 1 OFFSET ? + 0";

/// Deletes the events between two keys, up to a position.
pub(super) const DELETE: &str = "DELETE FROM ts_events WHERE series = ? AND (time, id) > (?, ?) AND (time, id) < (?, ?) \
     AND position <= ?";

/// The first events of a series up to a time.
pub(super) const OLDEST: &str = "SELECT time, id, position FROM ts_events WHERE series = ? AND time <= ? \
     ORDER BY time, id LIMIT ? + 0";

/// Removes the events of a series before a key.
pub(super) const REMOVE_BEFORE: &str = "DELETE FROM ts_events WHERE series = ? AND (time, id) < (?, ?)";

/// The expired events that have left a partition.
pub(super) const SWEPT: &str = "SELECT events FROM ts_swept WHERE namespace = ? AND partition = ?";

/// Those of all partitions of a namespace.
pub(super) const SWEPT_OF_NAMESPACE: &str = "SELECT events FROM ts_swept WHERE namespace = ?";

/// Records them.
pub(super) const RECORD_SWEPT: &str = "INSERT INTO ts_swept (namespace, partition, events) VALUES (?, ?, ?) \
     ON CONFLICT (namespace, partition) DO UPDATE SET events = excluded.events";

/// The partitions of a namespace.
pub(super) const PARTITIONS: &str = "SELECT partitions FROM ts_namespaces WHERE id = ?";

/// The series of a namespace from a name on, and whether each has an event after a time.
pub(super) const SERIES: &str = "SELECT name, EXISTS (SELECT 1 FROM ts_events AS events WHERE events.series = series.id \
     AND time > ?3) FROM ts_series AS series WHERE namespace = ?1 AND name >= ?2 ORDER BY name LIMIT ?4 + 0";

/// The namespaces from a name on.
pub(super) const NAMESPACES: &str =
    "SELECT name, id, partitions FROM ts_namespaces WHERE name >= ? ORDER BY name";

/// The series of a namespace from a name on, and whether each has an event up to a time.
pub(super) const OLD_SERIES: &str = "SELECT name, id, EXISTS (SELECT 1 FROM ts_events AS events \
     WHERE events.series = series.id AND time <= ?3) FROM ts_series AS series WHERE namespace = ?1 AND name >= ?2 \
     ORDER BY name LIMIT ?4 + 0";

/// The times and payload lengths of a series.
pub(super) const LENGTHS: &str =
    "SELECT time, length(payload) FROM ts_events WHERE series = ? AND time >= ? AND time < ? ORDER BY time";

/// The same with tags.
pub(super) const LENGTHS_AND_TAGS: &str = "SELECT time, length(payload), tags FROM ts_events WHERE series = ? AND time >= ? AND time < ? ORDER BY time";

/// A row if a series has an event after a position.
pub(super) const HAS_GROWN: &str =
    "SELECT 1 FROM ts_events INDEXED BY ts_events_by_series WHERE series = ? AND position > ? LIMIT 1";
