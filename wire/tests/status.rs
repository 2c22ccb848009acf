//! The contract's errors converted to statuses, and back (ERR-1).

use std::time::Duration;

use bytes::Bytes;
use prism_contract::{Code, Error, FieldViolation, PreconditionFailure};
use prism_proto::common::ErrorReason;
use prism_wire::status::{Decoded, framework, grpc_code, status};
use rstest::rstest;
use tonic::Status;

fn decoded(error: &Error) -> Decoded {
    Decoded::from_status(&status(error))
}

fn failure(key: impl Into<Bytes>, current_version: i64) -> PreconditionFailure {
    PreconditionFailure { key: key.into(), current_version }
}

/// The length of the details header, which clients limit.
fn details_header(status: &Status) -> usize {
    status.clone().into_http::<()>().headers()["grpc-status-details-bin"].len()
}

#[rstest]
#[case(Error::invalid("id", "is 0 bytes"), 3)]
#[case(Error::PreconditionFailed(vec![failure("k", 1)]), 9)]
#[case(Error::NamespaceNotFound, 5)]
#[case(Error::WrongAbstraction("KEYVALUE"), 9)]
#[case(Error::TokenExpired, 11)]
#[case(Error::Unauthenticated, 16)]
#[case(Error::PermissionDenied("write".to_owned()), 7)]
#[case(Error::ResourceExhausted(Duration::from_millis(30)), 8)]
#[case(Error::unavailable("disk I/O error"), 14)]
#[case(Error::DeadlineExceeded, 4)]
#[case(Error::DeleteTooLarge, 4)]
#[case(Error::Unimplemented("EXPIRY"), 12)]
#[case(Error::internal("SELECT secret"), 13)]
#[case(Error::data_loss(0, "SELECT secret"), 15)]
fn every_error_has_its_code_its_reason_and_the_domain(#[case] error: Error, #[case] number: i32) {
    let decoded = decoded(&error);
    assert_eq!(decoded.code as i32, number);
    assert_eq!(decoded.code, grpc_code(error.code()));
    assert_eq!(decoded.reason, error.reason());
    assert_eq!(decoded.domain, "prism");
    assert_eq!(decoded.message, error.to_string());
    assert_eq!(decoded.retry_after, error.retry_after());
    assert!(decoded.other.is_empty(), "{:?}", decoded.other);
    let named = format!("ERROR_REASON_{}", decoded.reason);
    assert!(ErrorReason::from_str_name(&named).is_some(), "errors.proto does not name {named}");
}

#[rstest]
#[case::a_second(Error::ResourceExhausted(Duration::from_secs(1)), Some("1000"))]
#[case::rounded_up(Error::ResourceExhausted(Duration::from_micros(1_001)), Some("2"))]
#[case::at_once(Error::ResourceExhausted(Duration::ZERO), Some("0"))]
#[case::more_than_a_client_reads(Error::ResourceExhausted(Duration::MAX), Some("2147483647"))]
#[case::an_outage(Error::unavailable("gone"), Some("100"))]
#[case::not_to_be_retried(Error::internal("bug"), None)]
#[case::invalid(Error::invalid("id", "is 0 bytes"), None)]
fn a_retry_delay_is_in_the_metadata_too(#[case] error: Error, #[case] millis: Option<&str>) {
    let http = status(&error).into_http::<()>();
    let pushback = http.headers().get("grpc-retry-pushback-ms").map(|value| value.to_str().unwrap());
    assert_eq!(pushback, millis);
    assert_eq!(pushback.is_some(), error.retry_after().is_some());
}

#[test]
fn the_cause_of_an_error_is_nowhere_in_its_status() {
    let cause = "SELECT secret";
    for error in [Error::internal(cause), Error::unavailable(cause), Error::data_loss(0, cause)] {
        let status = status(&error);
        assert!(!format!("{status:?}").contains("secret"));
        assert!(!status.details().windows(6).any(|bytes| bytes == b"secret"));
    }
}

#[test]
fn all_violations_of_a_request_are_listed() {
    let violations: Vec<_> = (0..21)
        .map(|at| FieldViolation { field: format!("items[{at}].key"), description: "is 0 bytes".to_owned() })
        .collect();
    assert_eq!(decoded(&Error::InvalidArgument(violations.clone())).violations, violations);
}

#[test]
fn a_failed_precondition_names_the_key_in_ascii_and_in_bytes_with_its_current_version() {
    let key = b"a\0\xff\\\"\n";
    let decoded = decoded(&Error::PreconditionFailed(vec![failure(&key[..], 7), failure("gone", 0)]));
    let shown: Vec<_> = decoded
        .precondition_violations
        .iter()
        .map(|violation| (&*violation.kind, &*violation.subject, &*violation.description))
        .collect();
    assert_eq!(
        shown,
        [("VERSION", r#"a\x00\xff\\\"\n"#, "current version 7"), ("VERSION", "gone", "current version 0")]
    );
    let typed: Vec<_> =
        decoded.failed_preconditions.iter().map(|failed| (&failed.key[..], failed.current_version)).collect();
    assert_eq!(typed, [(&key[..], 7), (&b"gone"[..], 0)]);
}

/// The maximum number of failures in a request, with keys of every length: the details never exceed the trailer limit, the
/// typed detail is dropped first, and omitted violations are counted.
#[rstest]
fn details_of_a_hundred_failures_fit_into_a_trailer(
    #[values(1, 10, 60, 256, 1_000, 1_024)] length: usize,
    #[values(b'k', b'\n', 0xFF)] byte: u8,
) {
    let failures: Vec<_> = (0..100).map(|at| failure(vec![byte; length], at)).collect();
    let error = Error::PreconditionFailed(failures);
    let header = details_header(&status(&error));
    assert!(header <= 6 * 1024, "{header} bytes");
    assert!(header >= 5 * 1024 || length == 1_000 || length == 1_024, "{header} bytes: too little is listed");
    let decoded = decoded(&error);
    let (cut, named): (Vec<_>, Vec<_>) =
        decoded.precondition_violations.iter().partition(|violation| violation.kind == "OVERFLOW");
    match cut[..] {
        [] => assert_eq!(named.len(), 100),
        [more] => {
            assert!(decoded.failed_preconditions.is_empty());
            let left = 100 - named.len();
            let expected = format!("{left} more violations are not listed");
            assert_eq!((&*more.subject, &*more.description), ("...", &*expected));
        }
        [..] => panic!("two violations stand for those not listed"),
    }
}

#[test]
fn a_key_of_three_dots_is_no_overflow() {
    let mut failures = vec![failure("...", 3)];
    failures.extend((0..100).map(|at| failure(vec![0xFF; 1_024], at)));
    let decoded = decoded(&Error::PreconditionFailed(failures));
    let dots = decoded.precondition_violations.iter().filter(|violation| violation.subject == "...");
    let kinds: Vec<_> = dots.map(|violation| (&*violation.kind, &*violation.description)).collect();
    let listed = decoded.precondition_violations.len() - 1;
    let unlisted = format!("{} more violations are not listed", 101 - listed);
    assert_eq!(kinds, [("VERSION", "current version 3"), ("OVERFLOW", &*unlisted)]);
}

#[test]
fn the_typed_detail_is_dropped_before_any_violation_is() {
    let failures = |count: i64| Error::PreconditionFailed((0..count).map(|at| failure("key", at)).collect());
    let few = decoded(&failures(20));
    assert_eq!((few.precondition_violations.len(), few.failed_preconditions.len()), (20, 20));
    let full = (20..=100).map(|count| (count, decoded(&failures(count))));
    let (count, first_without) =
        full.into_iter().find(|(_, decoded)| decoded.failed_preconditions.is_empty()).unwrap();
    assert_eq!(first_without.precondition_violations.len(), usize::try_from(count).unwrap());
    assert!(first_without.precondition_violations.iter().all(|listed| listed.subject == "key"));
}

#[test]
fn a_long_message_is_truncated_at_a_character() {
    let decoded = decoded(&Error::PermissionDenied("ä".repeat(2_000)));
    assert!(decoded.message.len() <= 512 && decoded.message.ends_with('ä'));
}

#[test]
fn a_status_without_details_keeps_its_code_and_message() {
    let decoded = Decoded::from_status(&Status::not_found("no such thing"));
    assert_eq!(
        (decoded.code, &*decoded.message, &*decoded.reason),
        (tonic::Code::NotFound, "no such thing", "")
    );
}

#[test]
fn details_that_cannot_be_decoded_are_listed_as_other() {
    let garbage = Status::with_details(tonic::Code::Internal, "m", Bytes::from_static(b"\xff\xff"));
    assert_eq!(Decoded::from_status(&garbage).other, ["google.rpc.Status"]);
}

#[test]
fn a_failure_of_the_framework_carries_a_reason_of_the_table() {
    let status = framework(tonic::Code::Cancelled, ErrorReason::Cancelled, "call cancelled");
    let decoded = Decoded::from_status(&status);
    assert_eq!((&*decoded.reason, &*decoded.domain), ("CANCELLED", "prism"));
}

#[test]
fn every_code_has_its_grpc_number_and_name() {
    for (code, name) in Code::ALL {
        assert_eq!(i32::from(grpc_code(code)), code.number());
        assert_eq!(prism_wire::status::code_name(grpc_code(code)), name);
    }
}
