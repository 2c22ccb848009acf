//! The limits of a server: what its clients may use of it, and for how long; and which calls it logs.

use std::time::Duration;

/// The limits of a server. The configuration and [`Options`](super::Options) share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Time that calls and streams in flight have to finish after shutdown began.
    pub drain_timeout: Duration,
    /// Maximum calls being executed, shared between namespaces and callers; further ones are refused with
    /// RESOURCE_EXHAUSTED.
    pub max_in_flight: usize,
    /// Maximum connections. A further one waits up to `handshake_timeout`; an idle one is closed for it.
    pub max_connections: usize,
    /// Maximum connections from one address; `None`: half of `max_connections`.
    pub max_connections_per_peer: Option<usize>,
    /// Time limit for the TLS handshake and the HTTP/2 preface.
    pub handshake_timeout: Duration,
    /// Age at which a client is asked to reconnect; `None`: never.
    pub max_connection_age: Option<Duration>,
    /// Time that calls on such a connection have to finish.
    pub max_connection_age_grace: Duration,
    /// Maximum bytes of incomplete requests and unread responses of all connections. Reads of a connection are delayed at a
    /// sixteenth, and refused at a quarter.
    pub max_buffered_bytes: u32,
}

/// Which successful calls have a line in the log. Failed ones always have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoggedCalls {
    /// One of this many, at least 1.
    pub sample: usize,
    /// A unary call that takes longer always has one, at WARN.
    pub slow: Duration,
}

impl Default for LoggedCalls {
    fn default() -> Self {
        Self { sample: 1, slow: Duration::from_secs(1) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            drain_timeout: Duration::from_secs(10),
            max_in_flight: 4_096,
            // Below the common limit of 1,024 open files per process, with room for the database's own.
            max_connections: 960,
            max_connections_per_peer: None,
            handshake_timeout: Duration::from_secs(5),
            max_connection_age: None,
            max_connection_age_grace: Duration::from_secs(30),
            max_buffered_bytes: 256 << 20,
        }
    }
}
