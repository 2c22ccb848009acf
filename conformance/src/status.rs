//! What a store answers when it does not answer: a status with its details, as a client sees them.

use std::fmt;
use std::time::Duration;

use prism_contract::{Code, Error, FieldViolation, PreconditionFailure};
use serde::{Deserialize, Serialize};

/// Every status of gRPC; a server under test may answer one that the contract does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "gRPC's own names, by gRPC's own meaning")]
pub enum StatusCode {
    Ok,
    Cancelled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
}

impl StatusCode {
    /// All of them; each stands at its gRPC number.
    pub const ALL: [(Self, &'static str); 17] = [
        (Self::Ok, "OK"),
        (Self::Cancelled, "CANCELLED"),
        (Self::Unknown, "UNKNOWN"),
        (Self::InvalidArgument, "INVALID_ARGUMENT"),
        (Self::DeadlineExceeded, "DEADLINE_EXCEEDED"),
        (Self::NotFound, "NOT_FOUND"),
        (Self::AlreadyExists, "ALREADY_EXISTS"),
        (Self::PermissionDenied, "PERMISSION_DENIED"),
        (Self::ResourceExhausted, "RESOURCE_EXHAUSTED"),
        (Self::FailedPrecondition, "FAILED_PRECONDITION"),
        (Self::Aborted, "ABORTED"),
        (Self::OutOfRange, "OUT_OF_RANGE"),
        (Self::Unimplemented, "UNIMPLEMENTED"),
        (Self::Internal, "INTERNAL"),
        (Self::Unavailable, "UNAVAILABLE"),
        (Self::DataLoss, "DATA_LOSS"),
        (Self::Unauthenticated, "UNAUTHENTICATED"),
    ];

    /// The status with this gRPC number; numbers gRPC does not know are UNKNOWN, as gRPC asks.
    pub fn from_number(number: i32) -> Self {
        let known = usize::try_from(number).ok().and_then(|number| Self::ALL.get(number));
        known.map_or(Self::Unknown, |(code, _)| *code)
    }

    /// Its gRPC number.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// Its gRPC name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Code> for StatusCode {
    fn from(code: Code) -> Self {
        match code {
            Code::InvalidArgument => Self::InvalidArgument,
            Code::FailedPrecondition => Self::FailedPrecondition,
            Code::Unauthenticated => Self::Unauthenticated,
            Code::PermissionDenied => Self::PermissionDenied,
            Code::ResourceExhausted => Self::ResourceExhausted,
            Code::Unavailable => Self::Unavailable,
            Code::DeadlineExceeded => Self::DeadlineExceeded,
            Code::Unimplemented => Self::Unimplemented,
            Code::Internal => Self::Internal,
        }
    }
}

/// A status that is not OK, with the details the contract asks for (ERR-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The status.
    pub code: StatusCode,
    /// Its words.
    pub message: String,
    /// The ErrorInfo's reason; `None`: there was no ErrorInfo.
    pub reason: Option<String>,
    /// The ErrorInfo's domain.
    pub domain: Option<String>,
    /// The BadRequest's field violations.
    pub violations: Vec<FieldViolation>,
    /// The preconditions that did not hold.
    pub failed_preconditions: Vec<PreconditionFailure>,
    /// The RetryInfo's delay.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// A status without details.
    pub fn new(code: StatusCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            reason: None,
            domain: None,
            violations: Vec::new(),
            failed_preconditions: Vec::new(),
            retry_after: None,
        }
    }

    /// Whether no server said it: the suite gave up waiting for an answer.
    pub(crate) fn is_silence(&self) -> bool {
        self.code == StatusCode::DeadlineExceeded && self.domain.is_none()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut failure = Self::new(error.code().into(), error.to_string());
        failure.reason = Some(error.reason().to_owned());
        failure.domain = Some("prism".to_owned());
        failure.retry_after = error.retry_after();
        match error {
            Error::InvalidArgument(violations) => failure.violations = violations,
            Error::PreconditionFailed(failures) => failure.failed_preconditions = failures,
            Error::Unauthenticated
            | Error::PermissionDenied(_)
            | Error::ResourceExhausted(_)
            | Error::Unavailable { .. }
            | Error::DeadlineExceeded
            | Error::DeleteTooLarge
            | Error::Unimplemented(_)
            | Error::Internal(_) => {}
        }
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_stands_at_its_grpc_number() {
        for (number, (code, name)) in StatusCode::ALL.into_iter().enumerate() {
            assert_eq!((code as usize, code.name()), (number, name));
            assert_eq!(StatusCode::from_number(code.number()), code);
        }
        assert_eq!(StatusCode::from_number(99), StatusCode::Unknown);
        assert_eq!(StatusCode::from_number(-1), StatusCode::Unknown);
    }
}
