//! Maps driver errors to the contract's errors.

use std::fmt;
use std::io;

use prism_contract::Error;

/// The outcome of a failed transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) enum TxFailure {
    /// Postgres rolled it back because of another transaction; nothing was written, and an immediate retry may succeed.
    Conflict,
    /// Lock timeout; nothing was written.
    LockTimeout,
    /// The database is unavailable or failing; if the connection broke, it is not known whether the write took effect.
    Unavailable,
    /// Postgres rejected it; nothing was written, and a retry would be rejected again.
    Rejected,
}

/// Classifies a driver error. SQLSTATE classes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
pub(in crate::postgres) fn tx_failure(error: &sqlx::Error) -> TxFailure {
    if let Some(state) = sqlstate(error) {
        return match state.as_str() {
            // serialization_failure, deadlock_detected.
            "40001" | "40P01" => TxFailure::Conflict,
            // lock_not_available: lock_timeout has passed.
            "55P03" => TxFailure::LockTimeout,
            // query_canceled: statement_timeout has passed. read_only_sql_transaction: a standby, or set by an operator.
            // idle_in_transaction_session_timeout. insufficient_privilege. invalid_catalog_name: the database is gone.
            "57014" | "25006" | "25P03" | "42501" | "3D000" => TxFailure::Unavailable,
            _ => match &state[..2] {
                // Connection, authorization, resources (disk, memory, connections), operator intervention, system error.
                "08" | "28" | "53" | "57" | "58" => TxFailure::Unavailable,
                _ => TxFailure::Rejected,
            },
        };
    }
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed | sqlx::Error::PoolClosed => {
            TxFailure::Unavailable
        }
        // The driver's enum is non-exhaustive: unknown errors are not retried.
        _ => TxFailure::Rejected,
    }
}

/// The client's error for a driver error. Failures that may end by themselves or by an operator's action are UNAVAILABLE;
/// rejections, corruption and unknown errors are INTERNAL, which clients do not retry.
pub(in crate::postgres) fn translate(error: sqlx::Error) -> Error {
    match tx_failure(&error) {
        TxFailure::Conflict | TxFailure::LockTimeout | TxFailure::Unavailable => Error::unavailable(error),
        TxFailure::Rejected => Error::internal(error),
    }
}

/// Whether the server is read-only for this session: a standby, or set by an operator (read_only_sql_transaction). Neither
/// this session nor any opened before is used again.
pub(in crate::postgres) fn is_read_only(error: &sqlx::Error) -> bool {
    sqlstate(error).is_some_and(|state| state == "25006") || is_fault(error, SessionFault::ReadOnly)
}

/// Whether Postgres, or a pooler in front of it, is out of connection slots (too_many_connections).
pub(in crate::postgres) fn is_full(error: &sqlx::Error) -> bool {
    sqlstate(error).is_some_and(|state| state == "53300") || is_fault(error, SessionFault::NoSlot)
}

/// Whether a statement exceeded its timeout (query_canceled).
pub(in crate::postgres) fn is_timeout(error: &sqlx::Error) -> bool {
    sqlstate(error).is_some_and(|state| state == "57014")
}

/// Whether the connection is unusable.
pub(in crate::postgres) fn is_broken(error: &sqlx::Error) -> bool {
    match sqlstate(error) {
        // Postgres ends a session after these: shutdown, crash, termination of the session.
        Some(state) => matches!(&state[..2], "08") || (state.starts_with("57P")) || state == "25P03",
        None => true,
    }
}

/// No response within the timeout.
pub(in crate::postgres) fn no_response() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(
        io::ErrorKind::TimedOut,
        "no response from the database within the timeout",
    ))
}

/// The error of opening a session, of which an unintelligible answer is an outage: a proxy or a container's port takes
/// connections while no Postgres is behind it, and closes them or answers itself.
pub(in crate::postgres) fn not_postgres(error: sqlx::Error) -> sqlx::Error {
    match error {
        sqlx::Error::Protocol(_) => sqlx::Error::Io(io::Error::other(error)),
        error => error,
    }
}

/// The server of a new session is read-only.
pub(in crate::postgres) fn read_only_server() -> sqlx::Error {
    SessionFault::ReadOnly.into()
}

/// Postgres was out of connection slots a moment ago.
pub(in crate::postgres) fn no_slot() -> sqlx::Error {
    SessionFault::NoSlot.into()
}

/// Two sessions share a server connection.
pub(in crate::postgres) fn shared_connection() -> sqlx::Error {
    SessionFault::SharedConnection.into()
}

/// A terminated server process still runs.
pub(in crate::postgres) fn still_running() -> sqlx::Error {
    SessionFault::StillRunning.into()
}

/// Faults of a session that are found here, not by the driver or by Postgres. An operator can repair them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SessionFault {
    ReadOnly,
    SharedConnection,
    StillRunning,
    NoSlot,
}

impl fmt::Display for SessionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOnly => "the server is a standby, or default_transaction_read_only is on",
            Self::SharedConnection => {
                "a pooler changes the server connection between transactions; pool_mode=session is needed"
            }
            Self::NoSlot => "Postgres is out of connection slots, and no session became free in time",
            Self::StillRunning => "a cancelled write has not ended yet",
        })
    }
}

impl std::error::Error for SessionFault {}

impl From<SessionFault> for sqlx::Error {
    fn from(fault: SessionFault) -> Self {
        Self::Io(io::Error::other(fault))
    }
}

fn is_fault(error: &sqlx::Error, fault: SessionFault) -> bool {
    let sqlx::Error::Io(error) = error else { return false };
    error.get_ref().and_then(|inner| inner.downcast_ref()) == Some(&fault)
}

/// The SQLSTATE reported by Postgres: five characters.
fn sqlstate(error: &sqlx::Error) -> Option<String> {
    let state = error.as_database_error()?.code()?.into_owned();
    (state.len() == 5 && state.is_ascii()).then_some(state)
}
