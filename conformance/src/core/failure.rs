//! A failed call: a status with its details, as a client sees them.

use std::time::Duration;

pub use prism_contract::Code as StatusCode;
use prism_contract::{Error, FieldViolation, PreconditionFailure};

use super::line;

/// Maximum characters of a cause in a transcript.
const MAX_CAUSE: usize = 400;

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
    /// The error's cause and its sources, the outermost first. Only a backend in this process has them: they are never sent
    /// to a client (ERR-2).
    pub causes: Vec<String>,
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
            causes: Vec::new(),
        }
    }

    /// The causes as lines of a transcript.
    pub(crate) fn cause_lines(&self) -> impl Iterator<Item = String> {
        self.causes.iter().map(|cause| format!("caused by: {}", line(cause, MAX_CAUSE)))
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
        failure.causes = error.cause().map(|cause| cause.chain().collect()).unwrap_or_default();
        match error {
            Error::InvalidArgument(violations) => failure.violations = violations,
            Error::PreconditionFailed(failures) => failure.failed_preconditions = failures,
            Error::Unauthenticated
            | Error::PermissionDenied(_)
            | Error::NamespaceNotFound
            | Error::WrongAbstraction(_)
            | Error::TokenExpired
            | Error::ResourceExhausted(_)
            | Error::Unavailable { .. }
            | Error::DeadlineExceeded
            | Error::DeleteTooLarge
            | Error::Unimplemented(_)
            | Error::DataLoss { .. }
            | Error::Internal(_) => {}
        }
        failure
    }
}
