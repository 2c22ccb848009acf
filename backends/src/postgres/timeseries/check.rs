//! The statements that check the rows of TimeSeries, without reading payloads.

use crate::check::{Checks, Counts, Fault};

/// The checks of TimeSeries. A series without events is not a fault: the sweep removes it.
pub(in crate::postgres) const CHECKS: Checks = Checks {
    name: "timeseries",
    counts: &[
        Counts {
            names: &["events", "bytes"],
            sql: "SELECT count(*), coalesce(sum(length(payload)), 0)::bigint FROM prism_ts_events",
            by_time: false,
        },
        Counts {
            names: &["series", "series_without_events"],
            sql: "SELECT count(*), count(*) FILTER (WHERE NOT EXISTS \
                  (SELECT FROM prism_ts_events AS e WHERE e.series = s.id)) FROM prism_ts_series AS s",
            by_time: false,
        },
        Counts { names: &["namespaces"], sql: "SELECT count(*) FROM prism_ts_namespaces", by_time: false },
        Counts {
            names: &["disk_bytes"],
            sql: "SELECT (pg_total_relation_size('prism_ts_events') + pg_total_relation_size('prism_ts_series') \
                  + pg_total_relation_size('prism_ts_partitions') + pg_total_relation_size('prism_ts_namespaces'))::bigint",
            by_time: false,
        },
    ],
    namespaces: "SELECT n.name, o.events, o.bytes FROM (SELECT partition / 256 AS id, count(*) AS events, \
                 sum(length(payload))::bigint AS bytes FROM prism_ts_events GROUP BY partition / 256) AS o \
                 JOIN prism_ts_namespaces AS n ON n.id = o.id ORDER BY o.bytes DESC, n.name LIMIT $1",
    faults: &[
        Fault {
            name: "no_incarnation",
            what: "the incarnation of the store is missing",
            sql: "SELECT (count(*) FILTER (WHERE length(incarnation) = 16) <> 1)::integer::bigint FROM prism_ts_store",
        },
        Fault {
            name: "events_without_series",
            what: "events whose series does not exist: they cannot be read",
            sql: "SELECT count(*) FROM prism_ts_events AS e WHERE NOT EXISTS \
                  (SELECT FROM prism_ts_series AS s WHERE s.id = e.series)",
        },
        Fault {
            name: "events_in_another_partition",
            what: "events in the log of another partition than their series",
            sql: "SELECT count(*) FROM prism_ts_events AS e JOIN prism_ts_series AS s ON s.id = e.series \
                  WHERE e.partition <> s.partition",
        },
        Fault {
            name: "events_without_partition",
            what: "events whose partition does not exist",
            sql: "SELECT count(*) FROM prism_ts_events AS e WHERE NOT EXISTS \
                  (SELECT FROM prism_ts_partitions AS p WHERE p.id = e.partition)",
        },
        Fault {
            name: "series_without_partition",
            what: "series whose partition does not exist, or is of another namespace",
            sql: "SELECT count(*) FROM prism_ts_series AS s WHERE s.partition / 256 <> s.namespace OR NOT EXISTS \
                  (SELECT FROM prism_ts_partitions AS p WHERE p.id = s.partition)",
        },
        Fault {
            name: "partitions_without_namespace",
            what: "partitions whose namespace does not exist or has fewer partitions",
            sql: "SELECT count(*) FROM prism_ts_partitions AS p WHERE NOT EXISTS \
                  (SELECT FROM prism_ts_namespaces AS n WHERE n.id = p.id / 256 AND p.id % 256 < n.partitions)",
        },
        Fault {
            name: "positions_beyond_the_end",
            what: "events at a position that was not drawn: the next Appends would use it again",
            sql: "SELECT count(*) FROM prism_ts_events AS e JOIN prism_ts_partitions AS p ON p.id = e.partition \
                  WHERE e.position > p.position OR e.position < 1",
        },
        Fault {
            name: "duplicate_positions",
            what: "positions of a log with several events: a Tail may skip some of them",
            sql: "SELECT count(*) FROM (SELECT FROM prism_ts_events GROUP BY partition, position HAVING count(*) > 1) AS d",
        },
    ],
};
