//! Errors of brokers, by librdkafka's mock cluster.

use std::time::{Duration, Instant};

use prism_backends::{Kafka, kafka};
use prism_contract::Lifecycle;
use prism_contract::timeseries::TimeSeriesBackend;
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::broker::{WINDOW, append, end, event, ids, now, open, pages, query, read, tail};

/// The default time until a request fails.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// Several times as many requests as are sent at once.
const MANY: usize = 80;

/// A mock cluster with the topics of the store, and their records as another gateway wrote them: the mock answers no request
/// about topics.
async fn cluster() -> (MockCluster<'static, DefaultProducerContext>, kafka::Options) {
    let cluster = MockCluster::new(1).expect("a cluster");
    let options = kafka::Options { readers: 2, ..kafka::Options::new(cluster.bootstrap_servers()) };
    cluster.create_topic(&options.namespaces_topic(), 1, 1).expect("a topic");
    cluster.create_topic("prism-events", 4, 1).expect("a topic");
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", &options.brokers).create().expect("a producer");
    let window = 2 * WINDOW.as_millis();
    let record = format!("1 generation=1 partitions=4 window_ms={window} retention_ms=none");
    for (key, value) in [("store/00", ""), ("namespace/events", record.as_str())] {
        let topic = options.namespaces_topic();
        let record = FutureRecord::to(&topic).partition(0).key(key).payload(value);
        producer.send(record, Duration::from_secs(5)).await.expect("an acknowledgement");
    }
    (cluster, options)
}

async fn opened() -> (MockCluster<'static, DefaultProducerContext>, Kafka) {
    let (cluster, options) = cluster().await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_the_brokers_remove_under_a_query_are_left_out_of_it() {
    let (cluster, store) = opened().await;
    store.append(append(vec![event(now(), "one", "1")])).await.unwrap();
    assert_eq!(ids(&pages(&store, query()).await.0), ["zero", "one"]);
    let removed = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
    cluster.request_errors(RDKafkaApiKey::Fetch, &[removed]);
    assert_eq!(ids(&pages(&store, query()).await.0), ["zero", "one"]);
    // Over and over: not the error of a token, since there is none.
    cluster.request_errors(RDKafkaApiKey::Fetch, &[removed; 8]);
    let refused = store.query(&query()).await.unwrap_err();
    let cause = format!("{:?}", refused.cause().expect("a cause"));
    let expected = ("BACKEND_UNAVAILABLE", "the brokers remove records faster than they are read");
    assert_eq!((refused.reason(), cause.as_str()), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_does_not_know_a_topic_for_a_while_expires_no_token() {
    let (cluster, store) = opened().await;
    let after = end(&store).await;
    let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    cluster.request_errors(RDKafkaApiKey::ListOffsets, &[unknown; 64]);
    let away = store.query(&query()).await.unwrap_err();
    assert_eq!(away.reason(), "BACKEND_UNAVAILABLE");
    cluster.clear_request_errors(RDKafkaApiKey::ListOffsets);
    // A Tail waits, and does not ask over and over.
    let tail_of = tail(after.clone());
    assert!(futures::poll!(std::pin::pin!(store.appended(&tail_of))).is_pending());
    store.append(append(vec![event(now(), "one", "1")])).await.unwrap();
    let (events, _) = read(&store, tail(after), 1).await;
    assert_eq!(events[0].event.payload, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_to_brokers_that_are_away_fail_as_soon_as_one() {
    let (cluster, store) = opened().await;
    cluster.broker_down(1).expect("a broker that is down");
    let began = Instant::now();
    let outcomes = futures::future::join_all((0..MANY).map(|_| store.check())).await;
    // Those that have waited for the others, and those that were sent.
    for error in outcomes.into_iter().map(Result::unwrap_err) {
        assert!(["OVERLOADED", "BACKEND_UNAVAILABLE"].contains(&error.reason()), "{error:?}");
    }
    assert!(began.elapsed() < 3 * REQUEST_TIMEOUT, "{:?}", began.elapsed());
}
