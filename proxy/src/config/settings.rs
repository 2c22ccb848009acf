//! Every key there is: its name, what it does, what is allowed, and how it is set and shown. The file, the environment,
//! `check-config`, the example in `fixtures/config/` and the reference in `docs/` all go by this one table. Whoever changes
//! it runs `cargo xtask docs`.

use std::path::{Path, PathBuf};

use super::values::{self, DatabaseUrl, database_url, masked_url, show_duration, show_size};
use super::{AuthMode, Config, DatabaseKind, LogFormat, LogLevel};

/// The key whose value is a list; it has rules of its own.
pub(super) const TOKENS: &str = "auth.tokens";

/// A key with a single value.
pub(super) struct Setting {
    /// Its path: `server.listen`.
    pub(super) path: &'static str,
    /// What it does, in sentences: the words of the example file and of the reference. Names of code stand in backticks.
    pub(super) doc: &'static str,
    /// What its value may be, as the end of "… is not".
    pub(super) allowed: &'static str,
    /// Takes a value over; `None` if it is not allowed.
    pub(super) set: fn(&mut Config, &str) -> Option<()>,
    /// The value it has; `None`: it has none.
    pub(super) show: fn(&Config) -> Option<String>,
}

impl Setting {
    /// The variable that sets it.
    pub(super) fn variable(&self) -> String {
        variable(self.path)
    }
}

/// The paths of all keys.
pub(super) fn all_paths() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|setting| setting.path).chain([TOKENS])
}

/// The variable that sets the key at `path`: `PRISM_` and the path in capitals, its points as underscores.
pub(super) fn variable(path: &str) -> String {
    format!("PRISM_{}", path.to_ascii_uppercase().replace('.', "_"))
}

const DURATION: &str = "a duration; write a whole number and a unit, such as 500ms, 10s, 5m or 24h";
const PERIOD: &str =
    "a duration longer than 0; write a whole number and a unit, such as 500ms, 10s, 5m or 24h";
const TIMEOUT: &str = "a duration longer than 0 and at most 24d, such as 5s";
const SIZE: &str = "a size from 1 byte to 4095MiB; write a whole number and a unit, such as 64MiB or 512KiB";
const BUFFER: &str = "a size from 16MiB to 4095MiB";
const COUNT: &str = "a whole number from 1";
const FILE: &str = "the path of a file";
const DATABASE_FILE: &str =
    "the path of a file; the address of a database goes into database.url or the variable DATABASE_URL";

/// All keys, in the order in which they are shown. `url` stands before `type` and `path`, which have the last word.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        path: "server.listen",
        doc: "Where to listen. Port 0 takes a free one, which the log names. Beyond loopback it takes \
              `auth.tokens`, or `auth.mode` to be insecure; set TLS too.",
        allowed: "an address to listen on; write host:port, such as 127.0.0.1:8980 or [::]:8980",
        set: |config, text| values::address(text).map(|address| config.server.listen = address),
        show: |config| Some(config.server.listen.clone()),
    },
    Setting {
        path: "server.drain_timeout",
        doc: "How long calls and streams in flight may take to end after SIGTERM or Ctrl-C. No connection \
              is accepted meanwhile. Then they are cut; a second signal cuts them at once.",
        allowed: DURATION,
        set: |config, text| values::duration(text).map(|time| config.server.drain_timeout = time),
        show: |config| Some(show_duration(config.server.drain_timeout)),
    },
    Setting {
        path: "server.max_in_flight",
        doc: "Most calls in work. One more is answered RESOURCE_EXHAUSTED at once, with the time to wait \
              before the next try. A namespace, and a caller (a token, or an address without one), has at most four times \
              as many as are free, so that others find some. A call that waits for its client is not in work; four times as \
              many may be open in all.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|count| config.server.max_in_flight = count),
        show: |config| Some(config.server.max_in_flight.to_string()),
    },
    Setting {
        path: "server.max_connections",
        doc: "Most connections. One more waits for `server.handshake_timeout`; one that was idle for 10 s, or never \
              had a call, is closed for it. Each takes a file descriptor, and so do up to 256 that have not begun to \
              speak HTTP/2: raise `ulimit -n` with it.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|count| config.server.max_connections = count),
        show: |config| Some(config.server.max_connections.to_string()),
    },
    Setting {
        path: "server.max_connections_per_peer",
        doc: "Most connections from one address. Without it, half of `server.max_connections`. Set both alike where all \
              clients come through one proxy.",
        allowed: COUNT,
        set: |config, text| {
            values::count(text).map(|count| config.server.max_connections_per_peer = Some(count))
        },
        show: |config| config.server.max_connections_per_peer.map(|count| count.to_string()),
    },
    Setting {
        path: "server.handshake_timeout",
        doc: "How long a new connection may take until it speaks HTTP/2, TLS included. Then it is closed.",
        allowed: PERIOD,
        set: |config, text| values::period(text).map(|time| config.server.handshake_timeout = time),
        show: |config| Some(show_duration(config.server.handshake_timeout)),
    },
    Setting {
        path: "server.max_connection_age",
        doc: "How old a connection may get, and up to a tenth more: its client is then asked to make a new one, so that \
              gateways that were added get their part of the calls. Without it, as old as it likes.",
        allowed: PERIOD,
        set: |config, text| values::period(text).map(|time| config.server.max_connection_age = Some(time)),
        show: |config| config.server.max_connection_age.map(show_duration),
    },
    Setting {
        path: "server.max_connection_age_grace",
        doc: "How long calls on a connection that is too old have to end before they are cut.",
        allowed: DURATION,
        set: |config, text| values::duration(text).map(|time| config.server.max_connection_age_grace = time),
        show: |config| Some(show_duration(config.server.max_connection_age_grace)),
    },
    Setting {
        path: "server.max_buffered_bytes",
        doc: "Most bytes that are held for clients: parts of requests that are not complete, and answers that were made \
              and not taken. A connection that holds a sixteenth of them, or a quarter of what is free, waits before its \
              next read begins; what would go beyond a quarter of all is answered RESOURCE_EXHAUSTED. What is not taken \
              one second after a call's deadline is dropped.",
        allowed: BUFFER,
        set: |config, text| {
            values::size(text)
                .filter(|bytes| *bytes >= 16 << 20)
                .map(|bytes| config.server.max_buffered_bytes = bytes)
        },
        show: |config| Some(show_size(config.server.max_buffered_bytes)),
    },
    Setting {
        path: "server.tls.cert",
        doc: "The server's certificate, followed by those that vouch for it, as PEM. The server speaks TLS \
              if `cert` and `key` are set; it needs both.",
        allowed: FILE,
        set: |config, text| file(text).map(|path| config.server.tls.cert = Some(path)),
        show: |config| config.server.tls.cert.as_deref().map(text),
    },
    Setting {
        path: "server.tls.key",
        doc: "The private key of that certificate, as PEM.",
        allowed: FILE,
        set: |config, text| file(text).map(|path| config.server.tls.key = Some(path)),
        show: |config| config.server.tls.key.as_deref().map(text),
    },
    Setting {
        path: "server.tls.client_ca",
        doc: "Certificate authorities, as PEM. If set, each client must show a certificate of one of them.",
        allowed: FILE,
        set: |config, text| file(text).map(|path| config.server.tls.client_ca = Some(path)),
        show: |config| config.server.tls.client_ca.as_deref().map(text),
    },
    Setting {
        path: "database.url",
        doc: "Where a Postgres database is; it sets `database.type` as well. It may hold a password: then give it \
              by the environment rather than by a file, or put the password into \
              `database.postgres.password_file`. The variable DATABASE_URL says the same, and \
              `PRISM_DATABASE_*` has the last word over it.",
        allowed: "the address of a database; write postgres://user:password@host/database, with / ? # and @ in the \
                  password as %2F %3F %23 and %40, or sqlite:path without parameters",
        set: set_database_url,
        show: |config| config.database.url.as_deref().map(masked_url),
    },
    Setting {
        path: "database.type",
        doc: "Which backend: `sqlite`, `postgres`, or `memory`, which is for tests, since nothing survives \
              the process.",
        allowed: "a kind of database; write sqlite, memory or postgres",
        set: |config, text| DatabaseKind::read(text).map(|kind| config.database.kind = kind),
        show: |config| Some(config.database.kind.name().to_owned()),
    },
    Setting {
        path: "database.path",
        doc: "The file of a SQLite database. It is made if it is not there; its folder must be.",
        allowed: DATABASE_FILE,
        set: |config, text| file(text).map(|path| config.database.path = path),
        show: |config| Some(text(&config.database.path)),
    },
    Setting {
        path: "database.tombstone_retention",
        doc: "How long an item's highest priority token is remembered after the item is gone (TOK-4). A \
              retry that comes later than this may take effect twice.",
        allowed: DURATION,
        set: |config, text| values::duration(text).map(|time| config.database.tombstone_retention = time),
        show: |config| Some(show_duration(config.database.tombstone_retention)),
    },
    Setting {
        path: "database.sweep_interval",
        doc: "How often expired items and forgotten tombstones are dropped from the database. Reads never \
              see them in any case.",
        allowed: PERIOD,
        set: |config, text| values::period(text).map(|time| config.database.sweep_interval = time),
        show: |config| Some(show_duration(config.database.sweep_interval)),
    },
    Setting {
        path: "database.sqlite.readers",
        doc: "Connections that read at the same time, each with its own thread. Two more are reserved for batched reads of small \
              Gets.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|value| config.database.sqlite.readers = value),
        show: |config| Some(config.database.sqlite.readers.to_string()),
    },
    Setting {
        path: "database.sqlite.waiting_reads",
        doc: "Reads that may wait for a connection. One more is answered RESOURCE_EXHAUSTED.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|value| config.database.sqlite.waiting_reads = value),
        show: |config| Some(config.database.sqlite.waiting_reads.to_string()),
    },
    Setting {
        path: "database.sqlite.read_wait",
        doc: "How long a read may wait for a connection before it is answered RESOURCE_EXHAUSTED.",
        allowed: PERIOD,
        set: |config, text| values::period(text).map(|value| config.database.sqlite.read_wait = value),
        show: |config| Some(show_duration(config.database.sqlite.read_wait)),
    },
    Setting {
        path: "database.sqlite.busy_timeout",
        doc: "How long to wait for a lock that another process holds before the database counts as away. \
              Whole milliseconds.",
        allowed: TIMEOUT,
        set: |config, text| values::timeout(text).map(|value| config.database.sqlite.busy_timeout = value),
        show: |config| Some(show_duration(config.database.sqlite.busy_timeout)),
    },
    Setting {
        path: "database.sqlite.queue_length",
        doc: "Writes that may wait. One more is answered RESOURCE_EXHAUSTED.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|value| config.database.sqlite.queue_length = value),
        show: |config| Some(config.database.sqlite.queue_length.to_string()),
    },
    Setting {
        path: "database.sqlite.queue_bytes",
        doc: "Bytes of keys, values and content types that may wait to be written. What goes beyond is \
              answered RESOURCE_EXHAUSTED.",
        allowed: SIZE,
        set: |config, text| values::size(text).map(|value| config.database.sqlite.queue_bytes = value),
        show: |config| Some(show_size(config.database.sqlite.queue_bytes)),
    },
    Setting {
        path: "database.sqlite.max_batch",
        doc: "Most writes in one transaction.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|value| config.database.sqlite.max_batch = value),
        show: |config| Some(config.database.sqlite.max_batch.to_string()),
    },
    Setting {
        path: "database.sqlite.delete_time",
        doc: "How long one Delete by range, prefix or of a whole record may run, while all other writes wait. One that takes \
              longer deletes nothing and is answered DEADLINE_EXCEEDED, with a message that says to split it into ranges.",
        allowed: PERIOD,
        set: |config, text| values::period(text).map(|value| config.database.sqlite.delete_time = value),
        show: |config| Some(show_duration(config.database.sqlite.delete_time)),
    },
    Setting {
        path: "database.postgres.password_file",
        doc: "A file that holds the password and nothing else, so that the URL need not. A line break at \
              its end does not count.",
        allowed: FILE,
        set: |config, text| file(text).map(|path| config.database.password_file = Some(path)),
        show: |config| config.database.password_file.as_deref().map(text),
    },
    Setting {
        path: "database.postgres.readers",
        doc: "Connections that read at the same time. Two more are for batched small Gets, and two more for the health \
              check and for a long Delete. With the writers of all gateways together they must fit into the server's \
              `max_connections`.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|value| config.database.postgres.readers = value),
        show: |config| Some(config.database.postgres.readers.to_string()),
    },
    Setting {
        path: "database.postgres.writers",
        doc: "Connections that write at the same time, a batch each.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|value| config.database.postgres.writers = value),
        show: |config| Some(config.database.postgres.writers.to_string()),
    },
    Setting {
        path: "database.postgres.waiting_reads",
        doc: "Reads that may wait for a connection. One more is answered RESOURCE_EXHAUSTED.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|value| config.database.postgres.waiting_reads = value),
        show: |config| Some(config.database.postgres.waiting_reads.to_string()),
    },
    Setting {
        path: "database.postgres.read_wait",
        doc: "How long a read may wait for a connection before it is answered RESOURCE_EXHAUSTED.",
        allowed: PERIOD,
        set: |config, text| values::period(text).map(|value| config.database.postgres.read_wait = value),
        show: |config| Some(show_duration(config.database.postgres.read_wait)),
    },
    Setting {
        path: "database.postgres.connect_timeout",
        doc: "How long opening a connection may take before the database counts as away. Above 5s a call's \
              own deadline comes first, here and in the next two.",
        allowed: TIMEOUT,
        set: |config, text| {
            values::timeout(text).map(|value| config.database.postgres.connect_timeout = value)
        },
        show: |config| Some(show_duration(config.database.postgres.connect_timeout)),
    },
    Setting {
        path: "database.postgres.statement_timeout",
        doc: "How long a statement may run before the server gives it up. A transaction that rests as long \
              is ended too.",
        allowed: TIMEOUT,
        set: |config, text| {
            values::timeout(text).map(|value| config.database.postgres.statement_timeout = value)
        },
        show: |config| Some(show_duration(config.database.postgres.statement_timeout)),
    },
    Setting {
        path: "database.postgres.lock_timeout",
        doc: "How long a statement may wait for a lock, which a write of the same record holds, before the \
              server gives it up.",
        allowed: TIMEOUT,
        set: |config, text| values::timeout(text).map(|value| config.database.postgres.lock_timeout = value),
        show: |config| Some(show_duration(config.database.postgres.lock_timeout)),
    },
    Setting {
        path: "database.postgres.queue_length",
        doc: "Writes that may wait. One more is answered RESOURCE_EXHAUSTED.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|value| config.database.postgres.queue_length = value),
        show: |config| Some(config.database.postgres.queue_length.to_string()),
    },
    Setting {
        path: "database.postgres.queue_bytes",
        doc: "Bytes of keys, values and content types that may wait to be written. What goes beyond is \
              answered RESOURCE_EXHAUSTED.",
        allowed: SIZE,
        set: |config, text| values::size(text).map(|value| config.database.postgres.queue_bytes = value),
        show: |config| Some(show_size(config.database.postgres.queue_bytes)),
    },
    Setting {
        path: "database.postgres.max_batch",
        doc: "Most writes in one transaction.",
        allowed: COUNT,
        set: |config, text| values::count(text).map(|value| config.database.postgres.max_batch = value),
        show: |config| Some(config.database.postgres.max_batch.to_string()),
    },
    Setting {
        path: "logging.level",
        doc: "How much is logged, each level with those before it: `error` for bugs, `warn` for a database \
              that is away or load that is shed, `info` for a line for each call, start and stop, `debug` \
              for health checks and sweeps too.",
        allowed: "a level; write off, error, warn, info, debug or trace",
        set: |config, text| LogLevel::read(text).map(|level| config.logging.level = level),
        show: |config| Some(config.logging.level.name().to_owned()),
    },
    Setting {
        path: "logging.format",
        doc: "The form of a line on standard error: `text` for people, `json` for an object on each line. \
              Keys, ids and values are never logged.",
        allowed: "a format; write text or json",
        set: |config, text| LogFormat::read(text).map(|format| config.logging.format = format),
        show: |config| Some(config.logging.format.name().to_owned()),
    },
    Setting {
        path: "health.interval",
        doc: "How often the database is asked whether it answers, and how long it may take. \
              `grpc.health.v1` follows it (HEALTH-1).",
        allowed: PERIOD,
        set: |config, text| values::period(text).map(|time| config.health.interval = time),
        show: |config| Some(show_duration(config.health.interval)),
    },
    Setting {
        path: "auth.mode",
        doc: "Whether a caller needs a token. If nothing is written here, it does where `auth.tokens` are given, and \
              where none are the server listens on loopback only. `required` does not start without tokens. `insecure` \
              asks nobody for a token, also where some are given, and lets the server listen anywhere: whoever reaches \
              it may read and write everything.",
        allowed: "a mode; write required or insecure",
        set: |config, text| AuthMode::read(text).map(|mode| config.auth.mode = Some(mode)),
        show: |config| config.auth.mode.map(|mode| mode.name().to_owned()),
    },
];

/// A URL says which backend it is for, so it sets the type as well.
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

/// A path, and nothing that looks like the address of a database or like the content of a file.
fn file(text: &str) -> Option<PathBuf> {
    let is_path =
        !text.trim().is_empty() && !text.contains(char::is_control) && !values::looks_like_an_address(text);
    is_path.then(|| PathBuf::from(text))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_variable_of_its_own() {
        let mut variables: Vec<_> = SETTINGS.iter().map(Setting::variable).collect();
        variables.push(variable(TOKENS));
        assert!(variables.contains(&"PRISM_SERVER_TLS_CLIENT_CA".to_owned()));
        let count = variables.len();
        variables.sort();
        variables.dedup();
        assert_eq!(variables.len(), count);
    }

    #[test]
    fn every_value_that_is_shown_can_be_set_and_changes_nothing() {
        for setting in SETTINGS {
            let mut config = Config::default();
            if let Some(shown) = (setting.show)(&config) {
                (setting.set)(&mut config, &shown).unwrap_or_else(|| panic!("{}: {shown}", setting.path));
                assert_eq!(config, Config::default(), "{}", setting.path);
            }
        }
    }
}
