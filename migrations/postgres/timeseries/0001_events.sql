-- Events, and the logs that give them positions in append order. The names are prefixed: the database may be shared with
-- others. What is compared or ordered is bytea, so that no collation or text encoding ever meets it (APP-9).

-- A single row. The incarnation is in every token: after a backup was restored, tokens of the time after the backup must not
-- be continued (TAIL-6). So restoring one ends with:
--     UPDATE prism_ts_store SET incarnation = uuid_send(gen_random_uuid());
CREATE TABLE prism_ts_store (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    incarnation bytea   NOT NULL
);
INSERT INTO prism_ts_store (incarnation) VALUES (uuid_send(gen_random_uuid()));

-- Namespaces are never removed.
CREATE TABLE prism_ts_namespaces (
    id         bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       bytea   NOT NULL UNIQUE,
    partitions integer NOT NULL CHECK (partitions BETWEEN 1 AND 256)  -- fixed: a series' hash modulo this is its partition
);

-- A partition of a namespace: a log. Its row lock is held from before positions are drawn until the commit, so positions
-- become visible in their order: a reader that has seen a position sees no new event at or before it.
CREATE TABLE prism_ts_partitions (
    id       bigint PRIMARY KEY,          -- 256 * namespace + the number of the partition, from 0
    position bigint NOT NULL DEFAULT 0,   -- the last one that was drawn
    swept    bytea  NOT NULL DEFAULT ''   -- the expired events that have left, in the contract's encoding; at most 1 KiB
) WITH (
    -- Updated by every commit: there is room for new versions of the row on its own page, and they touch no index.
    fillfactor = 10
);

-- A series has a row if it has an event; the sweep removes rows without events, under the lock of the partition.
CREATE TABLE prism_ts_series (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace bigint NOT NULL,
    partition bigint NOT NULL,            -- prism_ts_partitions.id
    name      bytea  NOT NULL,
    UNIQUE (namespace, name)
);

-- For the sweep, which visits the series of a partition one after the other.
CREATE INDEX prism_ts_series_by_partition ON prism_ts_series (partition, id);

CREATE TABLE prism_ts_events (
    series       bigint NOT NULL,
    time         bigint NOT NULL,         -- microseconds since 1970-01-01T00:00:00Z
    id           bytea  NOT NULL,
    partition    bigint NOT NULL,
    position     bigint NOT NULL,
    content_type bytea  NOT NULL,
    tags         bytea  NOT NULL,
    payload      bytea  NOT NULL,
    PRIMARY KEY (series, time, id)
);

-- Payloads are opaque, and clients compress them: Postgres does not try to, and a length is known without reading the
-- payload.
ALTER TABLE prism_ts_events ALTER COLUMN payload SET STORAGE EXTERNAL;

-- The logs of a series and of a partition.
CREATE INDEX prism_ts_events_by_series ON prism_ts_events (series, position);
CREATE INDEX prism_ts_events_by_partition ON prism_ts_events (partition, position);
