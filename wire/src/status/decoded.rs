//! A status and its details, decoded by a client.

use std::fmt;
use std::time::Duration;

use prism_contract::FieldViolation;
use prism_proto::common::{FailedPrecondition, FailedPreconditions};
use prost::Message;
use tonic::{Code, Status};
use tonic_types::pb;

use super::code_name;
use super::details::TYPED;

/// A violation of `google.rpc.PreconditionFailure`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreconditionViolation {
    /// The kind: `VERSION` for a precondition, `OVERFLOW` for the last violation of a list that is not complete.
    pub kind: String,
    /// The subject: for a precondition the key, escaped to printable ASCII; for an overflow `...`.
    pub subject: String,
    /// For a precondition `current version N`; for an overflow `N more violations are not listed`.
    pub description: String,
}

/// A status and its details in plain types.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The status' code.
    pub code: Code,
    /// The status' message.
    pub message: String,
    /// The reason of its ErrorInfo; empty if there was none.
    pub reason: String,
    /// The domain of its ErrorInfo; empty if there was none.
    pub domain: String,
    /// From a BadRequest.
    pub violations: Vec<FieldViolation>,
    /// From a PreconditionFailure.
    pub precondition_violations: Vec<PreconditionViolation>,
    /// From a `prism.common.FailedPreconditions`.
    pub failed_preconditions: Vec<FailedPrecondition>,
    /// From a RetryInfo.
    pub retry_after: Option<Duration>,
    /// Types of other details, and of those that could not be decoded.
    pub other: Vec<String>,
}

impl Decoded {
    /// Decodes `status`. Never fails: details that cannot be decoded are listed in `other`.
    pub fn from_status(status: &Status) -> Self {
        let mut decoded = Self::new(status.code(), status.message());
        if status.details().is_empty() {
            return decoded;
        }
        match pb::Status::decode(status.details()) {
            Ok(details) => {
                for detail in details.details {
                    let name = detail.type_url.rsplit('/').next().unwrap_or_default();
                    if decoded.detail(name, &detail.value).is_none() {
                        decoded.other.push(detail.type_url);
                    }
                }
            }
            Err(_) => decoded.other.push("google.rpc.Status".to_owned()),
        }
        decoded
    }

    fn new(code: Code, message: &str) -> Self {
        Self {
            code,
            message: message.to_owned(),
            reason: String::new(),
            domain: String::new(),
            violations: Vec::new(),
            precondition_violations: Vec::new(),
            failed_preconditions: Vec::new(),
            retry_after: None,
            other: Vec::new(),
        }
    }

    /// Decodes one detail; `None` if it is unknown or cannot be decoded.
    fn detail(&mut self, name: &str, value: &[u8]) -> Option<()> {
        match name {
            "google.rpc.ErrorInfo" => {
                let info = pb::ErrorInfo::decode(value).ok()?;
                (self.reason, self.domain) = (info.reason, info.domain);
            }
            "google.rpc.BadRequest" => {
                let violations = pb::BadRequest::decode(value).ok()?.field_violations.into_iter();
                self.violations.extend(violations.map(|violation| FieldViolation {
                    field: violation.field,
                    description: violation.description,
                }));
            }
            "google.rpc.PreconditionFailure" => {
                let violations = pb::PreconditionFailure::decode(value).ok()?.violations.into_iter();
                self.precondition_violations.extend(violations.map(|violation| PreconditionViolation {
                    kind: violation.r#type,
                    subject: violation.subject,
                    description: violation.description,
                }));
            }
            "google.rpc.RetryInfo" => {
                let delay = pb::RetryInfo::decode(value).ok()?.retry_delay.unwrap_or_default();
                self.retry_after = Some(delay.try_into().ok()?);
            }
            TYPED => {
                self.failed_preconditions.extend(FailedPreconditions::decode(value).ok()?.preconditions);
            }
            _ => return None,
        }
        Some(())
    }
}

impl From<Status> for Decoded {
    fn from(status: Status) -> Self {
        Self::from_status(&status)
    }
}

impl fmt::Display for Decoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", code_name(self.code), self.message)
    }
}

impl std::error::Error for Decoded {}
