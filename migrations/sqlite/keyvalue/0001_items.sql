-- Items and tombstones, and the counter behind versions.

-- One row for every live item, and for every dead one whose token must be remembered (TOK-4). What is compared or ordered
-- is a BLOB, so that no collation, case folding or text encoding ever meets it (RT-3, RT-4, ORD-1). The value comes last: a
-- read that leaves it out does not walk its overflow pages.
CREATE TABLE items (
    namespace    BLOB    NOT NULL,
    id           BLOB    NOT NULL,
    key          BLOB    NOT NULL,
    content_type TEXT    NOT NULL,
    compression  INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    token        INTEGER NOT NULL,  -- the highest seen; 0: none
    created_at   INTEGER NOT NULL,  -- this and all times: microseconds since 1970-01-01T00:00:00Z
    updated_at   INTEGER NOT NULL,
    expires_at   INTEGER,           -- NULL: never
    deleted_at   INTEGER,           -- NULL: not deleted; otherwise the row is a tombstone and its value is empty
    value        BLOB    NOT NULL,
    PRIMARY KEY (namespace, id, key)
) STRICT, WITHOUT ROWID;

-- For the sweep alone. Items that never expire and were not deleted are in neither.
CREATE INDEX items_by_expiry ON items (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX items_by_deletion ON items (deleted_at) WHERE deleted_at IS NOT NULL;

-- The last version given to any item. It only grows, whatever is deleted (VER-2).
CREATE TABLE versions (
    one  INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    last INTEGER NOT NULL
) STRICT;

INSERT INTO versions (one, last) VALUES (1, 0);
