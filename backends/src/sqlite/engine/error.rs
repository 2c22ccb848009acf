//! Maps driver errors to the contract's errors.

use prism_contract::Error;

/// The primary result codes of SQLite that are distinguished here. <https://www.sqlite.org/rescode.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sqlite) enum Code {
    Busy,
    Locked,
    NoMemory,
    ReadOnly,
    /// The statement was interrupted: its time limit had passed, or no caller waited for it.
    Interrupted,
    InputOutput,
    Corrupt,
    Full,
    CannotOpen,
    LockProtocol,
    NotADatabase,
    Other,
}

/// The primary result code of an error reported by SQLite.
pub(in crate::sqlite) fn code(error: &sqlx::Error) -> Option<Code> {
    let code = error.as_database_error()?.code()?.parse::<i32>().ok()?;
    // The low byte is the primary code; the rest is the extended code.
    Some(match code & 0xFF {
        5 => Code::Busy,
        6 => Code::Locked,
        7 => Code::NoMemory,
        8 => Code::ReadOnly,
        9 => Code::Interrupted,
        10 => Code::InputOutput,
        11 => Code::Corrupt,
        13 => Code::Full,
        14 => Code::CannotOpen,
        15 => Code::LockProtocol,
        26 => Code::NotADatabase,
        _ => Code::Other,
    })
}

/// The client's error for a driver error. Failures that may end by themselves or by an operator's action, and left the data
/// unchanged, are UNAVAILABLE: a lock held too long, a disk that is full, failing or gone, a file that became read-only.
/// Corruption and unknown errors are INTERNAL, which clients do not retry. An interrupt here means that no caller waits for
/// the statement; the writer and the batched reads handle interrupts by time limit themselves.
pub(in crate::sqlite) fn translate(error: sqlx::Error) -> Error {
    if let Some(code) = code(&error) {
        return match code {
            Code::Busy
            | Code::Locked
            | Code::NoMemory
            | Code::ReadOnly
            | Code::InputOutput
            | Code::Full
            | Code::CannotOpen
            | Code::LockProtocol => Error::unavailable(error),
            Code::Interrupted => Error::DeadlineExceeded,
            Code::Corrupt | Code::NotADatabase | Code::Other => Error::internal(error),
        };
    }
    match error {
        // The connection is broken; the next request gets a new one.
        sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => Error::unavailable(error),
        // The driver's enum is non-exhaustive: unknown errors are not retried.
        unknown => Error::internal(unknown),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::fmt;

    use prism_contract::Code as Status;
    use sqlx::error::{DatabaseError, ErrorKind};

    use super::*;

    /// A database error with any result code; the driver's type has no public constructor.
    #[derive(Debug)]
    struct Reported(i32);

    impl fmt::Display for Reported {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "code {}", self.0)
        }
    }

    impl std::error::Error for Reported {}

    impl DatabaseError for Reported {
        fn message(&self) -> &'static str {
            "reported"
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.to_string().into())
        }

        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    fn status(code: i32) -> Status {
        translate(sqlx::Error::Database(Box::new(Reported(code)))).code()
    }

    #[test]
    fn an_outage_is_unavailable_with_extended_codes_too() {
        // SQLITE_BUSY, _LOCKED, _NOMEM, _READONLY, _IOERR, _FULL, _CANTOPEN, _PROTOCOL;
        // then SQLITE_BUSY_RECOVERY, SQLITE_IOERR_FSYNC and SQLITE_READONLY_DBMOVED.
        for code in [5, 6, 7, 8, 10, 13, 14, 15, 261, 1_034, 1_032] {
            assert_eq!(status(code), Status::Unavailable, "{code}");
        }
    }

    #[test]
    fn corruption_and_unknown_errors_are_internal() {
        // SQLITE_ERROR, _CORRUPT, _TOOBIG, _CONSTRAINT, _MISMATCH, _MISUSE, _NOTADB; then a code that does not exist.
        for code in [1, 11, 18, 19, 20, 21, 26, 99] {
            assert_eq!(status(code), Status::Internal, "{code}");
        }
        assert_eq!(translate(sqlx::Error::RowNotFound).code(), Status::Internal);
    }
}
