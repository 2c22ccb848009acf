//! Conversion of the contract's errors to gRPC statuses with details, and back (ERR-1).

mod decoded;
mod details;

use prism_contract::{Code, Error, FieldViolation, PreconditionFailure};
use prism_proto::common::{ErrorReason, FailedPrecondition, FailedPreconditions};
use tonic::Status;
use tonic_types::pb;

pub use self::decoded::{Decoded, PreconditionViolation};
use self::details::{Details, Item};

/// The type of a violation that stands for a failing key.
const VERSION: &str = "VERSION";

/// The type of the last violation of a list that is not complete. Its subject alone would not tell, since every text is the
/// escaped form of a key.
const OVERFLOW: &str = "OVERFLOW";

/// The domain of every ErrorInfo.
pub const DOMAIN: &str = "prism";

/// The status of `error`, with its details and without its cause (ERR-2).
///
/// The details of a failed precondition name its key in printable ASCII: other bytes are written as `\xNN`, and backslash
/// and quotes are escaped. The key in bytes is added if all details fit into 6 KiB as a header: they are sent in HTTP/2
/// trailers, which clients limit. If not even the list fits, it is truncated, and a last violation, of another type, gives
/// the number of omitted ones.
pub fn status(error: &Error) -> Status {
    let mut details = Details::new(grpc_code(error.code()), error.to_string(), error.reason());
    match error {
        Error::InvalidArgument(violations) => details
            .push_list(violations, field_violation, |listed| pb::BadRequest { field_violations: listed }),
        Error::PreconditionFailed(failures) => {
            let listed_all = details.push_list(failures, precondition_violation, |listed| {
                pb::PreconditionFailure { violations: listed }
            });
            if listed_all {
                details.push_if_it_fits(&typed(failures));
            }
            listed_all
        }
        Error::ResourceExhausted(after) | Error::Unavailable { retry_after: after, .. } => {
            details.push_retry(*after);
            true
        }
        Error::Unauthenticated
        | Error::PermissionDenied(_)
        | Error::NamespaceNotFound
        | Error::WrongAbstraction(_)
        | Error::TokenExpired
        | Error::DeadlineExceeded
        | Error::DeleteTooLarge
        | Error::Unimplemented(_)
        | Error::DataLoss { .. }
        | Error::Internal(_) => true,
    };
    details.into_status()
}

/// The status of a failure that is not one of the contract's errors, since no backend can cause it: a malformed message, an
/// unknown method, a cancelled call.
pub fn framework(code: tonic::Code, reason: ErrorReason, message: impl Into<String>) -> Status {
    let name = reason.as_str_name();
    Details::new(code, message.into(), name.strip_prefix("ERROR_REASON_").unwrap_or(name)).into_status()
}

/// tonic's code for a code of the contract.
pub fn grpc_code(code: Code) -> tonic::Code {
    tonic::Code::from_i32(code.number())
}

/// The gRPC name of a code: `INVALID_ARGUMENT`.
pub fn code_name(code: tonic::Code) -> &'static str {
    Code::from_number(code.into()).name()
}

/// A status of a service other than Prism's, which has no details: the code's name is used as the reason.
pub(crate) fn other_service(code: tonic::Code, message: String) -> Status {
    Details::new(code, message, code_name(code)).into_status()
}

fn field_violation(item: &Item<'_, FieldViolation>) -> pb::bad_request::FieldViolation {
    let FieldViolation { field, description } = match item {
        Item::Listed(violation) => (*violation).clone(),
        Item::More(count) => FieldViolation::unlisted(*count),
    };
    pb::bad_request::FieldViolation { field, description, ..Default::default() }
}

fn precondition_violation(item: &Item<'_, PreconditionFailure>) -> pb::precondition_failure::Violation {
    let (kind, subject, description) = match item {
        Item::Listed(failure) => {
            let description = format!("current version {}", failure.current_version);
            (VERSION, failure.key.escape_ascii().to_string(), description)
        }
        Item::More(count) => {
            let FieldViolation { field, description } = FieldViolation::unlisted(*count);
            (OVERFLOW, field, description)
        }
    };
    pb::precondition_failure::Violation { r#type: kind.to_owned(), subject, description }
}

fn typed(failures: &[PreconditionFailure]) -> FailedPreconditions {
    let preconditions = failures.iter().map(|failure| FailedPrecondition {
        key: failure.key.clone(),
        current_version: failure.current_version,
    });
    FailedPreconditions { preconditions: preconditions.collect() }
}
