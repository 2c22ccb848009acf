//! The table of all configuration keys: name, description, allowed values, setter and getter. The file, the environment,
//! `check-config`, the example in `fixtures/config/` and the reference in `docs/` are all driven by it. After a change, run
//! `cargo xtask docs`.

use std::path::Path;

use super::values::{self, DatabaseUrl, database_url, file, masked_url, show_duration, show_size};
use crate::metrics::MAX_NAMESPACES;

use super::{
    AuditFailure, AuditNamespaces, AuditShow, AuditSync, AuthMode, Config, DatabaseKind, LogFormat, LogLevel,
    Undeclared, backends,
};

/// The keys whose values are lists or mappings, each parsed by a module.
pub(super) const BACKENDS: &str = "backends";
pub(super) const RULES: &str = "namespaces.rules";
pub(super) const KEYS: &str = "encryption.keys";
pub(super) const TOKENS: &str = "auth.tokens";
pub(super) const JWT: &str = "auth.jwt";
pub(super) const GRANTS: &str = "auth.grants";

/// A key with a single value.
pub(super) struct Setting {
    /// Dotted path: `server.listen`.
    pub(super) path: &'static str,
    /// Description in full sentences, used in the example file and in the reference. Code names are in backticks.
    pub(super) doc: &'static str,
    /// Allowed values, phrased to complete "… is not".
    pub(super) allowed: &'static str,
    /// Parses and stores a value; `None` if it is not allowed.
    pub(super) set: fn(&mut Config, &str) -> Option<()>,
    /// The current value; `None` if unset.
    pub(super) show: fn(&Config) -> Option<String>,
}

impl Setting {
    /// The environment variable that sets it.
    pub(super) fn variable(&self) -> String {
        variable(self.path)
    }
}

/// The keys whose values are lists or mappings, each with the section behind whose keys it is displayed.
const STRUCTURES: [(&str, &str); 6] = [
    ("database", BACKENDS),
    ("namespaces", RULES),
    ("encryption", KEYS),
    ("auth", TOKENS),
    ("auth", JWT),
    ("auth", GRANTS),
];

/// The paths of the keys whose values are lists or mappings.
pub(super) fn structures() -> impl Iterator<Item = &'static str> {
    STRUCTURES.into_iter().map(|(_, path)| path)
}

/// A key.
pub(super) enum Entry {
    /// With a single value.
    Single(&'static Setting),
    /// With a list or a mapping.
    Structure(&'static str),
}

/// All keys, in display order.
pub(super) fn entries() -> impl Iterator<Item = Entry> {
    let section = |setting: &Setting| setting.path.split('.').next().unwrap_or_default();
    SETTINGS.iter().enumerate().flat_map(move |(at, setting)| {
        let is_last = SETTINGS.get(at + 1).is_none_or(|next| section(next) != section(setting));
        let behind = STRUCTURES.iter().filter(move |(of, _)| is_last && *of == section(setting));
        std::iter::once(Entry::Single(setting)).chain(behind.map(|(_, path)| Entry::Structure(path)))
    })
}

/// The paths of all keys.
pub(super) fn all_paths() -> impl Iterator<Item = &'static str> {
    entries().map(|entry| match entry {
        Entry::Single(setting) => setting.path,
        Entry::Structure(path) => path,
    })
}

/// The keys that a running server takes up. Lists and mappings are taken up too, but for `backends`.
const RELOADED: &[&str] = &[
    "server.tls.cert",
    "server.tls.key",
    "server.tls.client_ca",
    "namespaces.undeclared",
    "encryption.active",
    "audit.namespaces",
    "auth.mode",
];

/// The keys whose values differ and that a running server does not take up. TLS cannot be turned on or off.
pub(super) fn changed_for_restart(one: &Config, other: &Config) -> Vec<&'static str> {
    let has_tls = |config: &Config| config.server.tls.cert.is_some();
    let differ = |setting: &&Setting| (setting.show)(one) != (setting.show)(other);
    let is_reloaded = |setting: &&Setting| {
        RELOADED.contains(&setting.path)
            && (has_tls(one) == has_tls(other) || !setting.path.starts_with("server.tls."))
    };
    let changed = SETTINGS.iter().filter(differ).filter(|setting| !is_reloaded(setting));
    changed.map(|setting| setting.path).collect()
}

/// The environment variable for the key at `path`: `PRISM_` and the path in upper case, dots replaced by underscores.
pub(super) fn variable(path: &str) -> String {
    format!("PRISM_{}", path.to_ascii_uppercase().replace('.', "_"))
}

const DURATION: &str = "a duration; write a whole number and a unit, such as 500ms, 10s, 5m or 24h";
const RETENTION: &str = "a duration of 1m or more, such as 1h, 24h or 7d";
const PERIOD: &str =
    "a duration longer than 0; write a whole number and a unit, such as 500ms, 10s, 5m or 24h";
const TIMEOUT: &str = "a duration longer than 0 and at most 24d, such as 5s";
const SIZE: &str = "a size from 1 byte to 4095MiB; write a whole number and a unit, such as 64MiB or 512KiB";
const BUFFER: &str = "a size from 16MiB to 4095MiB";
const COUNT: &str = "a whole number from 1";
const FILE: &str = "the path of a file";
const DATABASE_FILE: &str =
    "the path of a file; the address of a database goes into database.url or the variable DATABASE_URL";

/// All keys, in display order. `url` comes before `type` and `path`, which override it.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        path: "server.listen",
        doc: "Listen address. Port 0 picks a free port, which is logged. An address other than loopback requires \
              `auth.tokens` or `auth.grants`, or `auth.mode: insecure`; use TLS there as well.",
        allowed: "an address to listen on; write host:port, such as 127.0.0.1:8980 or [::]:8980",
        set: |config, text| values::address(text).map(|address| config.server.listen = address),
        show: |config| Some(config.server.listen.clone()),
    },
    Setting {
        path: "server.drain_timeout",
        doc: "Time that calls and streams in flight have to finish after SIGTERM or Ctrl-C, while no new connection is \
              accepted. Remaining ones are then aborted; a second signal aborts them at once.",
        allowed: DURATION,
        set: |config, text| values::duration(text).map(|time| config.server.limits.drain_timeout = time),
        show: |config| Some(show_duration(config.server.limits.drain_timeout)),
    },
    Setting {
        path: "server.max_in_flight",
        doc: "Maximum number of calls being executed. Further calls are refused with RESOURCE_EXHAUSTED at once, with the \
              delay before a retry. A namespace, and a caller (a token, or a client address where there are no tokens), may \
              use at most four times the number of free slots, so that some are left for others. A call that waits for its \
              client takes no slot; four times this number may be open in total.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|count| config.server.limits.max_in_flight = count),
        show: |config| Some(config.server.limits.max_in_flight.to_string()),
    },
    Setting {
        path: "server.max_connections",
        doc: "Maximum number of connections. A further one waits up to `server.handshake_timeout`, and a connection that has \
              been idle for 10 s, or 1 s without ever carrying a call, is closed to make room. Each takes a file descriptor, \
              as do up to 256 connections in their handshake: raise `ulimit -n` accordingly.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|count| config.server.limits.max_connections = count),
        show: |config| Some(config.server.limits.max_connections.to_string()),
    },
    Setting {
        path: "server.max_connections_per_peer",
        doc: "Maximum number of connections from one client address. If unset, half of `server.max_connections`. Set both to \
              the same value if all clients connect through one proxy.",
        allowed: COUNT,
        set: |config, text| {
            values::count(text).map(|count| config.server.limits.max_connections_per_peer = Some(count))
        },
        show: |config| config.server.limits.max_connections_per_peer.map(|count| count.to_string()),
    },
    Setting {
        path: "server.handshake_timeout",
        doc: "Time limit for the TLS handshake and the HTTP/2 preface of a new connection, after which it is closed.",
        allowed: PERIOD,
        set: |config, text| values::period(text).map(|time| config.server.limits.handshake_timeout = time),
        show: |config| Some(show_duration(config.server.limits.handshake_timeout)),
    },
    Setting {
        path: "server.max_connection_age",
        doc: "Maximum age of a connection, plus a random 0 to 10 %: the client is then asked to reconnect, so that newly \
              added gateways get their share of the calls. If unset, there is no limit.",
        allowed: PERIOD,
        set: |config, text| {
            values::period(text).map(|time| config.server.limits.max_connection_age = Some(time))
        },
        show: |config| config.server.limits.max_connection_age.map(show_duration),
    },
    Setting {
        path: "server.max_connection_age_grace",
        doc: "Time that calls on a connection past its maximum age have to finish before they are aborted.",
        allowed: DURATION,
        set: |config, text| {
            values::duration(text).map(|time| config.server.limits.max_connection_age_grace = time)
        },
        show: |config| Some(show_duration(config.server.limits.max_connection_age_grace)),
    },
    Setting {
        path: "server.max_buffered_bytes",
        doc: "Maximum memory for buffering: incomplete requests and responses that clients have not read yet. The next read \
              of a connection that holds a sixteenth of it, or a quarter of what is free, is delayed; beyond a quarter of it, \
              calls are refused with RESOURCE_EXHAUSTED. A response not read one second after its call's deadline is dropped.",
        allowed: BUFFER,
        set: |config, text| {
            values::size(text)
                .filter(|bytes| *bytes >= 16 << 20)
                .map(|bytes| config.server.limits.max_buffered_bytes = bytes)
        },
        show: |config| Some(show_size(config.server.limits.max_buffered_bytes)),
    },
    Setting {
        path: "server.tls.cert",
        doc: "The server's certificate chain in PEM, the server's own certificate first. TLS is enabled by `cert` and `key`, \
              which must be set together.",
        allowed: FILE,
        set: |config, text| file(text).map(|path| config.server.tls.cert = Some(path)),
        show: |config| config.server.tls.cert.as_deref().map(text),
    },
    Setting {
        path: "server.tls.key",
        doc: "The private key of that certificate, in PEM.",
        allowed: FILE,
        set: |config, text| file(text).map(|path| config.server.tls.key = Some(path)),
        show: |config| config.server.tls.key.as_deref().map(text),
    },
    Setting {
        path: "server.tls.client_ca",
        doc: "Certificate authorities in PEM. If set, each client must present a certificate issued by one of them (mTLS). \
              `auth.grants` can name its URIs and DNS names.",
        allowed: FILE,
        set: |config, text| file(text).map(|path| config.server.tls.client_ca = Some(path)),
        show: |config| config.server.tls.client_ca.as_deref().map(text),
    },
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
    Setting {
        path: "database.kafka.brokers",
        doc: "Addresses of brokers, by commas. One that answers suffices: the others are found by it.",
        allowed: "a list of addresses by commas; write host:port for each, such as one:9092,two:9092",
        set: |config, text| values::brokers(text).map(|brokers| config.database.kafka.brokers = brokers),
        show: |config| Some(config.database.kafka.brokers.clone()).filter(|brokers| !brokers.is_empty()),
    },
    Setting {
        path: "database.kafka.topic_prefix",
        doc: "Start of the names of all topics. The topic of a namespace is this and its name, where a byte other than a \
              letter, a digit or `-` is `_` and two hexadecimal digits.",
        allowed: "the start of a topic's name; at most 64 of a-z, A-Z, 0-9, '.', '_' and '-' are allowed",
        set: |config, text| values::topic(text, 64).map(|prefix| config.database.kafka.topic_prefix = prefix),
        show: |config| Some(config.database.kafka.topic_prefix.clone()),
    },
    Setting {
        path: "database.kafka.namespaces_topic",
        doc: "Topic with a record for each namespace, which all gateways on the brokers share. If unset, \
              `database.kafka.topic_prefix` and `_namespaces`.",
        allowed: "the name of a topic; at most 249 of a-z, A-Z, 0-9, '.', '_' and '-' are allowed",
        set: |config, text| {
            values::topic(text, 249).map(|name| config.database.kafka.namespaces_topic = name)
        },
        show: |config| Some(config.database.kafka.namespaces_topic.clone()).filter(|name| !name.is_empty()),
    },
    Setting {
        path: "database.kafka.create_topics",
        doc: "Whether topics are made, and their retention follows the policy. If not, the topic of a namespace has to be there \
              before its first Append, with as many partitions as its policy says.",
        allowed: "true or false",
        set: |config, text| values::boolean(text).map(|flag| config.database.kafka.create_topics = flag),
        show: |config| Some(config.database.kafka.create_topics.to_string()),
    },
    Setting {
        path: "database.kafka.replication",
        doc: "Copies of each partition of the topics that are made. 0: as the brokers are configured.",
        allowed: "a whole number from 0 to 32767",
        set: |config, text| {
            let count = text.parse::<u32>().ok().filter(|count| *count <= 32_767);
            count.map(|count| config.database.kafka.replication = count)
        },
        show: |config| Some(config.database.kafka.replication.to_string()),
    },
    Setting {
        path: "database.kafka.compression",
        doc: "Compression of the batches of events: `none`, `gzip`, `snappy`, `lz4`, or `zstd`, which needs a build with the \
              feature `kafka-zstd`.",
        allowed: "a compression; write none, gzip, snappy, lz4 or zstd",
        set: |config, text| values::compression(text).map(|kind| config.database.kafka.compression = kind),
        show: |config| Some(config.database.kafka.compression.name().to_owned()),
    },
    Setting {
        path: "database.kafka.idempotence",
        doc: "Whether the producer numbers its batches, so that one that is sent again is written once. Without it a batch at a \
              time is sent to each broker, for brokers that do not know the numbers.",
        allowed: "true or false",
        set: |config, text| values::boolean(text).map(|flag| config.database.kafka.idempotence = flag),
        show: |config| Some(config.database.kafka.idempotence.to_string()),
    },
    Setting {
        path: "database.kafka.clock_skew",
        doc: "Maximum difference between the clocks of the gateways. With a greater one, a Query may miss the order of events.",
        allowed: DURATION,
        set: |config, text| values::duration(text).map(|time| config.database.kafka.clock_skew = time),
        show: |config| Some(show_duration(config.database.kafka.clock_skew)),
    },
    Setting {
        path: "database.kafka.request_timeout",
        doc: "Time after which a call fails with UNAVAILABLE if the brokers do not answer.",
        allowed: TIMEOUT,
        set: |config, text| values::timeout(text).map(|time| config.database.kafka.request_timeout = time),
        show: |config| Some(show_duration(config.database.kafka.request_timeout)),
    },
    Setting {
        path: "database.kafka.readers",
        doc: "Maximum number of reads at once, each by a consumer with its connections and threads.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|count| config.database.kafka.readers = count),
        show: |config| Some(config.database.kafka.readers.to_string()),
    },
    Setting {
        path: "database.kafka.queue_bytes",
        doc: "Maximum size of the events that wait for their acknowledgement. Further Appends wait for a second, and are refused \
              with RESOURCE_EXHAUSTED.",
        allowed: SIZE,
        set: |config, text| values::size(text).map(|size| config.database.kafka.queue_bytes = size),
        show: |config| Some(show_size(config.database.kafka.queue_bytes)),
    },
    Setting {
        path: "database.kafka.scan_bytes",
        doc: "Maximum size of the events that a Query holds to put them in order. If the acceptance window has more, it reads \
              them again for a later page.",
        allowed: SIZE,
        set: |config, text| values::size(text).map(|size| config.database.kafka.scan_bytes = size),
        show: |config| Some(show_size(config.database.kafka.scan_bytes)),
    },
    Setting {
        path: "database.kafka.username",
        doc: "User at the brokers, by SASL. Its password is in `database.kafka.password_file`.",
        allowed: "a user's name; a-z, A-Z, 0-9, '.', '_', '+', '=' and '-' are allowed",
        set: |config, text| {
            // Anything else may be a misplaced address with a password, and a name is shown.
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._+=-".contains(c);
            let is_name = !text.is_empty() && text.chars().all(is_allowed);
            is_name.then(|| config.database.kafka.sasl.get_or_insert_default().username = text.to_owned())
        },
        show: |config| config.database.kafka.sasl.as_ref().map(|sasl| sasl.username.clone()),
    },
    Setting {
        path: "database.kafka.password_file",
        doc: "File with the password of `database.kafka.username`. A line break at its end is ignored.",
        allowed: FILE,
        set: |config, text| file(text).map(|path| config.database.kafka_password_file = Some(path)),
        show: |config| config.database.kafka_password_file.as_deref().map(text),
    },
    Setting {
        path: "database.kafka.mechanism",
        doc: "How the password is proved: `PLAIN`, which sends it, so that TLS should be on, `SCRAM-SHA-256` or \
              `SCRAM-SHA-512`. SCRAM needs a build with the feature `kafka-tls`.",
        allowed: "a mechanism; write PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
        set: |config, text| {
            let mechanism = values::mechanism(text)?;
            config.database.kafka.sasl.get_or_insert_default().mechanism = mechanism;
            Some(())
        },
        show: |config| config.database.kafka.sasl.as_ref().map(|sasl| sasl.mechanism.name().to_owned()),
    },
    Setting {
        path: "database.kafka.tls.ca",
        doc: "Certificate authorities of the brokers in PEM. TLS is on if one of the keys of `database.kafka.tls` is set; it \
              needs a build with the feature `kafka-tls`.",
        allowed: FILE,
        set: |config, text| {
            file(text).map(|path| config.database.kafka.tls.get_or_insert_default().ca = Some(path))
        },
        show: |config| config.database.kafka.tls.as_ref()?.ca.as_deref().map(text),
    },
    Setting {
        path: "database.kafka.tls.cert",
        doc: "The gateway's certificate in PEM, for brokers that ask for one. Its key is `database.kafka.tls.key`.",
        allowed: FILE,
        set: |config, text| {
            file(text).map(|path| config.database.kafka.tls.get_or_insert_default().cert = Some(path))
        },
        show: |config| config.database.kafka.tls.as_ref()?.cert.as_deref().map(text),
    },
    Setting {
        path: "database.kafka.tls.key",
        doc: "The private key of that certificate, in PEM.",
        allowed: FILE,
        set: |config, text| {
            file(text).map(|path| config.database.kafka.tls.get_or_insert_default().key = Some(path))
        },
        show: |config| config.database.kafka.tls.as_ref()?.key.as_deref().map(text),
    },
    Setting {
        path: "namespaces.undeclared",
        doc: "Whether namespaces without a rule or a definition of the control plane are served: `allow` serves them by the \
              default backend, `refuse` answers NOT_FOUND to callers that may use them.",
        allowed: "a choice; write allow or refuse",
        set: |config, text| Undeclared::read(text).map(|choice| config.namespaces.undeclared = choice),
        show: |config| Some(config.namespaces.undeclared.name().to_owned()),
    },
    Setting {
        path: "namespaces.default_backend",
        doc: "The backend, by its name in `backends`, of namespaces whose rule names none, or that have no rule. It keeps the \
              definitions of the control plane. If unset, the only backend.",
        allowed: "the name of a backend",
        set: |config, text| {
            backends::is_name(text).then(|| config.namespaces.default_backend = Some(text.to_owned()))
        },
        show: |config| config.namespaces.default_backend.clone(),
    },
    Setting {
        path: "encryption.active",
        doc: "The id of the master key that seals new data. If unset, the only key of `encryption.keys`. Data sealed by the \
              others is read, and `prism rekey` seals it again.",
        allowed: "the id of a master key; 1 to 64 bytes of A-Z, a-z, 0-9, '.', '_' and '-'",
        set: |config, text| {
            (!text.is_empty() && text.len() <= 64).then(|| config.encryption.active = Some(text.to_owned()))
        },
        show: |config| config.encryption.active.clone(),
    },
    Setting {
        path: "logging.level",
        doc: "Log level; each includes the ones before it: `error` for bugs, `warn` for an unavailable database or shed load, \
              `info` for every call, start and stop, `debug` for health checks and sweeps.",
        allowed: "a level; write off, error, warn, info, debug or trace",
        set: |config, text| LogLevel::read(text).map(|level| config.logging.level = level),
        show: |config| Some(config.logging.level.name().to_owned()),
    },
    Setting {
        path: "logging.format",
        doc: "Format of the log on standard error: `text` for humans, `json` for one object per line. Keys, ids and values are \
              never logged.",
        allowed: "a format; write text or json",
        set: |config, text| LogFormat::read(text).map(|format| config.logging.format = format),
        show: |config| Some(config.logging.format.name().to_owned()),
    },
    Setting {
        path: "logging.sample",
        doc: "One of this many successful calls has a line; failed and slow calls always have one. Other than 1, lines of \
              successful calls have the field `sample` with it, so that counts can be restored.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|count| config.logging.calls.sample = count),
        show: |config| Some(config.logging.calls.sample.to_string()),
    },
    Setting {
        path: "logging.slow",
        doc: "A successful unary call that takes longer has a line at WARN that says where the time went: until its request was \
              read and admitted, until its answer was made, and until that was sent. Streams take the time of their clients and \
              are never slow.",
        allowed: PERIOD,
        set: |config, text| values::period(text).map(|time| config.logging.calls.slow = time),
        show: |config| Some(show_duration(config.logging.calls.slow)),
    },
    Setting {
        path: "health.interval",
        doc: "Interval between health checks of the database, and the time limit for each. `grpc.health.v1` reports the \
              result (HEALTH-1).",
        allowed: PERIOD,
        set: |config, text| values::period(text).map(|time| config.health.interval = time),
        show: |config| Some(show_duration(config.health.interval)),
    },
    Setting {
        path: "admin.listen",
        doc: "Listen address of the admin endpoint, which has `/metrics` (OpenMetrics), `/healthz` and `/readyz` over HTTP. \
              It has no authentication, and the metrics name namespaces: let only operators reach it. `off`: none. If another \
              program listens on the default address, the gateway starts without it.",
        allowed: "an address to listen on, or off; write host:port, such as 127.0.0.1:8981 or [::]:8981",
        set: |config, text| values::admin_listen(text).map(|listen| config.admin.listen = listen),
        show: |config| Some(config.admin.listen.address().unwrap_or("off").to_owned()),
    },
    Setting {
        path: "admin.namespaces",
        doc: "Maximum number of namespaces that have metrics under their names: the busiest. All others are counted as `other`.",
        allowed: "a whole number from 0 to 1000",
        set: |config, text| values::up_to(text, MAX_NAMESPACES).map(|most| config.admin.namespaces = most),
        show: |config| Some(config.admin.namespaces.to_string()),
    },
    Setting {
        path: "audit.file",
        doc: "File of the audit log: a line for each call that reads or writes data, allowed or denied. If unset, there is no \
              audit. It is created if it does not exist; its directory must exist, and only one gateway may write it.",
        allowed: FILE,
        set: |config, text| file(text).map(|path| config.audit.file = Some(path)),
        show: |config| config.audit.file.as_deref().map(text),
    },
    Setting {
        path: "audit.namespaces",
        doc: "Which namespaces are audited. `all`: all but those whose rule says `audit: false`. `chosen`: those whose rule, or \
              definition of the control plane, says `audit: true`. If unset, `chosen` if any rule has the key `audit`, \
              otherwise `all`.",
        allowed: "a choice; write all or chosen",
        set: |config, text| AuditNamespaces::read(text).map(|choice| config.audit.namespaces = Some(choice)),
        show: |config| config.audit.namespaces.map(|choice| choice.name().to_owned()),
    },
    Setting {
        path: "audit.on_failure",
        doc: "What happens to an audited call whose line cannot be written, as on a full disk. `refuse`: it fails with \
              UNAVAILABLE, and calls are refused before they are executed until a line is written again. `continue`: it is \
              answered, and the lost line is counted and logged.",
        allowed: "an action; write refuse or continue",
        set: |config, text| AuditFailure::read(text).map(|action| config.audit.on_failure = action),
        show: |config| Some(config.audit.on_failure.name().to_owned()),
    },
    Setting {
        path: "audit.sync",
        doc: "When lines are on disk. `none`: when the operating system writes them, so lines of the last seconds may be lost \
              if the machine fails, though not if only the gateway does. `batch`: before the calls are answered, at the cost of \
              a disk flush for each group of concurrent calls.",
        allowed: "a policy; write none or batch",
        set: |config, text| AuditSync::read(text).map(|sync| config.audit.sync = sync),
        show: |config| Some(config.audit.sync.name().to_owned()),
    },
    Setting {
        path: "audit.rotate",
        doc: "Size from which the file is renamed to its name and the time, and a new one is started.",
        allowed: SIZE,
        set: |config, text| values::size(text).map(|size| config.audit.rotate = size),
        show: |config| Some(show_size(config.audit.rotate)),
    },
    Setting {
        path: "audit.keep",
        doc: "Number of renamed files that are kept. The oldest ones beyond it are deleted: copy them elsewhere before if they \
              must be kept longer.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|count| config.audit.keep = count),
        show: |config| Some(config.audit.keep.to_string()),
    },
    Setting {
        path: "audit.show",
        doc: "How ids and keys appear in the audit log. `hashed`: as a SHA-256 with a salt of the file, so that equal ones can \
              be recognized within a file, and one can be compared with a guess. `plain`: as text.",
        allowed: "a form; write hashed or plain",
        set: |config, text| AuditShow::read(text).map(|show| config.audit.show = show),
        show: |config| Some(config.audit.show.name().to_owned()),
    },
    Setting {
        path: "auth.mode",
        doc: "Whether callers must be known. If unset, they must if `auth.tokens` or `auth.grants` has entries; if neither \
              has, the server only listens on loopback. `required`: the server does not start without entries. `insecure`: \
              neither tokens nor grants are checked, even if some are configured, and the server may listen on any address: \
              every client may read and write everything.",
        allowed: "a mode; write required or insecure",
        set: |config, text| AuthMode::read(text).map(|mode| config.auth.mode = Some(mode)),
        show: |config| config.auth.mode.map(|mode| mode.name().to_owned()),
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

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_distinct_variable() {
        let mut variables: Vec<_> = SETTINGS.iter().map(Setting::variable).collect();
        variables.extend(structures().map(variable));
        assert!(variables.contains(&"PRISM_SERVER_TLS_CLIENT_CA".to_owned()));
        let count = variables.len();
        variables.sort();
        variables.dedup();
        assert_eq!(variables.len(), count);
    }

    #[test]
    fn setting_each_shown_default_changes_nothing() {
        for setting in SETTINGS {
            let mut config = Config::default();
            if let Some(shown) = (setting.show)(&config) {
                (setting.set)(&mut config, &shown).unwrap_or_else(|| panic!("{}: {shown}", setting.path));
                assert_eq!(config, Config::default(), "{}", setting.path);
            }
        }
    }
}
