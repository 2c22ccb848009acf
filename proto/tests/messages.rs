//! The generated messages keep bytes as they are, and their `Debug` output keeps secrets.

use prism_proto::common::ItemMetadata;
use prism_proto::keyvalue::v1::key_predicate::Predicate;
use prism_proto::keyvalue::v1::{
    GetRequest, GetResponse, Item, KeyPredicate, MatchKeys, Precondition, PutRequest,
};
use prism_proto::timeseries::v1::{
    AppendRequest, AppendResult, Event, ListSeriesRequest, ListSeriesResponse, QueryRequest, QueryResponse,
    SeriesEvent, TailRequest, TailResponse, tail_request,
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

#[test]
fn debug_output_shows_neither_series_nor_ids_nor_payloads_nor_tags_nor_tokens_of_events() {
    const SECRET: &str = "secret";
    let secret = || Bytes::from_static(SECRET.as_bytes());
    let tags = || [(SECRET.to_owned(), SECRET.to_owned())].into();
    let event = || Event { id: secret(), payload: secret(), tags: tags(), ..Event::default() };
    let of_series = || SeriesEvent { series: SECRET.to_owned(), event: Some(event()) };
    let messages: [Box<dyn std::fmt::Debug>; 8] = [
        Box::new(AppendRequest { namespace: "shown".to_owned(), events: vec![of_series()] }),
        Box::new(AppendResult { id: secret(), ..AppendResult::default() }),
        Box::new(QueryRequest {
            series: SECRET.to_owned(),
            tags: tags(),
            resume_token: secret(),
            ..QueryRequest::default()
        }),
        Box::new(QueryResponse { events: vec![event()], resume_token: secret(), tail_token: secret() }),
        Box::new(TailRequest {
            series: SECRET.to_owned(),
            tags: tags(),
            from: Some(tail_request::From::Token(secret())),
            ..TailRequest::default()
        }),
        Box::new(TailResponse { events: vec![of_series()], token: secret() }),
        Box::new(ListSeriesRequest {
            prefix: SECRET.to_owned(),
            resume_token: secret(),
            ..ListSeriesRequest::default()
        }),
        Box::new(ListSeriesResponse { series: vec![SECRET.to_owned()], resume_token: secret() }),
    ];
    let text = format!("{messages:?}");
    assert!(!text.contains(SECRET), "{text}");
    for shown in ["shown", "<6 bytes>", "<1 entries>", "Token(<6 bytes>)"] {
        assert!(text.contains(shown), "{shown} is not in {text}");
    }
}
