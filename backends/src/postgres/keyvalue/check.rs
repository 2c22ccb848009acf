//! The statements that check the rows of KeyValue: one scan each, without reading values.

use crate::check::{Checks, Counts, Fault};

/// The checks of KeyValue. Values are stored uncompressed, so that their length is known without reading them.
pub(in crate::postgres) const CHECKS: Checks = Checks {
    name: "keyvalue",
    counts: &[
        Counts {
            names: &["items", "expired", "tombstones", "sweepable", "bytes"],
            sql: "SELECT count(*) FILTER (WHERE deleted_at IS NULL AND (expires_at IS NULL OR expires_at > $1)), \
                  count(*) FILTER (WHERE deleted_at IS NULL AND expires_at <= $1), \
                  count(*) FILTER (WHERE deleted_at IS NOT NULL), \
                  count(*) FILTER (WHERE expires_at <= $1 OR deleted_at <= $2), \
                  coalesce(sum(length(key) + length(value)), 0)::bigint FROM prism_items",
            by_time: true,
        },
        Counts {
            names: &["disk_bytes"],
            sql: "SELECT pg_total_relation_size('prism_items')",
            by_time: false,
        },
    ],
    namespaces: "SELECT namespace, count(*), sum(length(key) + length(value))::bigint AS bytes FROM prism_items \
                 WHERE deleted_at IS NULL GROUP BY namespace ORDER BY bytes DESC, namespace LIMIT $1",
    faults: &[
        Fault {
            name: "versions_beyond_the_counter",
            what: "items whose version was not given out: the next writes would reuse it",
            sql: "SELECT count(*) FROM prism_items WHERE version < 1 \
                  OR version > (SELECT coalesce(pg_sequence_last_value('prism_versions'), 0))",
        },
        Fault {
            name: "tombstones_with_content",
            what: "tombstones with a value, an expiry time, or without a token",
            sql: "SELECT count(*) FROM prism_items WHERE deleted_at IS NOT NULL \
                  AND (length(value) > 0 OR expires_at IS NOT NULL OR token < 1)",
        },
    ],
};

/// Whether a sweep would find a row. Parameters: now, and the latest deletion time of a tombstone past its retention.
pub(in crate::postgres) const IS_SWEEPABLE: &str = "SELECT EXISTS (SELECT FROM prism_items WHERE expires_at IS NOT NULL AND expires_at <= $1) \
     OR EXISTS (SELECT FROM prism_items WHERE deleted_at IS NOT NULL AND deleted_at <= $2)";
