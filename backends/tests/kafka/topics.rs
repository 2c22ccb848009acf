//! The topics of namespaces: created by the policy or by an operator, or removed.

use std::time::Duration;

use prism_backends::{Kafka, kafka};
use prism_contract::timeseries::{Append, Query, Start, TimeSeriesBackend, Window};
use prism_contract::{Lifecycle, Namespace};
use prism_testkit::{Backend, skips};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;

use super::broker::{WINDOW, append, end, event, ids, namespace, now, open, pages, query, store, tail};

fn admin(options: &kafka::Options) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &options.brokers).create().expect("a client")
}

/// Settings of a topic that an operator creates for a policy without a retention.
const FITTING: [(&str, &str); 2] = [("cleanup.policy", "delete"), ("retention.ms", "-1")];

async fn create(options: &kafka::Options, partitions: i32, settings: &[(&str, &str)]) {
    let name = format!("{}events", options.topic_prefix);
    let mut topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
    for (key, value) in settings {
        topic = topic.set(key, value);
    }
    let created = admin(options).create_topics([&topic], &AdminOptions::new()).await.expect("an answer");
    assert_eq!(created, [Ok(name)]);
}

async fn alter(options: &kafka::Options, settings: &[(&str, &str)]) {
    let name = format!("{}events", options.topic_prefix);
    let mut config = AlterConfig::new(ResourceSpecifier::Topic(&name));
    for (key, value) in settings {
        config = config.set(key, value);
    }
    let altered = admin(options).alter_configs([&config], &AdminOptions::new()).await.expect("an answer");
    assert_eq!(altered, [Ok(OwnedResourceSpecifier::Topic(name))]);
}

/// A setting of the topic, as the broker has it.
async fn setting(options: &kafka::Options, key: &str) -> Option<String> {
    let name = format!("{}events", options.topic_prefix);
    let asked = [&ResourceSpecifier::Topic(&name)];
    let described = admin(options).describe_configs(asked, &AdminOptions::new()).await.expect("an answer");
    described[0].as_ref().expect("its settings").get(key)?.value.clone()
}

/// The reason of an Append's error, and its cause.
async fn refused(store: &Kafka, append: Append) -> (&'static str, String) {
    let error = store.append(append).await.unwrap_err();
    (error.reason(), format!("{:?}", error.cause().expect("a cause")))
}

async fn remove(options: &kafka::Options) {
    let name = format!("{}events", options.topic_prefix);
    let removed = admin(options).delete_topics(&[&name], &AdminOptions::new()).await.expect("an answer");
    assert_eq!(removed, [Ok(name)]);
}

#[tokio::test]
async fn the_number_of_partitions_is_fixed_by_the_first_append() {
    if skips(Backend::Kafka, "the_number_of_partitions_is_fixed_by_the_first_append") {
        return;
    }
    let (store, options) = store().await;
    store.append(append(vec![event(now(), "one", "1")])).await.unwrap();
    let other = open(&options).await;
    let of = |partitions| move |name: &Namespace| (name == &namespace()).then_some(partitions);
    assert_eq!(other.repartitioned(&of(4)).await.unwrap(), None);
    assert_eq!(other.repartitioned(&of(5)).await.unwrap(), Some((namespace(), 4)));
    assert_eq!(other.repartitioned(&|_: &Namespace| None).await.unwrap(), None);
    // Appends of a policy with another number go where the series is.
    let again = Append { partitions: 9, ..append(vec![event(now(), "two", "2")]) };
    other.append(again).await.unwrap();
    assert_eq!(ids(&pages(&store, query()).await.0), ["one", "two"]);
}

#[tokio::test]
async fn a_given_topic_is_used_if_it_has_the_partitions_of_the_policy() {
    if skips(Backend::Kafka, "a_given_topic_is_used_if_it_has_the_partitions_of_the_policy") {
        return;
    }
    let (store, options) = store().await;
    store.close().await;
    let given = open(&kafka::Options { create_topics: false, ..options.clone() }).await;
    let one = || append(vec![event(now(), "one", "1")]);
    let missing =
        "the topic of the namespace is missing; the next Append creates it, unless create_topics is false";
    assert_eq!(refused(&given, one()).await, ("BACKEND_UNAVAILABLE", missing.to_owned()));
    create(&options, 3, &FITTING).await;
    let name = format!("{}events", options.topic_prefix);
    let why = format!("the topic {name} has 3 partitions, and the policy of its namespace 4");
    assert_eq!(refused(&given, one()).await, ("INTERNAL", why));
    let fitting = Append { partitions: 3, ..one() };
    assert_eq!(given.append(fitting).await.unwrap(), [false]);
    assert_eq!(ids(&pages(&given, query()).await.0), ["one"]);
}

#[tokio::test]
async fn a_given_topic_whose_settings_lose_events_or_their_times_is_refused() {
    if skips(Backend::Kafka, "a_given_topic_whose_settings_lose_events_or_their_times_is_refused") {
        return;
    }
    let (store, options) = store().await;
    store.close().await;
    let given = open(&kafka::Options { create_topics: false, ..options.clone() }).await;
    let one = || append(vec![event(now(), "one", "1")]);
    let name = format!("{}events", options.topic_prefix);
    create(&options, 4, &[("message.timestamp.type", "LogAppendTime"), ("retention.ms", "-1")]).await;
    let why = format!("the topic {name} has message.timestamp.type LogAppendTime; CreateTime is needed");
    assert_eq!(refused(&given, one()).await, ("INTERNAL", why.clone()));
    alter(&options, &[("message.timestamp.type", "CreateTime"), ("retention.ms", "7200000")]).await;
    // Longer than the topic keeps them.
    let day = |append: Append| {
        let day = Duration::from_hours(24);
        Append { expired: Some(append.now.saturating_sub(day)), ..append }
    };
    let short = format!("the topic {name} has retention.ms 7200000; at least 90000000 is needed");
    assert_eq!(refused(&given, day(one())).await, ("INTERNAL", short));
    alter(&options, &[("message.timestamp.type", "CreateTime"), ("retention.ms", "90000000")]).await;
    assert_eq!(given.append(day(one())).await.unwrap(), [false]);
    // Changed under a gateway that has checked it.
    alter(&options, &[("message.timestamp.type", "LogAppendTime"), ("retention.ms", "90000000")]).await;
    assert_eq!(refused(&given, day(one())).await, ("INTERNAL", why));
    // What was written by then can be read, and the record with another time cannot.
    let page = given.query(&query()).await.unwrap();
    assert_eq!(ids(&page.events), ["one"]);
    let rest = Query { after: page.next, snapshot: Some(page.snapshot), ..query() };
    assert_eq!(given.query(&rest).await.unwrap_err().reason(), "DATA_LOSS");
}

#[tokio::test]
async fn a_topic_that_is_there_before_the_first_append_gets_the_settings_of_the_policy() {
    if skips(Backend::Kafka, "a_topic_that_is_there_before_the_first_append_gets_the_settings_of_the_policy")
    {
        return;
    }
    let (store, options) = store().await;
    create(&options, 4, &[("retention.ms", "1000")]).await;
    store.append(append(vec![event(now(), "one", "1")])).await.unwrap();
    assert_eq!(setting(&options, "retention.ms").await.as_deref(), Some("-1"));
}

#[tokio::test]
async fn a_registry_topic_that_was_recreated_is_an_error_until_it_is_restored() {
    if skips(Backend::Kafka, "a_registry_topic_that_was_recreated_is_an_error_until_it_is_restored") {
        return;
    }
    let (store, options) = store().await;
    store.append(append(vec![event(now(), "one", "1")])).await.unwrap();
    store.check().await.unwrap();
    let registry = options.namespaces_topic();
    let removed = admin(&options).delete_topics(&[&registry], &AdminOptions::new()).await.expect("an answer");
    assert_eq!(removed, [Ok(registry.clone())]);
    let cause = |error: prism_contract::Error| (error.reason(), format!("{:?}", error.cause().unwrap()));
    let missing = ("BACKEND_UNAVAILABLE", format!("the registry topic {registry} is missing"));
    assert_eq!(cause(store.check().await.unwrap_err()), missing);
    // As long as it was, by the records of another store.
    let other = open(&options).await;
    other.append(append(vec![event(now(), "two", "2")])).await.unwrap();
    let recreated = format!(
        "the registry topic {registry} was recreated or truncated; restore it, then restart the gateways"
    );
    let recreated = ("BACKEND_UNAVAILABLE", recreated);
    other
        .append(Append {
            window: Window { past: Some(WINDOW * 2), future: Some(WINDOW) },
            ..append(vec![event(now(), "three", "3")])
        })
        .await
        .unwrap();
    assert_eq!(cause(store.check().await.unwrap_err()), recreated);
}

#[tokio::test]
async fn a_topic_that_was_removed_is_recreated_and_its_tokens_expire() {
    if skips(Backend::Kafka, "a_topic_that_was_removed_is_recreated_and_its_tokens_expire") {
        return;
    }
    let (store, options) = store().await;
    let before = store.position(&namespace(), None, Start::Beginning).await.unwrap();
    store.append(append(vec![event(now(), "one", "1")])).await.unwrap();
    // A Tail that began before there was a topic goes on.
    let whole = prism_contract::timeseries::Tail { series: None, ..tail(before) };
    assert_eq!(store.tail(&whole).await.unwrap().events.len(), 1);
    let token = end(&store).await;
    remove(&options).await;
    let away = store.query(&query()).await.unwrap_err();
    assert_eq!(away.reason(), "BACKEND_UNAVAILABLE");
    store.append(append(vec![event(now(), "two", "2"), event(now(), "three", "3")])).await.unwrap();
    assert_eq!(pages(&store, query()).await.0.len(), 2);
    for after in [token, whole.after] {
        let refused = store.tail(&tail(after)).await.unwrap_err();
        assert_eq!(refused.reason(), "TOKEN_EXPIRED");
    }
    // Another gateway reads so in the record.
    let refused = open(&options).await.tail(&tail(end(&store).await)).await.unwrap();
    assert!(refused.events.is_empty());
}
