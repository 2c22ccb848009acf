//! The statements that write. Rows are passed as arrays, one per column.

/// The namespaces with these names that exist, with their partitions. Parameter: names.
pub(super) const NAMESPACES: &str = "SELECT n.name, n.partitions FROM unnest($1::bytea[]) AS wanted (name) \
     JOIN prism_ts_namespaces AS n ON n.name = wanted.name";

/// Creates namespaces that do not exist, with their partitions. Parameters: names and partitions.
pub(super) const CREATE_NAMESPACES: &str = "WITH made AS (INSERT INTO prism_ts_namespaces (name, partitions) \
     SELECT * FROM unnest($1::bytea[], $2::integer[]) ON CONFLICT (name) DO NOTHING RETURNING id, partitions) \
     INSERT INTO prism_ts_partitions (id) SELECT made.id * 256 + number \
     FROM made CROSS JOIN LATERAL generate_series(0, made.partitions - 1) AS number";

/// Locks partitions until the transaction ends, in the order of their ids, which prevents deadlocks; and draws positions,
/// which are therefore in the order of the commits. Parameters: names of namespaces, their partitions, a partition's number,
/// and how many positions. Returns the 1-based number of the element, namespace, partition, and the position before the
/// first one that was drawn. A namespace that does not exist, or has another number of partitions, is left out.
pub(super) const DRAW: &str = "WITH locked AS MATERIALIZED (SELECT wanted.number, wanted.count, n.id AS namespace, p.id \
     FROM unnest($1::bytea[], $2::integer[], $3::bigint[], $4::bigint[]) WITH ORDINALITY \
     AS wanted (name, partitions, partition, count, number) \
     JOIN prism_ts_namespaces AS n ON n.name = wanted.name AND n.partitions = wanted.partitions \
     JOIN prism_ts_partitions AS p ON p.id = n.id * 256 + wanted.partition ORDER BY p.id FOR UPDATE OF p) \
     UPDATE prism_ts_partitions AS p SET position = p.position + locked.count FROM locked WHERE p.id = locked.id \
     RETURNING locked.number, locked.namespace, p.id, p.position - locked.count";

/// The ids of series. Parameters: namespaces and names. Returns the 1-based number of the element and the id.
pub(super) const SERIES: &str = "SELECT wanted.number, s.id \
     FROM unnest($1::bigint[], $2::bytea[]) WITH ORDINALITY AS wanted (namespace, name, number) \
     JOIN prism_ts_series AS s ON s.namespace = wanted.namespace AND s.name = wanted.name";

/// Creates series, in partitions that are locked. Parameters: namespaces, names, partitions.
pub(super) const CREATE_SERIES: &str = "INSERT INTO prism_ts_series (namespace, name, partition) \
     SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[]) ON CONFLICT (namespace, name) DO NOTHING";

/// The events with these identities that are there. Parameters: series, times, ids. Returns the 1-based number of the element,
/// and the event's position and partition.
pub(super) const LOOK_UP: &str = "SELECT wanted.number, e.partition, e.position \
     FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) WITH ORDINALITY AS wanted (series, time, id, number) \
     JOIN prism_ts_events AS e ON e.series = wanted.series AND e.time = wanted.time AND e.id = wanted.id";

/// Writes events that are not there. Parameters: arrays, in the order of the columns.
pub(super) const INSERT: &str = "INSERT INTO prism_ts_events (series, time, id, partition, position, content_type, tags, payload) \
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bytea[], $8::bytea[]) \
     ON CONFLICT (series, time, id) DO NOTHING";

/// Removes events. Parameters: series, times and ids. Returns the partition, position and time of each that was there.
pub(super) const REMOVE: &str = "DELETE FROM prism_ts_events AS e USING unnest($1::bigint[], $2::bigint[], $3::bytea[]) \
     AS gone (series, time, id) WHERE e.series = gone.series AND e.time = gone.time AND e.id = gone.id \
     RETURNING e.partition, e.position, e.time";

/// Locks partitions, and returns which events have left them. Parameter: ids.
pub(super) const LOCK_SWEPT: &str = "SELECT p.id, p.swept FROM unnest($1::bigint[]) AS wanted (id) \
     JOIN prism_ts_partitions AS p ON p.id = wanted.id ORDER BY p.id FOR UPDATE OF p";

/// Records which events have left partitions that are locked. Parameters: ids, and events in the contract's encoding.
pub(super) const SET_SWEPT: &str = "UPDATE prism_ts_partitions AS p SET swept = left_events.swept \
     FROM unnest($1::bigint[], $2::bytea[]) AS left_events (id, swept) WHERE p.id = left_events.id";
