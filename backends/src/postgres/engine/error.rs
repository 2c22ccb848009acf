//! The one place where the driver's error becomes the contract's.

use std::fmt;
use std::io;

use prism_contract::Error;

/// What became of a transaction that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) enum TxFailure {
    /// Postgres gave it up because of another one's; nothing was written, and the same may succeed at once.
    Conflict,
    /// It waited too long for a lock; nothing was written.
    LockTimeout,
    /// The database is away or in trouble; where the connection broke, whether it was written is not known.
    Unavailable,
    /// Postgres refused it; nothing was written, and it would refuse it again.
    Rejected,
}

/// What a driver's error says of its transaction. SQLSTATE classes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
pub(in crate::postgres) fn tx_failure(error: &sqlx::Error) -> TxFailure {
    if let Some(state) = sqlstate(error) {
        return match state.as_str() {
            // serialization_failure, deadlock_detected.
            "40001" | "40P01" => TxFailure::Conflict,
            // lock_not_available: lock_timeout has passed.
            "55P03" => TxFailure::LockTimeout,
            // query_canceled: statement_timeout has passed. read_only_sql_transaction: a standby, or set so by an operator.
            // idle_in_transaction_session_timeout. insufficient_privilege. invalid_catalog_name: the database is gone.
            "57014" | "25006" | "25P03" | "42501" | "3D000" => TxFailure::Unavailable,
            _ => match &state[..2] {
                // Connections, authorization, resources (disk, memory, connections), an operator's hand, the system.
                "08" | "28" | "53" | "57" | "58" => TxFailure::Unavailable,
                _ => TxFailure::Rejected,
            },
        };
    }
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed | sqlx::Error::PoolClosed => {
            TxFailure::Unavailable
        }
        // The driver's enum is open: what is not known is not tried again.
        _ => TxFailure::Rejected,
    }
}

/// The error that a client gets for a driver's error. What may pass by itself or by an operator's hand is an outage; what Postgres
/// refuses, damage and everything unknown is internal, which tells clients not to try again.
pub(in crate::postgres) fn translate(error: sqlx::Error) -> Error {
    match tx_failure(&error) {
        TxFailure::Conflict | TxFailure::LockTimeout | TxFailure::Unavailable => Error::unavailable(error),
        TxFailure::Rejected => Error::internal(error),
    }
}

/// Whether the server takes no writes from this session: a standby, or set so by an operator (read_only_sql_transaction).
/// Neither this session nor any that was opened before is used again.
pub(in crate::postgres) fn is_read_only(error: &sqlx::Error) -> bool {
    sqlstate(error).is_some_and(|state| state == "25006") || is_ours(error, OurFault::TakesNoWrites)
}

/// Whether Postgres, or a pooler before it, lets no more connections in (too_many_connections).
pub(in crate::postgres) fn is_full(error: &sqlx::Error) -> bool {
    sqlstate(error).is_some_and(|state| state == "53300") || is_ours(error, OurFault::NoSlot)
}

/// Whether a statement took longer than it may (query_canceled).
pub(in crate::postgres) fn is_timeout(error: &sqlx::Error) -> bool {
    sqlstate(error).is_some_and(|state| state == "57014")
}

/// Whether the connection can be used no more.
pub(in crate::postgres) fn is_broken(error: &sqlx::Error) -> bool {
    match sqlstate(error) {
        // Postgres ends a session after these: shutdown, crash, a session that was told to end.
        Some(state) => matches!(&state[..2], "08") || (state.starts_with("57P")) || state == "25P03",
        None => true,
    }
}

/// An answer that did not come.
pub(in crate::postgres) fn silence() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database does not answer"))
}

/// A session was opened with a server that takes no writes.
pub(in crate::postgres) fn takes_no_writes() -> sqlx::Error {
    OurFault::TakesNoWrites.into()
}

/// Postgres lets no more connections in, as it said a moment ago.
pub(in crate::postgres) fn no_slot() -> sqlx::Error {
    OurFault::NoSlot.into()
}

/// Two sessions have the same server connection.
pub(in crate::postgres) fn shared_connection() -> sqlx::Error {
    OurFault::SharedConnection.into()
}

/// A server process that was told to end still runs.
pub(in crate::postgres) fn still_running() -> sqlx::Error {
    OurFault::StillRunning.into()
}

/// What is found wrong with a session here, and not by the driver or by Postgres. It may pass by an operator's hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OurFault {
    TakesNoWrites,
    SharedConnection,
    StillRunning,
    NoSlot,
}

impl fmt::Display for OurFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TakesNoWrites => "the server is a standby, or default_transaction_read_only is on",
            Self::SharedConnection => {
                "a pooler changes the server connection between transactions; pool_mode=session is needed"
            }
            Self::NoSlot => "Postgres lets no more connections in, and no session came free in time",
            Self::StillRunning => "a write that was given up has not ended yet",
        })
    }
}

impl std::error::Error for OurFault {}

impl From<OurFault> for sqlx::Error {
    fn from(fault: OurFault) -> Self {
        Self::Io(io::Error::other(fault))
    }
}

fn is_ours(error: &sqlx::Error, fault: OurFault) -> bool {
    let sqlx::Error::Io(error) = error else { return false };
    error.get_ref().and_then(|inner| inner.downcast_ref()) == Some(&fault)
}

/// The SQLSTATE that Postgres itself reported: five characters.
fn sqlstate(error: &sqlx::Error) -> Option<String> {
    let state = error.as_database_error()?.code()?.into_owned();
    (state.len() == 5 && state.is_ascii()).then_some(state)
}
