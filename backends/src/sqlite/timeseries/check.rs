//! The statements that check the rows of TimeSeries, in the order of the indexes, without reading payloads.

use crate::check::{Checks, Counts, Fault};

/// The checks of TimeSeries. A series without events is not a fault: series are never removed.
pub(in crate::sqlite) const CHECKS: Checks = Checks {
    name: "timeseries",
    counts: &[
        Counts {
            names: &["events", "bytes"],
            sql: "SELECT count(*), ifnull(sum(length(payload)), 0) FROM ts_events",
            by_time: false,
        },
        Counts {
            names: &["series", "series_without_events"],
            sql: "SELECT count(*), count(*) FILTER (WHERE NOT EXISTS \
                  (SELECT 1 FROM ts_events AS events WHERE events.series = series.id)) FROM ts_series AS series",
            by_time: false,
        },
        Counts { names: &["namespaces"], sql: "SELECT count(*) FROM ts_namespaces", by_time: false },
    ],
    // By series first, which is the order of the primary key: only one row per series is sorted.
    namespaces: "SELECT namespaces.name, sum(of_series.events), sum(of_series.bytes) AS bytes FROM \
                 (SELECT series, count(*) AS events, sum(length(payload)) AS bytes FROM ts_events GROUP BY series) \
                 AS of_series JOIN ts_series AS series ON series.id = of_series.series \
                 JOIN ts_namespaces AS namespaces ON namespaces.id = series.namespace \
                 GROUP BY namespaces.id ORDER BY bytes DESC, namespaces.name LIMIT ?1",
    faults: &[
        Fault {
            name: "no_incarnation",
            what: "the incarnation of the store is missing",
            sql: "SELECT count(*) FILTER (WHERE length(incarnation) = 16) <> 1 FROM ts_store",
        },
        Fault {
            name: "events_without_series",
            what: "events whose series does not exist: they cannot be read",
            sql: "SELECT ifnull(sum(events), 0) FROM (SELECT series, count(*) AS events FROM ts_events GROUP BY series) \
                  WHERE NOT EXISTS (SELECT 1 FROM ts_series WHERE ts_series.id = series)",
        },
        Fault {
            name: "events_in_another_namespace",
            what: "events in the log of another namespace than their series",
            sql: "SELECT count(*) FROM ts_events AS events JOIN ts_series AS series ON series.id = events.series \
                  WHERE events.namespace <> series.namespace",
        },
        Fault {
            name: "series_without_namespace",
            what: "series whose namespace does not exist",
            sql: "SELECT count(*) FROM ts_series WHERE NOT EXISTS \
                  (SELECT 1 FROM ts_namespaces WHERE ts_namespaces.id = ts_series.namespace)",
        },
        Fault {
            name: "positions_beyond_the_end",
            what: "events at a position that was not drawn: the next Appends would use it again",
            sql: "SELECT count(*) FROM ts_events AS events JOIN ts_namespaces AS namespaces \
                  ON namespaces.id = events.namespace WHERE events.position > namespaces.position OR events.position < 1",
        },
        Fault {
            name: "duplicate_positions",
            what: "positions of a log with several events: a Tail may skip some of them",
            sql: "SELECT count(*) FROM (SELECT 1 FROM ts_events GROUP BY namespace, position HAVING count(*) > 1)",
        },
        Fault {
            name: "invalid_partitions",
            what: "namespaces whose number of partitions is not 1 to 256",
            sql: "SELECT count(*) FROM ts_namespaces WHERE partitions NOT BETWEEN 1 AND 256",
        },
        Fault {
            name: "swept_without_partition",
            what: "records of swept events for a partition that does not exist",
            sql: "SELECT count(*) FROM ts_swept AS swept LEFT JOIN ts_namespaces AS namespaces \
                  ON namespaces.id = swept.namespace WHERE namespaces.id IS NULL \
                  OR swept.partition NOT BETWEEN 0 AND namespaces.partitions - 1",
        },
    ],
};
