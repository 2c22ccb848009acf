//! Errors of brokers, by librdkafka's mock cluster.

use std::time::{Duration, Instant};

use prism_backends::{Kafka, kafka};
use prism_contract::Lifecycle;
use prism_contract::timeseries::TimeSeriesBackend;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::broker::{append, end, event, now, open, read, tail};

/// A mock cluster with the topics of the store.
fn cluster() -> (MockCluster<'static, DefaultProducerContext>, kafka::Options) {
    let cluster = MockCluster::new(1).expect("a cluster");
    // The mock makes no topics by request.
    cluster.create_topic("prism-_namespaces", 1, 1).expect("a topic");
    cluster.create_topic("prism-events", 4, 1).expect("a topic");
    let mut options = kafka::Options::new(cluster.bootstrap_servers());
    options.create_topics = false;
    options.readers = 2;
    options.request_timeout = Duration::from_secs(2);
    (cluster, options)
}

async fn opened() -> (MockCluster<'static, DefaultProducerContext>, Kafka) {
    let (cluster, options) = cluster();
    let store = open(&options).await;
    store.append(append(vec![event(now(), "zero", "0")])).await.unwrap();
    (cluster, store)
}

/// Appends and reads back by a Tail.
async fn works(store: &Kafka) {
    let after = end(store).await;
    store.append(append(vec![event(now(), "one", "1"), event(now(), "two", "2")])).await.unwrap();
    let (events, _) = read(store, tail(after), 2).await;
    assert_eq!(events.iter().map(|event| &event.event.payload[..]).collect::<Vec<_>>(), [b"1", b"2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_leader_and_a_timeout_are_repeated_without_a_duplicate() {
    let (cluster, store) = opened().await;
    works(&store).await;
    for error in [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
    ] {
        cluster.request_errors(RDKafkaApiKey::Produce, &[error, error]);
        works(&store).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_the_broker_refuses_fails_for_good() {
    let (cluster, store) = opened().await;
    cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
    let refused = store.append(append(vec![event(now(), "large", "x")])).await.unwrap_err();
    assert_eq!(refused.reason(), "INTERNAL");
    works(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_that_are_away_are_unavailable_within_the_append_s_timeout_and_come_back() {
    let (cluster, store) = opened().await;
    cluster.broker_down(1).expect("a broker that is down");
    let began = Instant::now();
    let (checked, appended) =
        tokio::join!(store.check(), store.append(append(vec![event(now(), "lost", "x")])));
    for error in [checked.unwrap_err(), appended.unwrap_err()] {
        assert_eq!(error.reason(), "BACKEND_UNAVAILABLE", "{error:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    cluster.broker_up(1).expect("a broker that is up");
    while store.check().await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "the store does not recover");
    }
    works(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_beyond_the_broker_s_log_expires_the_token() {
    let (cluster, store) = opened().await;
    let after = end(&store).await;
    store.append(append(vec![event(now(), "one", "1")])).await.unwrap();
    cluster.request_errors(RDKafkaApiKey::Fetch, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE; 4]);
    let refused = store.tail(&tail(after)).await.unwrap_err();
    assert_eq!(refused.reason(), "TOKEN_EXPIRED");
}
