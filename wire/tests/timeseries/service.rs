//! The seven calls over a real connection, and what they refuse.

use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt, StreamExt};
use prism_contract::timeseries::request::{
    AppendResult, DeleteEventsRequest, DescribeRequest, EventInput, HistogramRequest, ListSeriesRequest,
    QueryRequest, QueryResponse, TailFrom, TailResponse,
};
use prism_contract::timeseries::{Bucket, Capabilities, Edge, Limits, SeriesEvent};
use prism_contract::{DurationInput, Timestamp};
use prism_proto::timeseries::v1 as pb;
use prism_proto::timeseries::v1::time_series_service_server::TimeSeriesService;
use prism_wire::call::{AuditCheck, CallNotes};
use prism_wire::channel::CallError;
use prism_wire::subject::Subject;
use prism_wire::timeseries::{Client, Resume};
use tonic::{Code, Request};

use crate::support::{
    One, Watched, append, event, one_at_a_time, second, serve, serve_backend, service, start, tail,
};

fn code(error: &CallError) -> (Code, &str) {
    let status = error.status().expect("a status");
    (status.code, &status.reason)
}

async fn query(client: &Client, request: QueryRequest) -> Result<Vec<QueryResponse>, CallError> {
    client.query(request, Resume::Never).collect::<Vec<_>>().await.into_iter().collect()
}

fn payloads(messages: &[QueryResponse]) -> Vec<&Bytes> {
    messages.iter().flat_map(|message| &message.events).map(|event| &event.payload).collect()
}

/// The next message with events.
async fn events(tail: &mut prism_wire::timeseries::TailMessages) -> Vec<SeriesEvent> {
    loop {
        let TailResponse { events, .. } = tail.next().await.unwrap().unwrap();
        if !events.is_empty() {
            return events;
        }
    }
}

#[tokio::test]
async fn the_seven_calls_work_over_the_wire_with_the_servers_clock() {
    let client = serve_backend(&Arc::default()).await;
    let mut tailed = client.tail(tail(TailFrom::Beginning), Resume::Never);
    assert_eq!(tailed.next().await.unwrap().unwrap().events, []);

    let at_now = EventInput { series: "s".to_owned(), payload: "now".into(), ..EventInput::default() };
    let answer = client.append(append([event("s", 900, "old"), at_now])).await.unwrap();
    let [old, now] = &answer.results[..] else { panic!("{answer:?}") };
    let time = Timestamp::from_micros(900_000_000).unwrap();
    assert_eq!(*old, AppendResult { time, id: "old".into(), duplicate: false });
    assert_eq!((now.time, now.id.len(), now.duplicate), (start(), 16, false));
    assert!(client.append(append([event("s", 900, "old")])).await.unwrap().results[0].duplicate);

    let messages = query(&client, one_at_a_time()).await.unwrap();
    assert_eq!(payloads(&messages), ["old", "now"]);
    let reverse = QueryRequest { reverse: true, limit: 1, ..one_at_a_time() };
    assert_eq!(payloads(&query(&client, reverse).await.unwrap()), ["now"]);

    let arrived: Vec<_> = events(&mut tailed).await.into_iter().map(|event| event.event.payload).collect();
    assert_eq!(arrived, ["old", "now"]);

    let list = ListSeriesRequest { namespace: "n".to_owned(), ..ListSeriesRequest::default() };
    let listed: Vec<_> = client.list_series(list, Resume::Never).collect().await;
    assert_eq!(listed.into_iter().map(|list| list.unwrap().series).collect::<Vec<_>>(), [["s"]]);

    let histogram = HistogramRequest {
        namespace: "n".to_owned(),
        series: "s".to_owned(),
        start: Some(second(900)),
        end: Some(second(1_001)),
        bucket: Some(DurationInput { seconds: 10, nanos: 0 }),
        ..HistogramRequest::default()
    };
    let counted = client.histogram(histogram).await.unwrap();
    let bucket = |start| Bucket { start, count: 1, payload_bytes: 3 };
    assert_eq!(counted.len(), 1);
    assert_eq!(counted[0].buckets, [bucket(time), bucket(start())]);

    let delete = DeleteEventsRequest {
        namespace: "n".to_owned(),
        series: "s".to_owned(),
        end: Some(second(1_000)),
        ..DeleteEventsRequest::default()
    };
    assert_eq!(client.delete_events(delete).await.unwrap().deleted_count, 1);
    assert_eq!(payloads(&query(&client, one_at_a_time()).await.unwrap()), ["now"]);

    let described = client.describe(DescribeRequest { namespace: "n".to_owned() }).await.unwrap();
    assert_eq!((&*described.server_version, &*described.contract_version), ("9.9.9", "1.0"));
    assert_eq!((described.capabilities, described.limits), (Capabilities::ALL, Limits::V1));
    assert_eq!(described.policy.retention, Some(std::time::Duration::from_secs(500)));
    assert_eq!(described.heartbeat, Edge::<One>::HEARTBEAT);
}

#[tokio::test]
async fn an_event_left_out_beside_its_series_is_refused_by_its_place() {
    let client = serve_backend(&Arc::default()).await;
    let missing = EventInput { series: "s".to_owned(), is_missing: true, ..EventInput::default() };
    let of_no_series = EventInput { series: String::new(), ..missing.clone() };
    let refused = client.append(append([event("s", 1_000, "e"), missing, of_no_series])).await.unwrap_err();
    assert_eq!(code(&refused), (Code::InvalidArgument, "INVALID_REQUEST"));
    let violations = &refused.status().unwrap().violations;
    let fields: Vec<_> = violations.iter().map(|violation| &*violation.field).collect();
    assert_eq!(fields, ["events[1].event", "events[2].series", "events[2].event"]);
    assert_eq!(query(&client, one_at_a_time()).await.unwrap()[0].events, []);
}

#[tokio::test]
async fn a_token_of_another_incarnation_has_expired_and_one_of_another_request_is_invalid() {
    let [first, second] = [serve_backend(&Arc::default()).await, serve_backend(&Arc::default()).await];
    for client in [&first, &second] {
        client.append(append([event("s", 900, "a"), event("s", 901, "b")])).await.unwrap();
    }
    let messages = query(&first, one_at_a_time()).await.unwrap();
    let (resume_token, tail_token) = (&messages[0].resume_token, &messages[1].tail_token);
    let resumed = QueryRequest { resume_token: resume_token.clone(), ..one_at_a_time() };
    assert_eq!(payloads(&query(&first, resumed.clone()).await.unwrap()), ["b"]);

    let tail_with = |client: &Client, token: &Bytes| {
        let mut messages = client.tail(tail(TailFrom::Token(token.clone())), Resume::UpTo(3));
        async move { messages.next().await.unwrap().err() }
    };
    assert_eq!(tail_with(&first, tail_token).await, None);
    let expired = (Code::OutOfRange, "TOKEN_EXPIRED");
    assert_eq!(code(&query(&second, resumed.clone()).await.unwrap_err()), expired);
    assert_eq!(code(&tail_with(&second, tail_token).await.unwrap()), expired);

    let invalid = (Code::InvalidArgument, "INVALID_REQUEST");
    let reverse = QueryRequest { reverse: true, ..resumed.clone() };
    let of_a_tail = QueryRequest { resume_token: tail_token.clone(), ..resumed };
    for request in [reverse, of_a_tail] {
        let refused = query(&first, request).await.unwrap_err();
        assert_eq!(code(&refused), invalid);
        assert_eq!(refused.status().unwrap().violations[0].field, "resume_token");
    }
    let refused = tail_with(&first, resume_token).await.unwrap();
    assert_eq!(code(&refused), invalid);
    assert_eq!(refused.status().unwrap().violations[0].field, "token");
}

#[tokio::test]
async fn a_tail_without_a_starting_point_is_refused_at_once() {
    let client = serve_backend(&Arc::default()).await;
    let refused = client.tail(tail(TailFrom::Unset), Resume::UpTo(3)).next().await.unwrap().unwrap_err();
    assert_eq!(code(&refused), (Code::InvalidArgument, "INVALID_REQUEST"));
    assert_eq!(refused.status().unwrap().violations[0].field, "from");
}

fn histogram_of_a_second() -> HistogramRequest {
    HistogramRequest {
        namespace: "n".to_owned(),
        series: "s".to_owned(),
        start: Some(second(0)),
        end: Some(second(1)),
        bucket: Some(DurationInput { seconds: 1, nanos: 0 }),
        ..HistogramRequest::default()
    }
}

#[tokio::test]
async fn a_histogram_has_at_most_a_thousand_buckets_in_a_message_and_ten_thousand_in_all() {
    let of = |buckets| async move {
        let backend = Watched { buckets: Some(buckets), ..Watched::default() };
        serve_backend(&Arc::new(backend)).await.histogram(histogram_of_a_second()).await
    };
    let sizes = |count| async move {
        let messages = of(count).await.unwrap();
        messages.iter().map(|message| message.buckets.len()).collect::<Vec<_>>()
    };
    assert_eq!(sizes(0).await, [0]);
    assert_eq!(sizes(1_001).await, [1_000, 1]);
    assert_eq!(sizes(10_000).await, [1_000; 10]);
    let CallError::Unreadable(refused) = of(10_001).await.unwrap_err() else { panic!("a status") };
    assert_eq!((refused.field, &*refused.why), ("buckets", "are more than 10000"));
}

/// The subject of a call for which an audit asks.
async fn subject<T>(request: T, call: impl AsyncFnOnce(Request<T>)) -> Subject {
    let notes = CallNotes::default();
    notes.set_audit(AuditCheck::new(|_| Ok(true)));
    let mut request = Request::new(request);
    request.extensions_mut().insert(notes.clone());
    call(request).await;
    notes.subject().expect("a subject").clone()
}

#[tokio::test]
async fn an_audited_call_names_its_series_and_the_ids_that_it_was_given() {
    let (service, _) = service(&Arc::default());
    let event = |series: &str, id: &'static str| pb::SeriesEvent {
        series: series.to_owned(),
        event: Some(pb::Event { id: id.into(), ..pb::Event::default() }),
    };
    let append = |events| pb::AppendRequest { namespace: "n".to_owned(), events };
    let append = async |events| {
        subject(append(events), async |request| drop(service.append(request).await.unwrap())).await
    };
    let mut wanted = Subject::of_id(b"s");
    wanted.push("ids", ["i", "j"]);
    assert_eq!(append(vec![event("s", "i"), event("s", ""), event("s", "j")]).await, wanted);
    let mut wanted = Subject::default();
    wanted.push("series", ["s", "t"]);
    wanted.push("ids", ["i", "i"]);
    assert_eq!(append(vec![event("s", "i"), event("t", "i")]).await, wanted);

    let request = pb::DeleteEventsRequest {
        namespace: "n".to_owned(),
        series: "s".to_owned(),
        all: true,
        ..pb::DeleteEventsRequest::default()
    };
    let deleted = subject(request, async |request| drop(service.delete_events(request).await.unwrap())).await;
    assert_eq!(deleted, Subject::of_id(b"s"));
    let request =
        pb::ListSeriesRequest { namespace: "n".to_owned(), prefix: "p".to_owned(), ..Default::default() };
    let listed = subject(request, async |request| drop(service.list_series(request).await.unwrap())).await;
    let mut wanted = Subject::default();
    wanted.push("prefix", ["p"]);
    assert_eq!(listed, wanted);
}

#[tokio::test]
async fn a_slow_reader_stops_the_server_from_reading_further_pages() {
    let backend: Arc<Watched> = Arc::default();
    let client = serve_backend(&backend).await;
    for at in 0..8 {
        let payload = vec![b'a' + at; 1 << 20];
        client.append(append([event("s", 900 + i64::from(at), payload)])).await.unwrap();
    }
    let pages = || backend.pages.load(std::sync::atomic::Ordering::SeqCst);
    let mut queried = client.query(one_at_a_time(), Resume::Never);
    queried.next().await.unwrap().unwrap();
    // Once another call on the same connection is answered, the server has done all it will for the stream.
    client.describe(DescribeRequest { namespace: "n".to_owned() }).await.unwrap();
    assert!(pages() < 8, "{} pages were read for a reader who took one", pages());
    assert_eq!(queried.count().await, 7);

    let (other, _) = serve(service(&backend).0).await;
    let mut tailed = other.tail(tail(TailFrom::Beginning), Resume::Never);
    let before = pages();
    assert_eq!(events(&mut tailed).await.len(), 1);
    other.describe(DescribeRequest { namespace: "n".to_owned() }).await.unwrap();
    assert!(pages() - before < 8, "{} pages were read for a reader who took one", pages() - before);
    for _ in 1..8 {
        assert_eq!(events(&mut tailed).await.len(), 1);
    }
    assert!(tailed.next().now_or_never().is_none(), "a Tail has no end");
}
