//! A failed call: a status with its details, as a client sees them.

use std::time::Duration;

pub use prism_contract::Code as StatusCode;
use prism_contract::{Error, FieldViolation, PreconditionFailure};

/// A status other than OK, with the details that the contract requires (ERR-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The status code.
    pub code: StatusCode,
    /// The status message.
    pub message: String,
    /// The ErrorInfo's reason; `None`: there was no ErrorInfo.
    pub reason: Option<String>,
    /// The ErrorInfo's domain.
    pub domain: Option<String>,
    /// The BadRequest's field violations.
    pub violations: Vec<FieldViolation>,
    /// The failed preconditions.
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

    /// Whether the suite's own timeout expired: the status is not from a server.
    pub(crate) fn is_client_timeout(&self) -> bool {
        self.code == StatusCode::DeadlineExceeded && self.domain.is_none()
    }

    /// Whether a failed write may have taken effect.
    pub(crate) fn is_ambiguous(&self) -> bool {
        match self.code {
            StatusCode::FailedPrecondition
            | StatusCode::InvalidArgument
            | StatusCode::NotFound
            | StatusCode::AlreadyExists
            | StatusCode::OutOfRange
            | StatusCode::Unauthenticated
            | StatusCode::PermissionDenied
            | StatusCode::ResourceExhausted
            | StatusCode::Unimplemented => false,
            StatusCode::Ok
            | StatusCode::Cancelled
            | StatusCode::Unknown
            | StatusCode::DeadlineExceeded
            | StatusCode::Aborted
            | StatusCode::Internal
            | StatusCode::Unavailable
            | StatusCode::DataLoss => true,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut failure = Self::new(error.code(), error.to_string());
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
