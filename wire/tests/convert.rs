//! Messages round-trip through requests and responses.

use bytes::Bytes;
use prism_contract::Timestamp;
use prism_contract::keyvalue::request::{
    DeleteRequest, DescribeRequest, DescribeResponse, GetRequest, GetResponse, KeyPredicate, PutRequest,
    ScanRequest, ScanResponse,
};
use prism_contract::keyvalue::{Capabilities, Capability, Entry, Item, Key, Limits, RecordId};
use prism_proto::common::ItemMetadata;
use prism_proto::keyvalue::v1 as pb;
use prism_proto::keyvalue::v1::key_predicate::Predicate;
use prism_wire::message::{WireRequest, WireResponse};
use rstest::rstest;

fn put_message() -> pb::PutRequest {
    let metadata =
        ItemMetadata { content_type: "text/x".to_owned(), compression: 77, ..ItemMetadata::default() };
    pb::PutRequest {
        namespace: "n".to_owned(),
        id: "i".to_owned(),
        items: vec![
            pb::Item { key: "k".into(), value: Bytes::from(vec![0, 255]), metadata: Some(metadata) },
            pb::Item { key: "l".into(), value: Bytes::new(), metadata: None },
        ],
        item_priority_token: 9,
        ttl: Some(prost_types::Duration { seconds: 3, nanos: -1 }),
        preconditions: vec![pb::Precondition { key: "p".into(), version: -4 }],
    }
}

fn item() -> Item {
    Item {
        key: Key::new(&b"\xff\0"[..]).unwrap(),
        value: Bytes::from_static(b"v"),
        content_type: "a/b".to_owned(),
        compression: -3,
        version: 5,
        priority_token: 6,
        created_at: Timestamp::from_micros(-1).unwrap(),
        updated_at: Timestamp::MAX,
        expires_at: Some(Timestamp::MIN),
    }
}

#[test]
fn a_put_round_trips_with_unknown_enum_numbers() {
    let request = PutRequest::from_message(put_message());
    assert_eq!(request.items[0].compression, 77);
    assert_eq!(request.into_message(), put_message());
}

#[test]
fn a_value_is_moved_and_not_copied() {
    let message = put_message();
    let at = message.items[0].value.as_ptr();
    let request = PutRequest::from_message(message);
    assert_eq!(request.items[0].value.as_ptr(), at);

    let item = item();
    let at = item.value.as_ptr();
    let message = GetResponse { items: vec![item], next_page_token: Bytes::new() }.into_message();
    assert_eq!(message.items[0].value.as_ptr(), at);
    assert_eq!(GetResponse::from_message(message).unwrap().items[0].value.as_ptr(), at);
}

#[test]
fn what_only_a_server_sets_is_ignored_in_a_request() {
    let mut message = put_message();
    message.items[0].metadata.as_mut().unwrap().version = 4;
    assert_eq!(PutRequest::from_message(message), PutRequest::from_message(put_message()));
}

#[expect(clippy::unnecessary_wraps, reason = "the field is optional, and one case leaves it out")]
fn kind(kind: Predicate) -> Option<pb::KeyPredicate> {
    Some(pb::KeyPredicate { predicate: Some(kind) })
}

#[rstest]
#[case::absent(None, None)]
#[case::of_no_kind(Some(pb::KeyPredicate { predicate: None }), Some(KeyPredicate::Unset))]
#[case::all(kind(Predicate::MatchAll(pb::MatchAll {})), Some(KeyPredicate::MatchAll))]
#[case::keys(
    kind(Predicate::MatchKeys(pb::MatchKeys { keys: vec!["a".into(), "a".into()] })),
    Some(KeyPredicate::MatchKeys(vec!["a".into(), "a".into()]))
)]
#[case::range(
    kind(Predicate::MatchRange(pb::MatchRange { start: "b".into(), end: "a".into() })),
    Some(KeyPredicate::MatchRange { start: "b".into(), end: "a".into() })
)]
#[case::prefix(
    kind(Predicate::MatchPrefix(pb::MatchPrefix { prefix: "p".into() })),
    Some(KeyPredicate::MatchPrefix("p".into()))
)]
fn a_predicate_keeps_its_kind_and_none_is_not_match_all(
    #[case] predicate: Option<pb::KeyPredicate>,
    #[case] converted: Option<KeyPredicate>,
) {
    let get = pb::GetRequest { predicate: predicate.clone(), ..pb::GetRequest::default() };
    let delete = pb::DeleteRequest { predicate: predicate.clone(), ..pb::DeleteRequest::default() };
    let scan = pb::ScanRequest { predicate, ..pb::ScanRequest::default() };
    assert_eq!(GetRequest::from_message(get.clone()).predicate, converted);
    assert_eq!(DeleteRequest::from_message(delete.clone()).predicate, converted);
    assert_eq!(ScanRequest::from_message(scan.clone()).predicate, converted);
    assert_eq!(GetRequest::from_message(get.clone()).into_message(), get);
    assert_eq!(DeleteRequest::from_message(delete.clone()).into_message(), delete);
    assert_eq!(ScanRequest::from_message(scan.clone()).into_message(), scan);
}

#[test]
fn every_field_of_a_scan_round_trips() {
    let message = pb::ScanRequest {
        namespace: "n".to_owned(),
        id: "i".to_owned(),
        predicate: None,
        selection: Some(pb::Selection { item_limit: 1, page_size_bytes: 2, keys_only: true, reverse: true }),
        resume_token: "t".into(),
        limit: u64::MAX,
    };
    assert_eq!(ScanRequest::from_message(message.clone()).into_message(), message);
    let describe = pb::DescribeRequest { namespace: "n".to_owned() };
    assert_eq!(DescribeRequest::from_message(describe.clone()).into_message(), describe);
}

#[test]
fn an_item_in_a_response_round_trips_with_every_field_and_timestamp() {
    let entry = Entry { id: RecordId::new("i").unwrap(), item: item() };
    let answer = ScanResponse { entries: vec![entry], resume_token: Bytes::from_static(b"t") };
    let message = answer.clone().into_message();
    let created_at = message.entries[0].item.as_ref().unwrap().metadata.as_ref().unwrap().created_at.unwrap();
    assert_eq!((created_at.seconds, created_at.nanos), (-1, 999_999_000), "a microsecond before 1970");
    assert_eq!(ScanResponse::from_message(message).unwrap(), answer);
}

#[rstest]
#[case::no_metadata("item.metadata", |item: &mut pb::Item| item.metadata = None)]
#[case::an_empty_key("item.key", |item: &mut pb::Item| item.key = Bytes::new())]
#[case::no_time("item.metadata.created_at", |item: &mut pb::Item| item.metadata.as_mut().unwrap().created_at = None)]
#[case::half_a_microsecond(
    "item.metadata.updated_at",
    |item: &mut pb::Item| item.metadata.as_mut().unwrap().updated_at.as_mut().unwrap().nanos = 500
)]
#[case::the_year_10000(
    "item.metadata.expires_at",
    |item: &mut pb::Item| item.metadata.as_mut().unwrap().expires_at.as_mut().unwrap().seconds = i64::MAX
)]
fn a_response_that_violates_the_contract_names_the_field(
    #[case] field: &str,
    #[case] spoil: fn(&mut pb::Item),
) {
    let mut message = GetResponse { items: vec![item()], next_page_token: Bytes::new() }.into_message();
    spoil(&mut message.items[0]);
    assert_eq!(GetResponse::from_message(message).unwrap_err().field, field);
}

#[test]
fn a_description_round_trips_and_an_unknown_capability_is_ignored() {
    let response = DescribeResponse {
        server_version: "0.1.0".to_owned(),
        contract_version: "1.0".to_owned(),
        capabilities: Capabilities::ALL.without(Capability::Reverse),
        limits: Limits::V1,
    };
    let mut message = response.clone().into_message();
    assert_eq!(message.capabilities, [1, 2, 3, 5]);
    message.capabilities.push(99);
    assert_eq!(DescribeResponse::from_message(message).unwrap(), response);
}
