//! The topics of namespaces: made by the policy, given, or gone.

use prism_backends::kafka;
use prism_contract::timeseries::{Start, TimeSeriesBackend};
use prism_contract::{Lifecycle, Namespace};
use prism_testkit::{Backend, skips};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;

use super::broker::{append, end, event, ids, namespace, now, open, pages, query, store, tail};

fn admin(options: &kafka::Options) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", &options.brokers).create().expect("a client")
}

async fn make(options: &kafka::Options, partitions: i32) {
    let name = format!("{}events", options.topic_prefix);
    let topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
    let made = admin(options).create_topics([&topic], &AdminOptions::new()).await.expect("an answer");
    assert_eq!(made, [Ok(name)]);
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
    let again =
        prism_contract::timeseries::Append { partitions: 9, ..append(vec![event(now(), "two", "2")]) };
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
    let refused = given.append(append(vec![event(now(), "one", "1")])).await.unwrap_err();
    assert_eq!(refused.reason(), "BACKEND_UNAVAILABLE");
    make(&options, 3).await;
    let refused = given.append(append(vec![event(now(), "one", "1")])).await.unwrap_err();
    let name = format!("{}events", options.topic_prefix);
    let why = format!("the topic {name} has 3 partitions, and the policy of its namespace 4");
    assert_eq!((refused.reason(), format!("{:?}", refused.cause().unwrap())), ("INTERNAL", why));
    let fitting =
        prism_contract::timeseries::Append { partitions: 3, ..append(vec![event(now(), "one", "1")]) };
    assert_eq!(given.append(fitting).await.unwrap(), [false]);
    assert_eq!(ids(&pages(&given, query()).await.0), ["one"]);
}

#[tokio::test]
async fn a_topic_that_was_removed_begins_anew_and_its_tokens_expire() {
    if skips(Backend::Kafka, "a_topic_that_was_removed_begins_anew_and_its_tokens_expire") {
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
