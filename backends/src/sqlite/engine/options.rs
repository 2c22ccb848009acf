//! How a SQLite file is opened and how much may wait in front of it.

use std::path::PathBuf;
use std::time::Duration;

use prism_contract::keyvalue::row::DEFAULT_RETENTION;

/// What [`Sqlite::open`](super::Sqlite::open) needs to know. Everything but the path has a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The database file. It is made if there is none; its directory must exist.
    pub path: PathBuf,
    /// How many connections read at the same time, each with its own thread, beside two for batched reads of small Gets that
    /// together; at least 1. Default: 4.
    pub readers: usize,
    /// How many reads may wait for a connection; one more is shed with `RESOURCE_EXHAUSTED`. Default: 4,096.
    pub waiting_reads: usize,
    /// How long a read waits for a connection before it is shed. Default: 2 s.
    pub read_wait: Duration,
    /// How long to wait for a lock that another process holds before the database counts as away, in whole milliseconds.
    /// Default: 2 s.
    pub busy_timeout: Duration,
    /// How long a deleted or expired key's token is remembered (TOK-4). Default: 24 h.
    pub retention: Duration,
    /// How many writes may wait; one more is shed with `RESOURCE_EXHAUSTED`; at least 1. Default: 4,096.
    pub queue_length: usize,
    /// How many bytes of keys, values and content types may wait to be written; what goes beyond is shed. At least 1.
    /// Default: 64 MiB.
    pub queue_bytes: u32,
    /// Most writes in one transaction; at least 1. Default: 512.
    pub max_batch: usize,
    /// How long the statements of a Delete by range, prefix or of a whole record may run, while all other writes wait; one that
    /// takes longer is refused ([`Error::DeleteTooLarge`](prism_contract::Error::DeleteTooLarge)), and nothing is
    /// deleted. At least 1 ms. Default: 1 s.
    pub delete_time: Duration,
}

impl Options {
    /// The defaults for the file at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            readers: 4,
            waiting_reads: 4_096,
            // Both end well before a method's 5 s, so that a locked database is answered UNAVAILABLE, and not by a deadline.
            read_wait: Duration::from_secs(2),
            busy_timeout: Duration::from_secs(2),
            retention: DEFAULT_RETENTION,
            queue_length: 4_096,
            queue_bytes: 64 << 20,
            max_batch: 512,
            delete_time: Duration::from_secs(1),
        }
    }

    /// What is wrong with the options, if anything: the option's name, and what is allowed.
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
        .find_map(|(option, wrong, allowed)| wrong.then_some((option, allowed)))
    }
}
