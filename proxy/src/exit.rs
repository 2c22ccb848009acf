//! Exit codes of the binary `prism`: one for each kind of failure that a script handles differently.

use std::fmt::Write;
use std::process::ExitCode;

#[cfg(feature = "kafka")]
use prism_backends::kafka;
use prism_backends::{postgres, sqlite};
use prism_contract::Error;
use prism_wire::channel::Fault;
use prism_wire::status::{Decoded, grpc_code};
use tonic::Code;

use crate::backend::OpenError;

/// The kind of a command's end.
///
/// A file named on the command line that cannot be read, or whose content is not allowed as the argument's value, is
/// [`Usage`](Self::Usage), as a wrong value itself is. The one exception is the data file of an import: that it cannot be read
/// is [`Usage`](Self::Usage), but a bad line in it is [`Failed`](Self::Failed), since it says nothing about the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The command did what it says.
    Done = 0,
    /// A failure of no other kind.
    Failed = 1,
    /// The command line, the configuration, an argument or a file that it names is invalid.
    Usage = 2,
    /// The server or its database is unavailable, overloaded, or did not respond in time.
    Unavailable = 3,
    /// An item or a record that was asked for does not exist.
    NotFound = 4,
    /// A precondition does not hold: of the command line, or of the method itself.
    PreconditionFailed = 5,
    /// An item was not written, since it has seen an equal or higher priority token.
    Superseded = 6,
    /// The bearer token is missing or wrong, or does not permit the call.
    NotPermitted = 7,
    /// A database has damage.
    Damaged = 8,
}

impl Exit {
    /// All kinds, in the order of their codes.
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Unavailable,
        Self::NotFound,
        Self::PreconditionFailed,
        Self::Superseded,
        Self::NotPermitted,
        Self::Damaged,
    ];

    /// The process's exit code.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// What the code means, in a few words.
    fn meaning(self) -> &'static str {
        match self {
            Self::Done => "success",
            Self::Failed => "any other failure",
            Self::Usage => "invalid command line, configuration or argument (INVALID_ARGUMENT)",
            Self::Unavailable => "server unavailable, overloaded, or past its deadline: try again",
            Self::NotFound => "no such item or record (get, ls)",
            Self::PreconditionFailed => "a precondition does not hold (--if, --if-version, ns create)",
            Self::Superseded => "not written: an equal or higher priority token was there before (put)",
            Self::NotPermitted => "the credentials are missing, wrong, or do not permit it",
            Self::Damaged => "the database is damaged (check, backup)",
        }
    }

    /// The section of `prism --help` that lists them.
    pub(crate) fn help() -> String {
        let mut text = "Exit codes:".to_owned();
        for exit in Self::ALL {
            write!(text, "\n  {}  {}", exit.code(), exit.meaning()).expect("writing to a String cannot fail");
        }
        text
    }

    /// The kind of a call's failure.
    pub(crate) fn of_status(status: &Decoded) -> Self {
        match status.code {
            Code::Unavailable => Self::of_connection(Fault::read(&status.message)),
            code => Self::of_code(code),
        }
    }

    /// The kind of an error of a database that the command uses directly.
    pub(crate) fn of_error(error: &Error) -> Self {
        Self::of_code(grpc_code(error.code()))
    }

    fn of_code(code: Code) -> Self {
        match code {
            Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted => Self::Unavailable,
            Code::InvalidArgument => Self::Usage,
            Code::NotFound => Self::NotFound,
            Code::FailedPrecondition | Code::AlreadyExists => Self::PreconditionFailed,
            Code::Unauthenticated | Code::PermissionDenied => Self::NotPermitted,
            Code::Ok
            | Code::Cancelled
            | Code::Unknown
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss => Self::Failed,
        }
    }

    /// The kind of a failure to connect.
    pub(crate) fn of_connection(fault: Option<Fault>) -> Self {
        if fault.is_some_and(Fault::is_permanent) { Self::Failed } else { Self::Unavailable }
    }

    /// The kind of a failure to open a database.
    pub(crate) fn of_opening(error: &OpenError) -> Self {
        match error {
            OpenError::Password { .. } | OpenError::MasterKey { .. } | OpenError::Definitions(_) => {
                Self::Usage
            }
            OpenError::KeyUses(error) => Self::of_error(error),
            OpenError::KafkaPassword { .. } | OpenError::NoKafka | OpenError::NoCheck(_) => Self::Usage,
            #[cfg(feature = "kafka")]
            OpenError::Kafka(error) => match error {
                kafka::OpenError::Options(_) | kafka::OpenError::Client(_) => Self::Usage,
                kafka::OpenError::Brokers { why, .. } => Self::of_error(why),
            },
            OpenError::Postgres(error) => match error {
                postgres::OpenError::Option { .. }
                | postgres::OpenError::Url { .. }
                | postgres::OpenError::NoTables { .. } => Self::Usage,
                postgres::OpenError::Unreachable { .. } => Self::Unavailable,
                postgres::OpenError::ReadOnly { .. }
                | postgres::OpenError::Pooled { .. }
                | postgres::OpenError::Newer { .. }
                | postgres::OpenError::Unchecked { .. }
                | postgres::OpenError::Unprepared { .. } => Self::Failed,
            },
            OpenError::Sqlite(error) => Self::of_opening_sqlite(error),
        }
    }

    /// The kind of a failure to open a SQLite file.
    pub(crate) fn of_opening_sqlite(error: &sqlite::OpenError) -> Self {
        match error {
            sqlite::OpenError::Option { .. }
            | sqlite::OpenError::NoDirectory { .. }
            | sqlite::OpenError::NoFile { .. }
            | sqlite::OpenError::NotAFile { .. }
            | sqlite::OpenError::Inaccessible { .. }
            | sqlite::OpenError::NotADatabase { .. }
            | sqlite::OpenError::NotPrism { .. } => Self::Usage,
            sqlite::OpenError::Locked { .. } => Self::Unavailable,
            sqlite::OpenError::ReadOnly { .. }
            | sqlite::OpenError::Newer { .. }
            | sqlite::OpenError::NoLog { .. }
            | sqlite::OpenError::Failed { .. } => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command failed: the kind, and a message for people.
#[derive(Debug)]
pub struct ExitError {
    /// The kind.
    pub exit: Exit,
    /// The message.
    pub message: String,
}

impl ExitError {
    /// A failure of the kind `exit`.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// Invalid arguments or configuration.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A failure of no other kind.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_the_kind_that_tells_what_to_do_next() {
        let exit =
            |code, message: &str| Exit::of_status(&Decoded::from_status(&tonic::Status::new(code, message)));
        assert_eq!(exit(Code::ResourceExhausted, ""), Exit::Unavailable);
        assert_eq!(exit(Code::DeadlineExceeded, ""), Exit::Unavailable);
        assert_eq!(exit(Code::Unavailable, ""), Exit::Unavailable);
        assert_eq!(exit(Code::Unavailable, "invalid peer certificate: UnknownIssuer"), Exit::Failed);
        for lost in [Fault::EndsUnanswered, Fault::EndsHandshake] {
            assert_eq!(exit(Code::Unavailable, &lost.to_string()), Exit::Unavailable, "{lost}");
            assert_eq!(Exit::of_connection(Some(lost)), Exit::Unavailable, "{lost}");
        }
        assert_eq!(exit(Code::Unimplemented, ""), Exit::Failed);
        assert_eq!(exit(Code::Internal, ""), Exit::Failed);
    }

    #[test]
    fn an_error_of_the_database_has_the_kind_of_the_status_that_a_gateway_would_answer() {
        assert_eq!(Exit::of_error(&Error::unavailable("gone")), Exit::Unavailable);
        assert_eq!(Exit::of_error(&Error::ResourceExhausted(std::time::Duration::ZERO)), Exit::Unavailable);
        assert_eq!(Exit::of_error(&Error::DeadlineExceeded), Exit::Unavailable);
        assert_eq!(Exit::of_error(&Error::internal("damaged")), Exit::Failed);
    }

    #[test]
    fn the_help_lists_every_code_once_and_in_order() {
        let help = Exit::help();
        let codes: Vec<_> = help.lines().skip(1).map(|line| line[2..3].parse::<u8>().unwrap()).collect();
        assert_eq!(codes, Exit::ALL.map(Exit::code));
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
