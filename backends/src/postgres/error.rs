//! The one place where the driver's error becomes the contract's.

use std::io;

use prism_contract::keyvalue::Error;

/// What became of a transaction that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Postgres gave it up because of another one's; nothing was written, and the same may succeed at once.
    Collided,
    /// It waited too long for a lock; nothing was written.
    Blocked,
    /// The database is away or in trouble; where the connection broke, nobody knows whether it was written.
    Away,
    /// Postgres refused it; nothing was written, and it would refuse it again.
    Refused,
}

/// What a driver's error says of its transaction. SQLSTATE classes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
pub(super) fn fate(error: &sqlx::Error) -> Fate {
    if let Some(state) = sqlstate(error) {
        return match state.as_str() {
            // serialization_failure, deadlock_detected.
            "40001" | "40P01" => Fate::Collided,
            // lock_not_available: lock_timeout has passed.
            "55P03" => Fate::Blocked,
            // query_canceled: statement_timeout has passed. read_only_sql_transaction: a standby, or set so by an operator.
            // idle_in_transaction_session_timeout. insufficient_privilege. invalid_catalog_name: the database is gone.
            "57014" | "25006" | "25P03" | "42501" | "3D000" => Fate::Away,
            _ => match &state[..2] {
                // Connections, authorization, resources (disk, memory, connections), an operator's hand, the system.
                "08" | "28" | "53" | "57" | "58" => Fate::Away,
                _ => Fate::Refused,
            },
        };
    }
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => Fate::Away,
        // The driver's enum is open: what is not known is not tried again.
        _ => Fate::Refused,
    }
}

/// What a client is told of a driver's error. What may pass by itself or by an operator's hand is an outage; what Postgres
/// refuses, damage and everything unknown is internal, which tells clients not to try again.
pub(super) fn translate(error: sqlx::Error) -> Error {
    match fate(&error) {
        Fate::Collided | Fate::Blocked | Fate::Away => Error::unavailable(error),
        Fate::Refused => Error::internal(error),
    }
}

/// Whether the connection can be used no more.
pub(super) fn is_broken(error: &sqlx::Error) -> bool {
    match sqlstate(error) {
        // Postgres ends a session after these: shutdown, crash, a session that was told to end.
        Some(state) => matches!(&state[..2], "08") || (state.starts_with("57P")) || state == "25P03",
        None => true,
    }
}

/// An answer that did not come.
pub(super) fn silence() -> sqlx::Error {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database does not answer"))
}

/// The SQLSTATE that Postgres itself reported: five characters.
fn sqlstate(error: &sqlx::Error) -> Option<String> {
    let state = error.as_database_error()?.code()?.into_owned();
    (state.len() == 5 && state.is_ascii()).then_some(state)
}
