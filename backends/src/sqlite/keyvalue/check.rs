//! The statements that check the rows of KeyValue: one scan each, without reading values.

use crate::check::{Checks, Counts, Fault};

/// The checks of KeyValue. SQLite knows the length of a value without reading its overflow pages.
pub(in crate::sqlite) const CHECKS: Checks = Checks {
    name: "keyvalue",
    counts: &[Counts {
        names: &["items", "expired", "tombstones", "sweepable", "bytes"],
        sql: "SELECT count(*) FILTER (WHERE deleted_at IS NULL AND (expires_at IS NULL OR expires_at > ?1)), \
              count(*) FILTER (WHERE deleted_at IS NULL AND expires_at <= ?1), \
              count(*) FILTER (WHERE deleted_at IS NOT NULL), \
              count(*) FILTER (WHERE expires_at <= ?1 OR deleted_at <= ?2), \
              ifnull(sum(length(key) + length(value)), 0) FROM items",
        by_time: true,
    }],
    namespaces: "SELECT namespace, count(*), sum(length(key) + length(value)) AS bytes FROM items \
                 WHERE deleted_at IS NULL GROUP BY namespace ORDER BY bytes DESC, namespace LIMIT ?1",
    faults: &[
        Fault {
            name: "no_version_counter",
            what: "the counter of versions is missing",
            sql: "SELECT count(*) <> 1 FROM versions",
        },
        Fault {
            name: "versions_beyond_the_counter",
            what: "items whose version was not given out: the next writes would reuse it",
            sql: "SELECT count(*) FROM items WHERE version < 1 OR version > (SELECT last FROM versions)",
        },
        Fault {
            name: "tombstones_with_content",
            what: "tombstones with a value, an expiry time, or without a token",
            sql: "SELECT count(*) FROM items WHERE deleted_at IS NOT NULL \
                  AND (length(value) > 0 OR expires_at IS NOT NULL OR token < 1)",
        },
    ],
};
