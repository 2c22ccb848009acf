//! The keys of `database` without Kafka's. `url` comes before `type` and `path`, which override it.

use super::{COUNT, DATABASE_FILE, FILE, PERIOD, RETENTION, SIZE, Setting, TIMEOUT, text};
use crate::config::values::{self, DatabaseUrl, database_url, file, masked_url, show_duration, show_size};
use crate::config::{Config, DatabaseKind};

pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        path: "database.url",
        doc: "Connection URL of a Postgres database; it also sets `database.type`. If it contains a password, set it in the \
              environment rather than in a file, or move the password to `database.postgres.password_file`. The variable \
              DATABASE_URL sets it as well; `PRISM_DATABASE_*` variables take precedence over that.",
        allowed: "the address of a database; write postgres://user:password@host/database, with / ? # and @ in the \
                  password as %2F %3F %23 and %40, or sqlite:path without parameters",
        set: set_database_url,
        show: |config| config.database.url.as_deref().map(masked_url),
    },
    Setting {
        path: "database.type",
        doc: "Backend: `sqlite`, `postgres`, `kafka`, which keeps TimeSeries alone, or `memory`, which is for tests: its data is \
              lost when the process ends.",
        allowed: "a kind of database; write sqlite, memory, postgres or kafka",
        set: |config, text| DatabaseKind::read(text).map(|kind| config.database.kind = kind),
        show: |config| Some(config.database.kind.name().to_owned()),
    },
    Setting {
        path: "database.path",
        doc: "File of the SQLite database. It is created if it does not exist; its directory must exist.",
        allowed: DATABASE_FILE,
        set: |config, text| file(text).map(|path| config.database.path = path),
        show: |config| Some(text(&config.database.path)),
    },
    Setting {
        path: "database.tombstone_retention",
        doc: "Time for which an item's highest priority token is kept after the item was deleted or expired (TOK-4). A \
              retry that arrives later may take effect twice.",
        allowed: RETENTION,
        set: |config, text| values::retention(text).map(|time| config.database.tombstone_retention = time),
        show: |config| Some(show_duration(config.database.tombstone_retention)),
    },
    Setting {
        path: "database.sweep_interval",
        doc: "Interval at which expired items, and tombstones past their retention, are removed from the database. They are \
              invisible to reads in any case.",
        allowed: PERIOD,
        set: |config, text| values::period(text).map(|time| config.database.sweep_interval = time),
        show: |config| Some(show_duration(config.database.sweep_interval)),
    },
    Setting {
        path: "database.sqlite.readers",
        doc: "Number of read connections, each with its own thread. Two more are reserved for batched reads of small Gets.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|value| config.database.sqlite.readers = value),
        show: |config| Some(config.database.sqlite.readers.to_string()),
    },
    Setting {
        path: "database.sqlite.waiting_reads",
        doc: "Maximum number of reads that wait for a connection. Further reads are refused with RESOURCE_EXHAUSTED.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|value| config.database.sqlite.waiting_reads = value),
        show: |config| Some(config.database.sqlite.waiting_reads.to_string()),
    },
    Setting {
        path: "database.sqlite.read_wait",
        doc: "Time that a read may wait for a connection before it is refused with RESOURCE_EXHAUSTED.",
        allowed: PERIOD,
        set: |config, text| values::period(text).map(|value| config.database.sqlite.read_wait = value),
        show: |config| Some(show_duration(config.database.sqlite.read_wait)),
    },
    Setting {
        path: "database.sqlite.busy_timeout",
        doc: "Time to wait for a lock held by another process before the call fails with UNAVAILABLE. Whole milliseconds.",
        allowed: TIMEOUT,
        set: |config, text| values::timeout(text).map(|value| config.database.sqlite.busy_timeout = value),
        show: |config| Some(show_duration(config.database.sqlite.busy_timeout)),
    },
    Setting {
        path: "database.sqlite.queue_length",
        doc: "Maximum number of queued writes. Further writes are refused with RESOURCE_EXHAUSTED.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|value| config.database.sqlite.queue_length = value),
        show: |config| Some(config.database.sqlite.queue_length.to_string()),
    },
    Setting {
        path: "database.sqlite.queue_bytes",
        doc: "Maximum size of the queued writes: bytes of keys, values and content types. Further writes are refused with \
              RESOURCE_EXHAUSTED.",
        allowed: SIZE,
        set: |config, text| values::size(text).map(|value| config.database.sqlite.queue_bytes = value),
        show: |config| Some(show_size(config.database.sqlite.queue_bytes)),
    },
    Setting {
        path: "database.sqlite.max_batch",
        doc: "Maximum number of writes in one transaction.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|value| config.database.sqlite.max_batch = value),
        show: |config| Some(config.database.sqlite.max_batch.to_string()),
    },
    Setting {
        path: "database.sqlite.delete_time",
        doc: "Time limit for one Delete by range, by prefix or of a whole record, which blocks all other writes. One that \
              takes longer deletes nothing and fails with DEADLINE_EXCEEDED and the advice to split it into ranges.",
        allowed: PERIOD,
        set: |config, text| values::period(text).map(|value| config.database.sqlite.delete_time = value),
        show: |config| Some(show_duration(config.database.sqlite.delete_time)),
    },
    Setting {
        path: "database.postgres.password_file",
        doc: "File that contains only the password, so that the URL need not. A trailing line break is ignored.",
        allowed: FILE,
        set: |config, text| file(text).map(|path| config.database.password_file = Some(path)),
        show: |config| config.database.password_file.as_deref().map(text),
    },
    Setting {
        path: "database.postgres.readers",
        doc: "Number of read connections. Two more are reserved for batched reads of small Gets, and two more for the health \
              check and for a long Delete. The readers and writers of all gateways together must fit into the Postgres \
              server's `max_connections`.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|value| config.database.postgres.readers = value),
        show: |config| Some(config.database.postgres.readers.to_string()),
    },
    Setting {
        path: "database.postgres.writers",
        doc: "Number of write connections, each of which commits one batch at a time.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|value| config.database.postgres.writers = value),
        show: |config| Some(config.database.postgres.writers.to_string()),
    },
    Setting {
        path: "database.postgres.waiting_reads",
        doc: "Maximum number of reads that wait for a connection. Further reads are refused with RESOURCE_EXHAUSTED.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|value| config.database.postgres.waiting_reads = value),
        show: |config| Some(config.database.postgres.waiting_reads.to_string()),
    },
    Setting {
        path: "database.postgres.read_wait",
        doc: "Time that a read may wait for a connection before it is refused with RESOURCE_EXHAUSTED.",
        allowed: PERIOD,
        set: |config, text| values::period(text).map(|value| config.database.postgres.read_wait = value),
        show: |config| Some(show_duration(config.database.postgres.read_wait)),
    },
    Setting {
        path: "database.postgres.connect_timeout",
        doc: "Time limit for opening a connection, after which the call fails with UNAVAILABLE. Above 5s, the call's own \
              deadline passes first; the same applies to `statement_timeout` and `lock_timeout`.",
        allowed: TIMEOUT,
        set: |config, text| {
            values::timeout(text).map(|value| config.database.postgres.connect_timeout = value)
        },
        show: |config| Some(show_duration(config.database.postgres.connect_timeout)),
    },
    Setting {
        path: "database.postgres.statement_timeout",
        doc: "Time limit after which Postgres cancels a statement. An idle transaction is ended after the same time.",
        allowed: TIMEOUT,
        set: |config, text| {
            values::timeout(text).map(|value| config.database.postgres.statement_timeout = value)
        },
        show: |config| Some(show_duration(config.database.postgres.statement_timeout)),
    },
    Setting {
        path: "database.postgres.lock_timeout",
        doc: "Time that a statement may wait for a lock, held by a write to the same record, before Postgres cancels it.",
        allowed: TIMEOUT,
        set: |config, text| values::timeout(text).map(|value| config.database.postgres.lock_timeout = value),
        show: |config| Some(show_duration(config.database.postgres.lock_timeout)),
    },
    Setting {
        path: "database.postgres.queue_length",
        doc: "Maximum number of queued writes. Further writes are refused with RESOURCE_EXHAUSTED.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|value| config.database.postgres.queue_length = value),
        show: |config| Some(config.database.postgres.queue_length.to_string()),
    },
    Setting {
        path: "database.postgres.queue_bytes",
        doc: "Maximum size of the queued writes: bytes of keys, values and content types. Further writes are refused with \
              RESOURCE_EXHAUSTED.",
        allowed: SIZE,
        set: |config, text| values::size(text).map(|value| config.database.postgres.queue_bytes = value),
        show: |config| Some(show_size(config.database.postgres.queue_bytes)),
    },
    Setting {
        path: "database.postgres.max_batch",
        doc: "Maximum number of writes in one transaction.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|value| config.database.postgres.max_batch = value),
        show: |config| Some(config.database.postgres.max_batch.to_string()),
    },
];

/// The URL's scheme names the backend, so it sets the type as well.
fn set_database_url(config: &mut Config, url: &str) -> Option<()> {
    match database_url(url)? {
        DatabaseUrl::Sqlite(path) => {
            config.database.path = file(path)?;
            config.database.kind = DatabaseKind::Sqlite;
            config.database.url = None;
        }
        DatabaseUrl::Postgres => {
            config.database.kind = DatabaseKind::Postgres;
            config.database.url = Some(url.to_owned());
        }
    }
    Some(())
}
