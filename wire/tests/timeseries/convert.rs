//! Messages round-trip through requests and responses.

use std::time::Duration;

use bytes::Bytes;
use prism_contract::Timestamp;
use prism_contract::timeseries::request::{
    AppendRequest, AppendResponse, DeleteEventsRequest, DeleteEventsResponse, DescribeRequest,
    DescribeResponse, EventInput, HistogramRequest, HistogramResponse, ListSeriesRequest, ListSeriesResponse,
    QueryRequest, QueryResponse, TailFrom, TailRequest, TailResponse,
};
use prism_contract::timeseries::{
    Bucket, Capabilities, Capability, Event, EventId, Limits, Policy, Series, SeriesEvent, Tags, Window,
};
use prism_proto::timeseries::v1 as pb;
use prism_proto::timeseries::v1::tail_request::From;
use prism_wire::message::{WireRequest, WireResponse};
use rstest::rstest;

fn tags() -> std::collections::BTreeMap<String, String> {
    [("k".to_owned(), "v".to_owned()), ("l".to_owned(), String::new())].into()
}

/// A time that no server accepts, which the edge has to see as it was sent.
const TIME: prost_types::Timestamp = prost_types::Timestamp { seconds: -7, nanos: 1_000_000_001 };

fn append_message() -> pb::AppendRequest {
    let event = pb::Event {
        time: Some(TIME),
        id: Bytes::from_static(&[0, 255]),
        payload: Bytes::from_static(&[255, 0]),
        content_type: "a/b".to_owned(),
        tags: tags(),
    };
    let of = |series: &str, event| pb::SeriesEvent { series: series.to_owned(), event };
    let events = vec![of("s", Some(event)), of("t", Some(pb::Event::default())), of("u", None)];
    pb::AppendRequest { namespace: "n".to_owned(), events }
}

#[test]
fn an_append_round_trips_and_an_absent_event_is_no_empty_one() {
    let request = AppendRequest::from_message(append_message());
    let missing: Vec<_> = request.events.iter().map(|event| event.is_missing).collect();
    assert_eq!(missing, [false, false, true]);
    assert_eq!(request.events[1], EventInput { series: "t".to_owned(), ..EventInput::default() });
    assert_eq!(request.into_message(), append_message());
}

#[rstest]
#[case::unset(None, TailFrom::Unset)]
#[case::beginning(Some(From::Beginning(pb::Beginning {})), TailFrom::Beginning)]
#[case::now(Some(From::Now(pb::Now {})), TailFrom::Now)]
#[case::token(Some(From::Token("t".into())), TailFrom::Token("t".into()))]
#[case::an_empty_token(Some(From::Token(Bytes::new())), TailFrom::Token(Bytes::new()))]
fn a_tail_keeps_its_starting_point_and_every_field(#[case] from: Option<From>, #[case] converted: TailFrom) {
    let message = pb::TailRequest {
        namespace: "n".to_owned(),
        series: "s".to_owned(),
        tags: tags(),
        from,
        without_payload: true,
    };
    let request = TailRequest::from_message(message.clone());
    assert_eq!(request.from, converted);
    assert_eq!(request.into_message(), message);
}

#[test]
fn every_field_of_the_other_requests_round_trips() {
    let (namespace, series) = ("n".to_owned(), "s".to_owned());
    let end = Some(prost_types::Timestamp { seconds: 9, nanos: 8 });
    let query = pb::QueryRequest {
        namespace: namespace.clone(),
        series: series.clone(),
        start: Some(TIME),
        end,
        tags: tags(),
        reverse: true,
        limit: u64::MAX,
        page_size_bytes: u32::MAX,
        without_payload: true,
        resume_token: "t".into(),
    };
    assert_eq!(QueryRequest::from_message(query.clone()).into_message(), query);
    let list = pb::ListSeriesRequest {
        namespace: namespace.clone(),
        prefix: "p".to_owned(),
        limit: 3,
        resume_token: "t".into(),
    };
    assert_eq!(ListSeriesRequest::from_message(list.clone()).into_message(), list);
    let histogram = pb::HistogramRequest {
        namespace: namespace.clone(),
        series: series.clone(),
        start: Some(TIME),
        end,
        bucket: Some(prost_types::Duration { seconds: 1, nanos: -1 }),
        tags: tags(),
    };
    assert_eq!(HistogramRequest::from_message(histogram.clone()).into_message(), histogram);
    let delete =
        pb::DeleteEventsRequest { namespace: namespace.clone(), series, start: Some(TIME), end, all: true };
    assert_eq!(DeleteEventsRequest::from_message(delete.clone()).into_message(), delete);
    let describe = pb::DescribeRequest { namespace };
    assert_eq!(DescribeRequest::from_message(describe.clone()).into_message(), describe);
}

fn event() -> Event {
    Event {
        time: Timestamp::MAX,
        id: EventId::new(&b"\xff\0"[..]).unwrap(),
        payload: Bytes::from_static(b"p"),
        content_type: "a/b".to_owned(),
        tags: Tags::new(tags()).unwrap(),
    }
}

#[test]
fn a_payload_is_moved_and_not_copied() {
    let message = append_message();
    let at = message.events[0].event.as_ref().unwrap().payload.as_ptr();
    assert_eq!(AppendRequest::from_message(message).events[0].payload.as_ptr(), at);

    let event = event();
    let at = event.payload.as_ptr();
    let message = QueryResponse { events: vec![event], ..QueryResponse::default() }.into_message();
    assert_eq!(message.events[0].payload.as_ptr(), at);
    assert_eq!(QueryResponse::from_message(message).unwrap().events[0].payload.as_ptr(), at);
}

#[test]
fn every_response_round_trips() {
    let query = QueryResponse { events: vec![event()], resume_token: "r".into(), tail_token: "t".into() };
    assert_eq!(QueryResponse::from_message(query.clone().into_message()), Ok(query));
    let events = vec![SeriesEvent { series: Series::new("s").unwrap(), event: event() }];
    let tail = TailResponse { events, token: "t".into() };
    assert_eq!(TailResponse::from_message(tail.clone().into_message()), Ok(tail));
    let list = ListSeriesResponse { series: vec!["s".to_owned()], resume_token: "r".into() };
    assert_eq!(ListSeriesResponse::from_message(list.clone().into_message()), Ok(list));
    let buckets = vec![Bucket { start: Timestamp::EPOCH, count: 2, payload_bytes: u64::MAX }];
    let histogram = HistogramResponse { buckets };
    assert_eq!(HistogramResponse::from_message(histogram.clone().into_message()), Ok(histogram));
    let deleted = DeleteEventsResponse { deleted_count: 4 };
    assert_eq!(DeleteEventsResponse::from_message(deleted.into_message()), Ok(deleted));
    let message = pb::AppendResponse {
        results: vec![pb::AppendResult {
            time: Some(prost_types::Timestamp { seconds: 1, nanos: 2_000 }),
            id: "i".into(),
            duplicate: true,
        }],
    };
    assert_eq!(AppendResponse::from_message(message.clone()).unwrap().into_message(), message);
}

#[rstest]
#[case::no_time("event.time", |event: &mut pb::Event| event.time = None)]
#[case::half_a_microsecond("event.time", |event: &mut pb::Event| event.time.as_mut().unwrap().nanos = 500)]
#[case::no_id("event.id", |event: &mut pb::Event| event.id = Bytes::new())]
#[case::a_key_of_a_tag("event.tags", |event: &mut pb::Event| { event.tags.insert("K".to_owned(), String::new()); })]
fn an_event_that_violates_the_contract_names_the_field(
    #[case] field: &str,
    #[case] spoil: fn(&mut pb::Event),
) {
    let mut message = QueryResponse { events: vec![event()], ..QueryResponse::default() }.into_message();
    spoil(&mut message.events[0]);
    assert_eq!(QueryResponse::from_message(message).unwrap_err().field, field);
}

#[test]
fn a_tails_event_without_series_or_event_names_the_field() {
    let of = |series: &str, event| {
        let events = vec![pb::SeriesEvent { series: series.to_owned(), event }];
        TailResponse::from_message(pb::TailResponse { events, token: Bytes::new() }).unwrap_err().field
    };
    assert_eq!(of("s", None), "events.event");
    assert_eq!(of("", Some(pb::Event::default())), "events.series");
}

fn description() -> DescribeResponse {
    DescribeResponse {
        server_version: "0.1.0".to_owned(),
        contract_version: "1.0".to_owned(),
        capabilities: Capabilities::ALL.without(Capability::AtomicAppend),
        limits: Limits::V1,
        policy: Policy {
            retention: Some(Duration::from_micros(3_000_001)),
            window: Window { past: Some(Duration::ZERO), future: None },
            partitions: 3,
        },
        heartbeat: Duration::from_millis(1_500),
    }
}

#[test]
fn a_description_round_trips_and_an_unknown_capability_is_ignored() {
    let mut message = description().into_message();
    assert_eq!(message.capabilities, [1, 2, 3, 4, 6, 7, 8]);
    message.capabilities.push(99);
    assert_eq!(DescribeResponse::from_message(message).unwrap(), description());
}

#[rstest]
#[case("limits", |message: &mut pb::DescribeResponse| message.limits = None)]
#[case("policy", |message: &mut pb::DescribeResponse| message.policy = None)]
#[case("heartbeat", |message: &mut pb::DescribeResponse| message.heartbeat = None)]
#[case("heartbeat", |message: &mut pb::DescribeResponse| message.heartbeat.as_mut().unwrap().seconds = -2)]
#[case(
    "policy.retention",
    |message: &mut pb::DescribeResponse| {
        message.policy.as_mut().unwrap().retention = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    }
)]
fn a_description_that_lacks_a_part_names_it(
    #[case] field: &str,
    #[case] spoil: fn(&mut pb::DescribeResponse),
) {
    let mut message = description().into_message();
    spoil(&mut message);
    assert_eq!(DescribeResponse::from_message(message).unwrap_err().field, field);
}
