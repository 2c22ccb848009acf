//! Which calls a namespace of an abstraction answers, and to whom.

use futures::StreamExt;
use prism_contract::keyvalue::request::{GetRequest, PutRequest};
use prism_contract::timeseries::Policy;
use prism_contract::timeseries::request::{
    DeleteEventsRequest, DescribeRequest, HistogramRequest, ListSeriesRequest, TailFrom,
};
use prism_contract::{DurationInput, TimeInput};
use prism_proxy::config::{Digest, NamespaceRule, Namespaces, Permission, Rate, Rule, Token, Undeclared};
use prism_proxy::server::Services;
use prism_wire::status::Decoded;
use prism_wire::timeseries::{Client, Resume};
use tonic::Code;

use super::{append, event, ids, next, query, read, services, tail};
use crate::support::{Mode, Server, Steered, get, item, put, refusal, timeseries_rule, with_rules};

#[tokio::test]
async fn events_are_appended_read_and_followed_beside_items() {
    let server = Server::start_with(services(), |_| {}).await;
    let (items, events) = (server.client().await, server.timeseries().await);
    let mut followed = events.tail(tail("events", "s", TailFrom::Now), Resume::Never);
    assert!(next(&mut followed).await.unwrap().events.is_empty());
    items.put(PutRequest { namespace: "items".to_owned(), ..put(vec![item("k", "v")]) }).await.unwrap();
    let appended = events.append(append("events", vec![event("s", "1"), event("s", "2")])).await.unwrap();
    assert_eq!(appended.results.iter().map(|result| result.duplicate).collect::<Vec<_>>(), [false, false]);
    let again = events.append(append("events", vec![event("s", "2")])).await.unwrap();
    assert!(again.results[0].duplicate);
    assert_eq!(ids(&mut followed).await, ["1", "2"]);
    let answer = read(&events, query("events", "s")).await.unwrap();
    assert_eq!(answer.events.len(), 2);
    assert_eq!(&answer.events[0].payload[..], b"payload");
    let mut after = events.tail(tail("events", "s", TailFrom::Token(answer.tail_token)), Resume::Never);
    events.append(append("events", vec![event("s", "3")])).await.unwrap();
    assert_eq!(ids(&mut after).await, ["3"]);
    assert_eq!(ids(&mut followed).await, ["3"]);
    let described = events.describe(DescribeRequest { namespace: "events".to_owned() }).await.unwrap();
    assert_eq!((described.policy, described.heartbeat.as_secs()), (Policy::default(), 5));
}

/// The refusals of a call of each method of TimeSeries.
async fn refusals(client: &Client, namespace: &str) -> Vec<Decoded> {
    let (start, end) = (TimeInput { seconds: 0, nanos: 0 }, TimeInput { seconds: 1, nanos: 0 });
    let (name, series) = (|| namespace.to_owned(), || "s".to_owned());
    let histogram = HistogramRequest {
        namespace: name(),
        series: series(),
        start: Some(start),
        end: Some(end),
        bucket: Some(DurationInput { seconds: 1, nanos: 0 }),
        ..HistogramRequest::default()
    };
    let delete = DeleteEventsRequest { namespace: name(), series: series(), all: true, ..Default::default() };
    let list = ListSeriesRequest { namespace: name(), ..Default::default() };
    let mut followed = client.tail(tail(namespace, "s", TailFrom::Now), Resume::Never);
    vec![
        refusal(client.append(append(namespace, vec![event("s", "1")])).await),
        refusal(read(client, query(namespace, "s")).await),
        refusal(next(&mut followed).await),
        refusal(client.list_series(list, Resume::Never).next().await.expect("an answer")),
        refusal(client.histogram(histogram).await),
        refusal(client.delete_events(delete).await),
        refusal(client.describe(DescribeRequest { namespace: name() }).await),
    ]
}

fn wrong(refused: &Decoded) -> (Code, &str, &str) {
    (refused.code, &refused.reason, &refused.message)
}

#[tokio::test]
async fn each_call_of_the_other_abstraction_is_refused_and_names_that_of_the_namespace() {
    let server = Server::start_with(services(), |_| {}).await;
    let (items, events) = (server.client().await, server.timeseries().await);
    let holds =
        |what: &str| format!("this namespace holds {what} data; the call is one of another abstraction");
    // A namespace without a rule is KeyValue.
    let of_events = refusals(&events, "items").await;
    assert_eq!(of_events.len(), 7);
    for refused in of_events {
        assert_eq!(wrong(&refused), (Code::FailedPrecondition, "WRONG_ABSTRACTION", &*holds("KeyValue")));
    }
    for namespace in ["events", "events-1"] {
        let put = PutRequest { namespace: namespace.to_owned(), ..put(vec![item("k", "v")]) };
        let refused = [
            refusal(items.put(put).await),
            refusal(items.get(GetRequest { namespace: namespace.to_owned(), ..get() }).await),
        ];
        for refused in &refused {
            assert_eq!(
                wrong(refused),
                (Code::FailedPrecondition, "WRONG_ABSTRACTION", &*holds("TimeSeries"))
            );
        }
    }
}

fn token(name: &str, permissions: &[Permission], namespaces: Option<&str>) -> Token {
    Token {
        name: name.to_owned(),
        digest: Digest::of(name.as_bytes()),
        permissions: permissions.to_vec(),
        namespaces: namespaces.map(|name| vec![NamespaceRule::Exactly(name.to_owned())]),
    }
}

/// Undeclared namespaces are refused, `events` is TimeSeries, and `items` KeyValue.
fn declared() -> Services {
    let items = Rule::new(NamespaceRule::Exactly("items".to_owned()));
    let rules = vec![timeseries_rule("events", Policy::default()), items];
    let timeseries = std::sync::Arc::new(prism_contract::timeseries::Memory::default());
    let services = with_rules(Steered::new(Mode::Works), timeseries, rules.clone());
    let namespaces = Namespaces { undeclared: Undeclared::Refuse, rules, ..Namespaces::default() };
    let definitions =
        prism_proxy::catalog::Definitions::of(&namespaces, std::slice::from_ref(&services.stores[0].name));
    services.catalog.change(|snapshot| snapshot.with_rules(definitions));
    services
}

#[tokio::test]
async fn permission_and_existence_are_decided_before_the_abstraction() {
    let (read_only, write_only) = ([Permission::Read], [Permission::Write]);
    let both = [Permission::Read, Permission::Write];
    let server = Server::start_with(declared(), |options| {
        options.auth = vec![
            token("all", &both, None),
            token("elsewhere", &both, Some("other")),
            token("reader", &read_only, None),
            token("writer", &write_only, None),
        ]
        .into();
    })
    .await;
    let all = server.timeseries_with_token("all").await;
    for refused in refusals(&all, "absent").await {
        assert_eq!((refused.code, &*refused.reason), (Code::NotFound, "NAMESPACE_NOT_FOUND"));
    }
    // Whether the namespace exists, and what it holds, is not told.
    let elsewhere = server.timeseries_with_token("elsewhere").await;
    let denied = refusals(&elsewhere, "absent").await;
    assert_eq!(refusals(&elsewhere, "items").await, denied);
    assert_eq!(refusals(&elsewhere, "events").await, denied);
    for refused in denied {
        assert_eq!((refused.code, &*refused.reason), (Code::PermissionDenied, "PERMISSION_DENIED"));
    }
    let put_in = PutRequest { namespace: "events".to_owned(), ..put(vec![item("k", "v")]) };
    let by_items = server.client_with_token("elsewhere").await;
    assert_eq!(refusal(by_items.put(put_in).await).code, Code::PermissionDenied);

    let (reader, writer) =
        (server.timeseries_with_token("reader").await, server.timeseries_with_token("writer").await);
    assert_eq!(
        refusal(reader.append(append("events", vec![event("s", "1")])).await).code,
        Code::PermissionDenied
    );
    writer.append(append("events", vec![event("s", "1")])).await.unwrap();
    assert_eq!(read(&reader, query("events", "s")).await.unwrap().events.len(), 1);
    assert_eq!(refusal(read(&writer, query("events", "s")).await).code, Code::PermissionDenied);
    let mut followed = writer.tail(tail("events", "s", TailFrom::Beginning), Resume::Never);
    assert_eq!(refusal(next(&mut followed).await).code, Code::PermissionDenied);
    let mut followed = reader.tail(tail("events", "s", TailFrom::Beginning), Resume::Never);
    assert_eq!(ids(&mut followed).await, ["1"]);
}

#[tokio::test]
async fn a_rate_counts_appends_as_writes_and_queries_and_tails_as_reads_once_each() {
    let rate = Rate { reads: Some(0.01), writes: Some(0.01), burst: Some(2) };
    let rule = Rule { rate, ..timeseries_rule("slow", Policy::default()) };
    let timeseries = std::sync::Arc::new(prism_contract::timeseries::Memory::default());
    let services = with_rules(Steered::new(Mode::Works), timeseries, vec![rule]);
    let server = Server::start_with(services, |_| {}).await;
    let client = server.timeseries().await;
    let mut followed = client.tail(tail("slow", "s", TailFrom::Beginning), Resume::Never);
    next(&mut followed).await.unwrap();
    for id in ["1", "2"] {
        client.append(append("slow", vec![event("s", id)])).await.unwrap();
        // Its messages are no further calls.
        assert_eq!(ids(&mut followed).await, [id]);
    }
    let refused = refusal(client.append(append("slow", vec![event("s", "3")])).await);
    assert_eq!((refused.code, &*refused.reason), (Code::ResourceExhausted, "OVERLOADED"));
    assert!(refused.retry_after.is_some_and(|delay| delay.as_secs() > 90), "{refused:?}");
    read(&client, query("slow", "s")).await.unwrap();
    assert_eq!(refusal(read(&client, query("slow", "s")).await).code, Code::ResourceExhausted);
    let mut refused = client.tail(tail("slow", "s", TailFrom::Now), Resume::Never);
    assert_eq!(refusal(next(&mut refused).await).code, Code::ResourceExhausted);
    client.describe(DescribeRequest { namespace: "slow".to_owned() }).await.unwrap();
}

#[tokio::test]
async fn a_store_that_keeps_no_timeseries_makes_such_a_namespace_unavailable() {
    let services = services();
    services.catalog.change(|snapshot| snapshot.with_timeseries([None]));
    let server = Server::start_with(services, |_| {}).await;
    let refused = refusal(read(&server.timeseries().await, query("events", "s")).await);
    assert_eq!((refused.code, &*refused.reason), (Code::Unavailable, "BACKEND_UNAVAILABLE"));
}
