//! Backends on Kafka: what they need, and what they cannot keep.

use prism_proxy::config::{DatabaseKind, Problem};

use super::of_file;

/// A configuration with a backend on Kafka and a rule for its namespaces.
fn file(kafka: &str, default: &str, rule: &str) -> String {
    format!(
        "backends:\n  main:\n    type: memory\n  events:\n    type: kafka\n    kafka: {{{kafka}}}\nnamespaces:\n  \
         default_backend: {default}\n  rules:\n    - match: logs-*\n      backend: events\n      {rule}\n"
    )
}

const BROKERS: &str = "brokers: 'one:9092, two:9092'";
const RULE: &str = "abstraction: timeseries\n      accept_past: 1h\n      accept_future: 5m";

/// The messages of the problems of a configuration.
fn refused(file: &str) -> Vec<String> {
    let problems = of_file(file).map(drop).unwrap_err();
    problems.into_iter().map(|Problem { message, .. }| message).collect()
}

#[test]
fn a_backend_on_kafka_has_its_brokers_and_is_shown_without_its_password() {
    let kafka = format!(
        "{BROKERS}, username: prism, password_file: /run/secrets/kafka, mechanism: SCRAM-SHA-512, compression: gzip, tls: {{ca: ca.pem}}"
    );
    let config = of_file(&file(&kafka, "main", RULE)).unwrap();
    let database = &config.backends["events"].database;
    assert_eq!((database.kind, database.kafka.brokers.as_str()), (DatabaseKind::Kafka, "one:9092,two:9092"));
    assert_eq!(database.kafka.namespaces_topic(), "prism-_namespaces");
    let shown = config.to_yaml();
    assert_eq!(of_file(&shown).unwrap(), config, "{shown}");
    for line in [
        "type: kafka",
        "one:9092,two:9092",
        "username: prism",
        "mechanism: SCRAM-SHA-512",
        "compression: gzip",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
}

#[rstest::rstest]
#[case::without_brokers(
    "",
    "type is kafka and kafka.brokers is not set; write the addresses of brokers, such as one:9092,two:9092"
)]
#[case::a_broker_without_a_port(
    "brokers: one",
    "kafka.brokers: the value is not a list of addresses by commas; write host:port for each, such as one:9092,two:9092"
)]
#[case::a_user_without_a_password(
    "brokers: 'one:1', username: u",
    "kafka.username and kafka.password_file must be set together, and kafka.mechanism only with them"
)]
#[case::a_certificate_without_a_key(
    "brokers: 'one:1', tls: {cert: c.pem}",
    "kafka.tls.cert and kafka.tls.key must be set together"
)]
#[case::a_prefix_that_no_topic_has(
    "brokers: 'one:1', topic_prefix: a/b",
    "kafka.topic_prefix: the value is not the start of a topic's name; at most 64 of a-z, A-Z, 0-9, '.', '_' and '-' are allowed"
)]
fn mistakes_are_named_with_what_is_allowed(#[case] kafka: &str, #[case] message: &str) {
    let messages = refused(&file(kafka, "main", RULE));
    assert!(messages[0].ends_with(message), "{messages:?}");
}

#[rstest::rstest]
#[case::without_a_past("abstraction: timeseries\n      accept_future: 5m", "accept_past")]
#[case::without_a_future("abstraction: timeseries\n      accept_past: 1h", "accept_future")]
fn a_namespace_needs_a_window_with_two_bounds(#[case] rule: &str, #[case] field: &str) {
    let expected = format!(
        "namespaces.rules: logs-*: {field} is missing; on Kafka both sides of the acceptance window need a bound, such as \
         accept_past: 1h and accept_future: 5m, because a Query holds the events within it"
    );
    assert_eq!(refused(&file(BROKERS, "main", rule)), [expected]);
}

#[test]
fn keyvalue_cannot_live_on_kafka() {
    let expected = "namespaces.rules: logs-*: its backend is of type kafka, which keeps TimeSeries alone; write abstraction: \
                    timeseries";
    assert_eq!(refused(&file(BROKERS, "main", "max_ttl: 1h")), [expected]);
    let messages = refused(&file(BROKERS, "events", RULE));
    assert!(
        messages[0].starts_with("namespaces.default_backend is of type kafka, which keeps TimeSeries alone;"),
        "{messages:?}"
    );
    let messages = refused("database:\n  type: kafka\n  kafka:\n    brokers: one:1\n");
    assert!(
        messages[0].starts_with("the only backend is of type kafka, which keeps TimeSeries alone;"),
        "{messages:?}"
    );
}
