//! The options of a Postgres database: connection, timeouts and queue limits.

use std::fmt;
use std::time::Duration;

use prism_contract::keyvalue::row::DEFAULT_RETENTION;

/// The options of [`Postgres::open`](crate::Postgres::open). All but the URL have defaults.
#[derive(Clone, PartialEq, Eq)]
pub struct Options {
    /// `postgres://user:password@host:port/database?parameters`. Missing parts are taken as by libpq: from the variables
    /// `PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE`, `PGPASSWORD`, `PGSSLMODE`, `PGSSLROOTCERT` and the like, and the
    /// password from `~/.pgpass`. `Debug` hides it.
    pub url: String,
    /// The password, if it is separate from the URL. `Debug` hides it.
    pub password: Option<String>,
    /// Number of read connections, in addition to two for batched reads; at least 1. Default: 8.
    pub readers: usize,
    /// Number of write connections, each of which commits a batch; at least 1. Default: 2.
    pub writers: usize,
    /// Maximum reads that wait for a connection; further ones are shed with `RESOURCE_EXHAUSTED`. Default: 4,096.
    pub waiting_reads: usize,
    /// Maximum wait of a read for a connection before it is shed. Default: 2 s.
    pub read_wait: Duration,
    /// Timeout of opening a connection. Default: 3 s.
    pub connect_timeout: Duration,
    /// Timeout of a statement, enforced by Postgres, from 1 ms to 24 days. Default: 4 s.
    pub statement_timeout: Duration,
    /// Lock timeout of a statement, enforced by Postgres, from 1 ms to 24 days. Default: 2 s.
    pub lock_timeout: Duration,
    /// Retention of the token of a deleted or expired key (TOK-4). All gateways on a database should agree. Default: 24 h.
    pub retention: Duration,
    /// Maximum queued writes; further ones are shed with `RESOURCE_EXHAUSTED`; at least 1. Default: 4,096.
    pub queue_length: usize,
    /// Maximum bytes of keys, values and content types of queued writes; further writes are shed. At least 1. Default: 64
    /// MiB.
    pub queue_bytes: u32,
    /// Maximum writes in one transaction; at least 1. Default: 256.
    pub max_batch: usize,
}

impl Options {
    /// The defaults for the database at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            password: None,
            readers: 8,
            writers: 2,
            waiting_reads: 4_096,
            // All below a method's 5 s, so that a failing database yields UNAVAILABLE and not DEADLINE_EXCEEDED.
            read_wait: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(4),
            lock_timeout: Duration::from_secs(2),
            retention: DEFAULT_RETENTION,
            queue_length: 4_096,
            queue_bytes: 64 << 20,
            max_batch: 256,
        }
    }

    /// The first invalid option, if any: its name, and what is allowed.
    pub(in crate::postgres) fn fault(&self) -> Option<(&'static str, &'static str)> {
        let positive = "1 or more is allowed";
        let timeout = |time: Duration| i32::try_from(time.as_millis()).is_ok_and(|millis| millis > 0);
        let span = "1 ms to 24 days are allowed";
        [
            ("readers", self.readers > 0, positive),
            ("writers", self.writers > 0, positive),
            ("queue_length", self.queue_length > 0, positive),
            ("queue_bytes", self.queue_bytes > 0, positive),
            ("max_batch", self.max_batch > 0, positive),
            ("connect_timeout", timeout(self.connect_timeout), span),
            ("statement_timeout", timeout(self.statement_timeout), span),
            ("lock_timeout", timeout(self.lock_timeout), span),
        ]
        .into_iter()
        .find_map(|(option, valid, allowed)| (!valid).then_some((option, allowed)))
    }
}

impl fmt::Debug for Options {
    /// Everything but the URL and the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("readers", &self.readers)
            .field("writers", &self.writers)
            .field("waiting_reads", &self.waiting_reads)
            .field("read_wait", &self.read_wait)
            .field("connect_timeout", &self.connect_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("lock_timeout", &self.lock_timeout)
            .field("retention", &self.retention)
            .field("queue_length", &self.queue_length)
            .field("queue_bytes", &self.queue_bytes)
            .field("max_batch", &self.max_batch)
            .finish_non_exhaustive()
    }
}
