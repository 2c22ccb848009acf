-- Items and tombstones, and the sequence behind versions. The names are prefixed: the database may be shared with others.

-- One row for every live item, and for every dead one whose token must be remembered (TOK-4). What is compared or ordered
-- is bytea, so that no collation, case folding or text encoding ever meets it (RT-3, RT-4, ORD-1); content_type is bytea
-- because text refuses NUL (RT-5). A key of the primary index is at most 128 + 512 + 1,024 bytes, below the 2,704 that a
-- btree takes.
CREATE TABLE prism_items (
    namespace    bytea   NOT NULL,
    id           bytea   NOT NULL,
    key          bytea   NOT NULL,
    content_type bytea   NOT NULL,
    compression  integer NOT NULL,
    version      bigint  NOT NULL,
    token        bigint  NOT NULL,  -- the highest seen; 0: none
    created_at   bigint  NOT NULL,  -- this and all times: microseconds since 1970-01-01T00:00:00Z
    updated_at   bigint  NOT NULL,
    expires_at   bigint,            -- NULL: never
    deleted_at   bigint,            -- NULL: not deleted; otherwise the row is a tombstone and its value is empty
    value        bytea   NOT NULL,
    PRIMARY KEY (namespace, id, key)
) WITH (
    -- An overwrite finds room on the row's own page, and then touches no index.
    fillfactor = 85,
    -- A table that is mostly overwritten is cleaned before a fifth of it is dead.
    autovacuum_vacuum_scale_factor = 0.05
);

-- Values are opaque, and clients compress them (RT-5): Postgres does not try to, and a length is known without reading
-- the value.
ALTER TABLE prism_items ALTER COLUMN value SET STORAGE EXTERNAL;

-- For the sweep alone. Items that never expire and were not deleted are in neither.
CREATE INDEX prism_items_by_expiry ON prism_items (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX prism_items_by_deletion ON prism_items (deleted_at) WHERE deleted_at IS NOT NULL;

-- Versions of all items (VER-1, VER-2). A number is drawn only under the lock of its record. No CACHE: a session that
-- holds a stock of numbers would give an item a lower version than another session gave it before.
CREATE SEQUENCE prism_versions AS bigint NO CYCLE;
