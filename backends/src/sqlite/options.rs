//! The options of a SQLite file: connections, timeouts and queue limits.

use std::path::PathBuf;
use std::time::Duration;

use prism_contract::keyvalue::row::DEFAULT_RETENTION;

/// The options of [`Sqlite::open`](crate::Sqlite::open). All but the path have defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The database file. It is created if it does not exist; its directory must exist.
    pub path: PathBuf,
    /// Number of read connections, each with its own thread, in addition to two for batched reads; at least 1. Default: 4.
    pub readers: usize,
    /// Maximum reads that wait for a connection; further ones are shed with `RESOURCE_EXHAUSTED`. Default: 4,096.
    pub waiting_reads: usize,
    /// Maximum wait of a read for a connection before it is shed. Default: 2 s.
    pub read_wait: Duration,
    /// Maximum wait for a lock of another process before the database counts as unavailable, in whole milliseconds.
    /// Default: 2 s.
    pub busy_timeout: Duration,
    /// Retention of the token of a deleted or expired key (TOK-4). Default: 24 h.
    pub retention: Duration,
    /// Maximum queued writes; further ones are shed with `RESOURCE_EXHAUSTED`; at least 1. Default: 4,096.
    pub queue_length: usize,
    /// Maximum bytes of keys, values and content types of queued writes; further writes are shed. At least 1. Default: 64
    /// MiB.
    pub queue_bytes: u32,
    /// Maximum writes in one transaction; at least 1. Default: 512.
    pub max_batch: usize,
    /// Time limit of a Delete by range, prefix or of a whole record, while all other writes wait; one that takes longer is
    /// refused ([`Error::DeleteTooLarge`](prism_contract::Error::DeleteTooLarge)), and nothing is deleted. At least 1 ms.
    /// Default: 1 s.
    pub delete_time: Duration,
}

impl Options {
    /// The defaults for the file at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            readers: 4,
            waiting_reads: 4_096,
            // Both well below a method's 5 s, so that a locked database yields UNAVAILABLE and not DEADLINE_EXCEEDED.
            read_wait: Duration::from_secs(2),
            busy_timeout: Duration::from_secs(2),
            retention: DEFAULT_RETENTION,
            queue_length: 4_096,
            queue_bytes: 64 << 20,
            max_batch: 512,
            delete_time: Duration::from_secs(1),
        }
    }

    /// The first invalid option, if any: its name, and what is allowed.
    pub(in crate::sqlite) fn fault(&self) -> Option<(&'static str, &'static str)> {
        let positive = "1 or more is allowed";
        [
            ("readers", self.readers == 0, positive),
            ("queue_length", self.queue_length == 0, positive),
            ("queue_bytes", self.queue_bytes == 0, positive),
            ("max_batch", self.max_batch == 0, positive),
            ("delete_time", self.delete_time < Duration::from_millis(1), "1 ms or more is allowed"),
            (
                "busy_timeout",
                i32::try_from(self.busy_timeout.as_millis()).is_err(),
                "at most 24 days are allowed",
            ),
        ]
        .into_iter()
        .find_map(|(option, invalid, allowed)| invalid.then_some((option, allowed)))
    }
}
