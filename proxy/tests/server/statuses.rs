//! The table of statuses, over the wire (ERR-1, ERR-2, ERR-3).

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::uri::PathAndQuery;
use prism_contract::keyvalue::request::{
    DescribeRequest, GetRequest, KeyPredicate, PreconditionInput, PutRequest, Ttl,
};
use prism_wire::keyvalue::Resume;
use prism_wire::status::Decoded;
use rstest::rstest;
use tonic::client::Grpc;
use tonic::{Code, Request};

use crate::schema::call::Raw;
use crate::support::{CAUSE, Mode, Server, Steered, delete, get, item, put, refusal, scan};

const MIB: usize = 1 << 20;

fn invalid(refused: &Decoded, field: &str, description: &str) {
    assert_eq!(
        (refused.code, &*refused.reason, &*refused.domain),
        (Code::InvalidArgument, "INVALID_REQUEST", "prism")
    );
    let found = refused
        .violations
        .iter()
        .any(|violation| violation.field == field && violation.description.contains(description));
    assert!(found, "wanted {field}: {description}, got {:?}", refused.violations);
}

#[rstest]
#[case::an_empty_namespace(PutRequest { namespace: String::new(), ..put(vec![item("k", "v")]) }, "namespace", "1 to 128")]
#[case::an_empty_id(PutRequest { id: String::new(), ..put(vec![item("k", "v")]) }, "id", "1 to 512")]
#[case::an_empty_key(put(vec![item("", "v")]), "items[0].key", "is 0 bytes; 1 to 1024 are allowed")]
#[case::a_key_of_1025_bytes(put(vec![item(vec![b'k'; 1_025], "v")]), "items[0].key", "is 1025 bytes; 1 to 1024 are allowed")]
#[case::a_value_one_byte_too_long(put(vec![item("k", vec![0; MIB + 1])]), "items[0].value", "is 1048577 bytes; 0 to 1048576 are allowed")]
#[case::a_duplicate_key(put(vec![item("k", "1"), item("l", "2"), item("k", "3")]), "items[2].key", "repeats the key")]
#[case::no_items(put(vec![]), "items", "holds 0 items; 1 to 1000 are allowed")]
#[case::five_mebibytes(put((0..5).map(|at| item(vec![at], vec![0; MIB - 1])).collect()), "items", "at most 4194304 are allowed")]
#[case::no_time_to_live(PutRequest { ttl: Some(Ttl::default()), ..put(vec![item("k", "v")]) }, "ttl", "is 0")]
#[case::a_negative_token(PutRequest { item_priority_token: -1, ..put(vec![item("k", "v")]) }, "item_priority_token", "is negative")]
#[tokio::test]
async fn a_put_that_breaks_a_rule_is_refused_by_its_field_and_writes_nothing(
    #[case] request: PutRequest,
    #[case] field: &str,
    #[case] description: &str,
) {
    let backend = Steered::new(Mode::Works);
    let server = Server::start(backend.clone()).await;
    invalid(&refusal(server.client().await.put(request).await), field, description);
    assert_eq!(backend.calls(), 0, "it reached the backend");
}

#[tokio::test]
async fn all_violations_of_a_request_are_reported_at_once() {
    let server = Server::start(Steered::new(Mode::Works)).await;
    let request = PutRequest { namespace: "N".to_owned(), id: String::new(), ..put(vec![item("", "v")]) };
    let refused = refusal(server.client().await.put(request).await);
    let fields: Vec<_> = refused.violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["namespace", "id", "items[0].key"]);
}

#[tokio::test]
async fn a_delete_needs_a_predicate() {
    let server = Server::start(Steered::new(Mode::Works)).await;
    let client = server.client().await;
    invalid(&refusal(client.delete(delete()).await), "predicate", "is missing; set match_all");
    let unset =
        prism_contract::keyvalue::request::DeleteRequest { predicate: Some(KeyPredicate::Unset), ..delete() };
    invalid(&refusal(client.delete(unset).await), "predicate", "has no kind that this server knows");
}

#[tokio::test]
async fn inverted_ranges_and_invalid_tokens_are_refused() {
    let server = Server::start(Steered::new(Mode::Works)).await;
    let client = server.client().await;
    let range = KeyPredicate::MatchRange { start: "b".into(), end: "a".into() };
    let inverted = GetRequest { predicate: Some(range), ..get() };
    invalid(&refusal(client.get(inverted).await), "predicate.match_range", "start is not before end");
    let garbage = GetRequest { page_token: "garbage".into(), ..get() };
    invalid(&refusal(client.get(garbage).await), "page_token", "is not a token of this method");
    let garbage = prism_contract::keyvalue::request::ScanRequest { resume_token: "garbage".into(), ..scan() };
    let mut messages = client.scan(garbage, Resume::Never);
    invalid(&refusal(messages.next().await.unwrap()), "resume_token", "is not a token of this method");
    invalid(&refusal(client.describe(DescribeRequest::default()).await), "namespace", "1 to 128");
}

#[tokio::test]
async fn a_precondition_that_fails_names_its_key_and_the_current_version() {
    let server = Server::start(Steered::new(Mode::Works)).await;
    let client = server.client().await;
    let version = client.put(put(vec![item("k", "v")])).await.unwrap().results[0].version;
    let preconditions = vec![
        PreconditionInput { key: "k".into(), version: 0 },
        PreconditionInput { key: "gone\0".into(), version: 7 },
    ];
    let refused = refusal(client.put(PutRequest { preconditions, ..put(vec![item("k", "w")]) }).await);
    assert_eq!((refused.code, &*refused.reason), (Code::FailedPrecondition, "PRECONDITION_FAILED"));
    let typed: Vec<_> =
        refused.failed_preconditions.iter().map(|failed| (&failed.key[..], failed.current_version)).collect();
    assert_eq!(typed, [(&b"k"[..], version), (&b"gone\0"[..], 0)]);
    let shown: Vec<_> = refused
        .precondition_violations
        .iter()
        .map(|violation| (violation.kind.as_str(), violation.subject.clone(), violation.description.clone()))
        .collect();
    assert_eq!(
        shown,
        [
            ("VERSION", "k".to_owned(), format!("current version {version}")),
            ("VERSION", "gone\\x00".to_owned(), "current version 0".to_owned())
        ]
    );
}

#[tokio::test]
async fn an_outage_is_unavailable_with_a_retry_delay_and_without_its_cause() {
    let server = Server::start(Steered::new(Mode::Unavailable)).await;
    let client = server.client().await;
    let mut scan = client.scan(scan(), Resume::Never);
    for refused in [refusal(client.get(get()).await), refusal(scan.next().await.unwrap())] {
        assert_eq!((refused.code, &*refused.reason), (Code::Unavailable, "BACKEND_UNAVAILABLE"));
        assert_eq!(refused.retry_after, Some(Duration::from_millis(100)));
        assert!(!format!("{refused:?}").contains(CAUSE));
    }
}

#[rstest]
#[case::nine_mebibytes("/prism.keyvalue.v1.KeyValueService/Put", Bytes::from(vec![0; 9 * MIB]), Code::InvalidArgument, "MESSAGE_TOO_LARGE")]
#[case::not_protobuf(
    "/prism.keyvalue.v1.KeyValueService/Get",
    Bytes::from_static(b"\xff\xff\xff"),
    Code::InvalidArgument,
    "MALFORMED_MESSAGE"
)]
#[case::not_utf8(
    "/prism.keyvalue.v1.KeyValueService/Get",
    Bytes::from_static(b"\x0a\x01\xff"),
    Code::InvalidArgument,
    "MALFORMED_MESSAGE"
)]
#[case::no_such_method(
    "/prism.keyvalue.v1.KeyValueService/Increment",
    Bytes::new(),
    Code::Unimplemented,
    "METHOD_NOT_FOUND"
)]
#[case::no_such_service(
    "/prism.graph.v1.GraphService/Get",
    Bytes::new(),
    Code::Unimplemented,
    "METHOD_NOT_FOUND"
)]
#[case::no_message_in_the_scan(
    "/prism.keyvalue.v1.KeyValueService/Scan",
    Bytes::from_static(b"\x08"),
    Code::InvalidArgument,
    "MALFORMED_MESSAGE"
)]
#[tokio::test]
async fn refusals_by_the_framework_follow_the_table_and_the_server_keeps_running(
    #[case] path: &'static str,
    #[case] message: Bytes,
    #[case] code: Code,
    #[case] reason: &str,
) {
    let server = Server::start(Steered::new(Mode::Works)).await;
    let mut grpc = Grpc::new(server.channel().await);
    grpc.ready().await.unwrap();
    let refused = grpc.unary(Request::new(message), PathAndQuery::from_static(path), Raw).await.unwrap_err();
    let refused = Decoded::from_status(&refused);
    assert_eq!((refused.code, &*refused.reason, &*refused.domain), (code, reason, "prism"));
    server.client().await.put(put(vec![item("k", "v")])).await.unwrap();
}

#[tokio::test]
async fn a_compressed_request_is_unimplemented_with_a_distinct_reason_and_the_accepted_encodings() {
    let server = Server::start(Steered::new(Mode::Works)).await;
    let mut grpc = Grpc::new(server.channel().await);
    grpc.ready().await.unwrap();
    let mut request = Request::new(Bytes::new());
    request.metadata_mut().insert("grpc-encoding", "gzip".parse().unwrap());
    let path = PathAndQuery::from_static("/prism.keyvalue.v1.KeyValueService/Get");
    let refused = grpc.unary(request, path, Raw).await.unwrap_err();
    assert_eq!(refused.metadata().get("grpc-accept-encoding").unwrap(), "identity");
    let refused = Decoded::from_status(&refused);
    assert_eq!((refused.code, &*refused.reason), (Code::Unimplemented, "UNSUPPORTED_ENCODING"));
}
