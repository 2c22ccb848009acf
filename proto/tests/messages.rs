//! The generated messages keep bytes as they are, and their `Debug` output keeps secrets.

use prism_proto::common::ItemMetadata;
use prism_proto::keyvalue::v1::key_predicate::Predicate;
use prism_proto::keyvalue::v1::{
    GetRequest, GetResponse, Item, KeyPredicate, MatchKeys, Precondition, PutRequest,
};
use prost::Message;
use prost::bytes::Bytes;

#[test]
fn every_byte_survives_a_message() {
    let all: Bytes = (0..=255).collect();
    let item = Item { key: all.clone(), value: all, metadata: None };
    assert_eq!(Item::decode(item.encode_to_vec().as_slice()), Ok(item));
}

#[test]
fn a_decoded_value_shares_the_buffer_it_came_in() {
    let item = Item { value: Bytes::from(vec![7; 4096]), ..Item::default() };
    let buffer = Bytes::from(item.encode_to_vec());
    let decoded = Item::decode(buffer.clone()).unwrap();
    assert!(buffer.as_ptr_range().contains(&decoded.value.as_ptr()));
}

#[test]
fn a_compression_that_is_not_listed_survives_a_message() {
    let metadata = ItemMetadata { compression: 4711, ..ItemMetadata::default() };
    let decoded = ItemMetadata::decode(metadata.encode_to_vec().as_slice()).unwrap();
    assert_eq!(decoded.compression, 4711);
}

#[test]
fn debug_output_shows_the_size_of_a_masked_field_and_never_its_content() {
    const SECRET: &str = "secret";
    let secret = || Bytes::from_static(SECRET.as_bytes());
    let item = || Item { key: secret(), value: secret(), metadata: None };
    let put = PutRequest {
        namespace: "shown".to_owned(),
        id: SECRET.to_owned(),
        items: vec![item()],
        preconditions: vec![Precondition { key: secret(), version: 3 }],
        ..PutRequest::default()
    };
    let get = GetRequest {
        predicate: Some(KeyPredicate {
            predicate: Some(Predicate::MatchKeys(MatchKeys { keys: vec![secret()] })),
        }),
        page_token: secret(),
        ..GetRequest::default()
    };
    let got = GetResponse { items: vec![item()], next_page_token: secret() };
    let text = format!("{put:?} {get:?} {got:?}");
    // A derived Debug shows bytes as b"secret".
    assert!(!text.contains(SECRET), "{text}");
    assert!(text.contains("shown") && text.contains("<6 bytes>"), "{text}");
}
