//! A gRPC status as a [`Failure`], and a failure as a status.
//!
//! Decoding is strict: a FAILED_PRECONDITION whose two lists of keys disagree is a malformed response (ERR-1).

use std::error::Error;
use std::time::Duration;

use prism_contract::PreconditionFailure;
use prism_proto::common::{FailedPrecondition, FailedPreconditions};
use prism_wire::status::{Decoded, PreconditionViolation};
use prost::Message;
use prost_types::Any;
use tonic::{Code, Status};
use tonic_types::pb;

use crate::core::{Failure, StatusCode};

/// The subject of the last entry of a truncated list.
const ELLIPSIS: &str = "...";
/// The type of that entry, if the list is of preconditions.
const OVERFLOW: &str = "OVERFLOW";
/// Maximum size of all details in bytes (ERR-1).
const MAX_STATUS_BYTES: usize = 4_608;
/// Maximum size of a list of violations in bytes, without its framing.
const MAX_DETAILS_BYTES: usize = 15 << 8;

/// Decodes the status of a call. Where the server did not speak, or spoke only for its gRPC library, the message says which
/// method was called: it is missing, or the call failed on the way.
pub(super) fn failure_of(path: &str, status: &Status) -> Failure {
    let mut failure = failure(status);
    let missing = failure.code == StatusCode::Unimplemented && failure.reason.is_none();
    if missing || status.source().is_some() || failure.is_client_timeout() {
        failure.message = named(path, &failure.message);
    }
    failure
}

/// A message about a call of this method.
pub(super) fn named(path: &str, message: &str) -> String {
    if message.is_empty() { path.to_owned() } else { format!("{path}: {message}") }
}

/// Decodes a status with all its details.
pub(super) fn failure(status: &Status) -> Failure {
    // tonic reports a deadline that expires on the client as CANCELLED. A status from a server has headers.
    if status.code() == Code::Cancelled && status.metadata().is_empty() && status.details().is_empty() {
        return Failure::new(StatusCode::DeadlineExceeded, "the deadline passed before the server answered");
    }
    let decoded = Decoded::from_status(status);
    let failed = match preconditions(&decoded) {
        Ok(failed) => failed,
        Err(why) => return malformed(format!("{} with details that {why}", name(status.code()))),
    };
    let text = |text: String| (!text.is_empty()).then_some(text);
    Failure {
        code: StatusCode::from_number(status.code().into()),
        message: message(status),
        reason: text(decoded.reason),
        domain: text(decoded.domain),
        violations: decoded.violations,
        failed_preconditions: failed,
        retry_after: decoded.retry_after,
        causes: Vec::new(),
    }
}

/// A response that cannot be decoded.
pub(crate) fn malformed(why: impl std::fmt::Display) -> Failure {
    Failure::new(StatusCode::Unknown, format!("the answer is malformed: {why}"))
}

fn name(code: Code) -> &'static str {
    StatusCode::from_number(code.into()).name()
}

/// The status message; for a status made by the client, also its sources.
fn message(status: &Status) -> String {
    let mut message = status.message().to_owned();
    let mut source = status.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        source = error.source();
    }
    message
}

/// The failed preconditions, which are in two details: a typed one, and the standard one of gRPC. The typed one is optional,
/// since it may not fit in the trailer.
fn preconditions(decoded: &Decoded) -> Result<Vec<PreconditionFailure>, String> {
    // A truncated list ends with an ellipsis; a server may give it the type of a precondition.
    let is_overflow = |violation: &PreconditionViolation| {
        violation.kind == OVERFLOW
            || (violation.subject == ELLIPSIS && violation.description.ends_with("violations are not listed"))
    };
    let listing = decoded.precondition_violations.iter().filter(|violation| !is_overflow(violation));
    let listed = listing.map(listed).collect::<Result<Vec<_>, _>>()?;
    let typed = decoded.failed_preconditions.iter().map(typed).collect::<Result<Vec<_>, _>>()?;
    if typed.is_empty() || typed == listed {
        return Ok(listed);
    }
    Err(format!(
        "disagree: PreconditionFailure has {} violations, FailedPreconditions has {}",
        listed.len(),
        typed.len()
    ))
}

fn listed(violation: &PreconditionViolation) -> Result<PreconditionFailure, String> {
    let PreconditionViolation { kind, subject, description } = violation;
    if kind != "VERSION" {
        return Err(format!("have a precondition violation of type '{kind}' instead of VERSION"));
    }
    let key = unescaped(subject).filter(|key| !key.is_empty());
    let version = description.strip_prefix("current version ").and_then(|text| text.parse().ok());
    match (key, version) {
        (Some(key), Some(current_version)) => Ok(PreconditionFailure { key: key.into(), current_version }),
        (None, _) => Err(format!(
            "have '{subject}' as the subject of a violation; it must be the key as printable ASCII, other bytes as \\xNN"
        )),
        (Some(_), None) => Err(format!("have a description other than 'current version N': '{description}'")),
    }
}

/// Decodes a key in the contract's form: printable ASCII verbatim, `\\`, `\n`, `\r`, `\t`, `\'`, `\"` and `\xNN` otherwise.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let (mut key, mut rest) = (Vec::with_capacity(text.len()), text.bytes());
    while let Some(byte) = rest.next() {
        key.push(match byte {
            b'\\' => match rest.next()? {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'x' => {
                    let digits = [rest.next()?, rest.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
                }
                quoted @ (b'\\' | b'\'' | b'"') => quoted,
                _ => return None,
            },
            literal => literal,
        });
    }
    Some(key)
}

fn typed(failed: &FailedPrecondition) -> Result<PreconditionFailure, String> {
    if failed.key.is_empty() {
        return Err("have an empty key".to_owned());
    }
    Ok(PreconditionFailure { key: failed.key.clone(), current_version: failed.current_version })
}

/// Encodes a failure as a status.
pub(crate) fn status(failure: &Failure) -> Status {
    let detail = |name: &str, value: Vec<u8>| Any { type_url: format!("type.googleapis.com/{name}"), value };
    let (mut details, mut typed) = (Vec::new(), None);
    let mut push = |name: &str, value: Vec<u8>| details.push(detail(name, value));
    if let Some(reason) = &failure.reason {
        let (reason, domain) = (reason.clone(), failure.domain.clone().unwrap_or_default());
        push("google.rpc.ErrorInfo", pb::ErrorInfo { reason, domain, ..Default::default() }.encode_to_vec());
    }
    if !failure.violations.is_empty() {
        let violation = |field: &str, description: String| pb::bad_request::FieldViolation {
            field: field.to_owned(),
            description,
            ..Default::default()
        };
        let all = failure.violations.iter().map(|item| violation(&item.field, item.description.clone()));
        let (listed, _) = fitting(all, |text| violation(ELLIPSIS, text));
        push("google.rpc.BadRequest", pb::BadRequest { field_violations: listed }.encode_to_vec());
    }
    if !failure.failed_preconditions.is_empty() {
        let violation = |kind: &str, subject: String, description: String| {
            pb::precondition_failure::Violation { r#type: kind.to_owned(), subject, description }
        };
        let failed = failure.failed_preconditions.iter();
        let all = failed.clone().map(|failed| {
            let version = format!("current version {}", failed.current_version);
            violation("VERSION", failed.key.escape_ascii().to_string(), version)
        });
        let (listed, whole) = fitting(all, |text| violation(OVERFLOW, ELLIPSIS.to_owned(), text));
        push(
            "google.rpc.PreconditionFailure",
            pb::PreconditionFailure { violations: listed }.encode_to_vec(),
        );
        let preconditions = failed.map(|failed| FailedPrecondition {
            key: failed.key.clone(),
            current_version: failed.current_version,
        });
        let preconditions = FailedPreconditions { preconditions: preconditions.collect() };
        typed = whole.then(|| detail("prism.common.FailedPreconditions", preconditions.encode_to_vec()));
    }
    if let Some(after) = failure.retry_after {
        push("google.rpc.RetryInfo", pb::RetryInfo { retry_delay: Some(duration(after)) }.encode_to_vec());
    }
    let (code, message) = (failure.code.number(), failure.message.clone());
    let mut all = pb::Status { code, message: message.clone(), details };
    if let Some(typed) = typed {
        all.details.push(typed);
        if all.encoded_len() > MAX_STATUS_BYTES {
            all.details.pop();
        }
    }
    Status::with_details(Code::from(code), message, all.encode_to_vec().into())
}

/// The messages that fit into the maximum size, and whether these are all; if not, the last one has the number of the rest.
fn fitting<M: Message>(
    all: impl ExactSizeIterator<Item = M>,
    more: impl FnOnce(String) -> M,
) -> (Vec<M>, bool) {
    let (count, mut used, mut listed) = (all.len(), 0, Vec::new());
    for message in all {
        used += message.encoded_len();
        if used > MAX_DETAILS_BYTES {
            listed.push(more(format!("{} more violations are not listed", count - listed.len())));
            return (listed, false);
        }
        listed.push(message);
    }
    (listed, true)
}

fn duration(span: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(span.subsec_nanos()).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use prism_contract::FieldViolation;

    use super::*;

    #[test]
    fn every_grpc_status_is_decoded_with_its_details() {
        for (code, _) in StatusCode::ALL.into_iter().skip(1) {
            let sent = Failure {
                reason: Some("A_REASON".to_owned()),
                domain: Some("prism".to_owned()),
                violations: vec![FieldViolation {
                    field: "id".to_owned(),
                    description: "is empty".to_owned(),
                }],
                failed_preconditions: vec![
                    PreconditionFailure { key: b"\xff\0".as_slice().into(), current_version: 3 },
                    PreconditionFailure { key: b"a".as_slice().into(), current_version: 0 },
                ],
                retry_after: Some(Duration::from_millis(1_500)),
                ..Failure::new(code, "a message")
            };
            assert_eq!(failure(&status(&sent)), sent);
        }
    }

    #[test]
    fn a_long_list_is_truncated_and_decoded() {
        let failed = (b'A'..=b'Z')
            .map(|n| PreconditionFailure { key: vec![n; 900].into(), current_version: n.into() });
        let failed: Vec<_> = failed.collect();
        let mut sent = Failure::new(StatusCode::FailedPrecondition, "a message");
        sent.failed_preconditions.clone_from(&failed);
        let status = status(&sent);
        assert!(status.details().len() <= 4_608, "{}", status.details().len());
        let read = failure(&status);
        assert_eq!(read.code, StatusCode::FailedPrecondition);
        assert_eq!(read.failed_preconditions, failed[..4]);
    }

    #[test]
    fn escaped_keys_are_decoded_byte_for_byte() {
        let key: Vec<u8> = (0..=255).collect();
        assert_eq!(unescaped(&key.escape_ascii().to_string()), Some(key));
        for bad in ["\\", "\\x1", "\\xgg", "\\q"] {
            assert_eq!(unescaped(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_status_without_details_has_none() {
        let bare = failure(&Status::internal("a message"));
        assert_eq!(bare, Failure::new(StatusCode::Internal, "a message"));
    }

    #[test]
    fn disagreeing_or_invalid_preconditions_are_malformed() {
        let detail =
            |name: &str, value: Vec<u8>| Any { type_url: format!("type.googleapis.com/{name}"), value };
        let listed = |subject: &str, description: &str, kind: &str| {
            let violation = pb::precondition_failure::Violation {
                r#type: kind.to_owned(),
                subject: subject.to_owned(),
                description: description.to_owned(),
            };
            let all = pb::PreconditionFailure { violations: vec![violation] };
            detail("google.rpc.PreconditionFailure", all.encode_to_vec())
        };
        let typed = FailedPrecondition { key: "a".into(), current_version: 2 };
        let typed = FailedPreconditions { preconditions: vec![typed] };
        let typed = detail("prism.common.FailedPreconditions", typed.encode_to_vec());
        for (details, why) in [
            (vec![listed("a", "current version 3", "VERSION"), typed.clone()], "disagree"),
            (vec![typed], "disagree"),
            (vec![listed("a", "version 3", "VERSION")], "current version N"),
            (vec![listed("\\x", "current version 3", "VERSION")], "'\\x' as the subject"),
            (vec![listed("", "current version 3", "VERSION")], "must be the key as printable ASCII"),
            (vec![listed("a", "current version 3", "ETAG")], "ETAG"),
        ] {
            let all = pb::Status { code: 9, message: String::new(), details };
            let read =
                failure(&Status::with_details(Code::FailedPrecondition, "", all.encode_to_vec().into()));
            assert_eq!(read.code, StatusCode::Unknown);
            assert!(
                read.message.contains("FAILED_PRECONDITION") && read.message.contains(why),
                "{}",
                read.message
            );
        }
    }
}
