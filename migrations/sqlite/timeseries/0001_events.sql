-- Events, the logs that give them positions in append order, and which tokens expired events have ended.

-- The incarnation is in every token: after a backup was restored, tokens of the time after the backup must not be continued
-- (TAIL-6). `prism backup` does so in the copy; after a copy by another tool:
--     UPDATE ts_store SET incarnation = randomblob(16);
CREATE TABLE ts_store (
    one         INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    incarnation BLOB    NOT NULL
) STRICT;

INSERT INTO ts_store (one, incarnation) VALUES (1, randomblob(16));

-- A namespace is one log. There is one writer at a time, so positions become visible in their order: a reader that has seen
-- one sees no new event at or before it. Namespaces and series are never removed, and what is compared or ordered is a BLOB
-- (APP-9).
CREATE TABLE ts_namespaces (
    id         INTEGER NOT NULL PRIMARY KEY,
    name       BLOB    NOT NULL UNIQUE,
    partitions INTEGER NOT NULL,  -- fixed: a series' hash modulo this is its partition
    position   INTEGER NOT NULL   -- the last one drawn
) STRICT;

CREATE TABLE ts_series (
    id        INTEGER NOT NULL PRIMARY KEY,
    namespace INTEGER NOT NULL,
    name      BLOB    NOT NULL,
    UNIQUE (namespace, name)
) STRICT;

-- The payload comes last: a read that leaves it out does not walk its overflow pages.
CREATE TABLE ts_events (
    series       INTEGER NOT NULL,
    time         INTEGER NOT NULL,  -- microseconds since 1970-01-01T00:00:00Z
    id           BLOB    NOT NULL,
    namespace    INTEGER NOT NULL,
    position     INTEGER NOT NULL,
    content_type TEXT    NOT NULL,
    tags         BLOB    NOT NULL,
    payload      BLOB    NOT NULL,
    PRIMARY KEY (series, time, id)
) STRICT, WITHOUT ROWID;

-- The logs of a series and of a namespace.
CREATE INDEX ts_events_by_series ON ts_events (series, position);
CREATE INDEX ts_events_by_namespace ON ts_events (namespace, position);

-- The expired events that have left a partition, in the contract's encoding; at most 1 KiB.
CREATE TABLE ts_swept (
    namespace INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    events    BLOB    NOT NULL,
    PRIMARY KEY (namespace, partition)
) STRICT, WITHOUT ROWID;
