//! `backends` and `namespaces`: what they mean, and what is refused.

use std::time::Duration;

use prism_contract::timeseries::{Policy, Window};
use prism_proxy::config::{Abstraction, DatabaseKind, NamespaceRule, Undeclared, load};
use rstest::rstest;

use crate::{of_environment, of_file, sources};

const YAML: &str = "\
backends:
  main: {path: ./main.db}
  orders:
    url: postgres://prism@db.example/orders
    postgres: {readers: 3}
    required: false
namespaces:
  undeclared: refuse
  default_backend: main
  rules:
    - match: orders-*
      backend: orders
      owners: [team-orders]
    - match: sessions
      default_ttl: 12h
      max_ttl: 30d
      limits: {max_value_bytes: 64KiB, max_put_items: 10}
      rate: {reads: 1000, writes: 0.5, burst: 100}
";

#[test]
fn backends_and_rules_are_read_and_shown_as_they_are_read() {
    let config = of_file(YAML).unwrap();
    let [main, orders] = ["main", "orders"].map(|name| &config.backends[name]);
    assert_eq!((main.database.kind, main.required), (DatabaseKind::Sqlite, true));
    assert_eq!((orders.database.kind, orders.required), (DatabaseKind::Postgres, false));
    assert_eq!(orders.database.postgres.readers, 3);
    assert_eq!(config.namespaces.undeclared, Undeclared::Refuse);
    let [prefix, exact] = &config.namespaces.rules[..] else { panic!("two rules") };
    assert_eq!(prefix.namespaces, NamespaceRule::Prefix("orders-".to_owned()));
    assert_eq!((exact.default_ttl, exact.max_ttl), (Some(HOUR * 12), Some(HOUR * 24 * 30)));
    assert_eq!((exact.limits.value_bytes, exact.limits.put_items), (Some(64 << 10), Some(10)));
    assert_eq!((exact.rate.reads, exact.rate.writes, exact.rate.burst), (Some(1000.0), Some(0.5), Some(100)));

    let shown = config.to_yaml();
    assert!(!shown.contains("\ndatabase:"), "{shown}");
    assert_eq!(of_file(&shown).unwrap(), config, "{shown}");
}

const TIMESERIES: &str = "\
namespaces:
  rules:
    - match: metrics-*
      abstraction: timeseries
      retention: 30d
      accept_past: 24h
      accept_future: 0s
      partitions: 16
      rate: {writes: 100}
      audit: false
      encrypt: false
      owners: [team-metrics]
    - match: events
      abstraction: timeseries
    - match: orders
      abstraction: keyvalue
";

#[test]
fn a_timeseries_rule_has_a_retention_and_a_window_and_an_absent_duration_is_unlimited() {
    let config = of_file(TIMESERIES).unwrap();
    let [metrics, events, orders] = &config.namespaces.rules[..] else { panic!("three rules") };
    let window = Window { past: Some(HOUR * 24), future: Some(Duration::ZERO) };
    let policy = Policy { retention: Some(HOUR * 24 * 30), window, partitions: 16 };
    assert_eq!(metrics.abstraction, Abstraction::TimeSeries(policy));
    assert_eq!((metrics.rate.writes, metrics.audit, metrics.owners.len()), (Some(100.0), Some(false), 1));
    let unlimited = Policy { retention: None, window: Window::default(), partitions: 8 };
    assert_eq!(events.abstraction, Abstraction::TimeSeries(unlimited));
    assert_eq!(orders.abstraction, Abstraction::KeyValue);
    let shown = config.to_yaml();
    assert_eq!(of_file(&shown).unwrap(), config, "{shown}");
}

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn the_short_form_is_one_required_backend() {
    let config = of_file("database: {path: ./mine.db}").unwrap();
    let backends: Vec<_> = config.all_backends().into_iter().collect();
    let [(name, backend)] = &backends[..] else { panic!("one backend") };
    assert_eq!((name.as_str(), backend.required), ("default", true));
    assert_eq!(backend.database, config.database);
}

#[test]
fn the_environment_replaces_backends_and_rules() {
    let config = of_environment(&[
        ("PRISM_BACKENDS", "{a: {type: memory}}"),
        ("PRISM_NAMESPACES_RULES", "[{match: n, backend: a}]"),
    ]);
    let config = config.unwrap();
    assert_eq!((config.backends.len(), config.namespaces.rules.len()), (1, 1));
}

#[rstest]
#[case::backends_that_are_a_list("backends: [a]", "c.yaml:1:11", "is a list; a mapping of backends by name")]
#[case::a_malformed_name(
    "backends:\n  A.b: {type: memory}\n",
    "c.yaml:2:8",
    "has a backend whose name is malformed; 1 to 64 of a-z"
)]
#[case::an_unknown_key(
    "backends:\n  a:\n    pth: x\n",
    "c.yaml:3:10",
    "'pth' is not a key of a backend; it has required, url, type, path"
)]
#[case::a_bad_value(
    "backends:\n  a: {sqlite: {readers: 0}}\n",
    "c.yaml:2:25",
    "sqlite.readers: the value is not a whole number from 1"
)]
#[case::no_boolean("backends:\n  a: {required: yes}\n", "c.yaml:2:17", "required is not true or false")]
#[case::no_url("backends:\n  a: {type: postgres}\n", "c.yaml:2:6", "type is postgres and url is not set")]
#[case::database_beside_backends(
    "backends:\n  a: {type: memory}\ndatabase:\n  path: ./x.db\n",
    "c.yaml:4:9",
    "database.path is set beside backends"
)]
#[case::no_default(
    "backends:\n  a: {type: memory}\n  b: {type: memory}\n",
    "c.yaml:2:3",
    "there are several backends and no namespaces.default_backend"
)]
#[case::an_unknown_default(
    "namespaces:\n  default_backend: b\n",
    "c.yaml:2:20",
    "there is no backend 'b'; there is default"
)]
#[case::an_unknown_backend(
    "namespaces:\n  rules: [{match: n, backend: b}]\n",
    "c.yaml:2:10",
    "namespaces.rules: n: there is no backend 'b'; there is default"
)]
#[case::no_match(
    "namespaces: {rules: [{backend: default}]}",
    "c.yaml:1:22",
    "needs match; write a namespace or the beginning of some and *"
)]
#[case::a_match_without_a_value(
    "namespaces: {rules: [{match: , rate: {reads: 1}}]}",
    "c.yaml:1:22",
    "needs match"
)]
#[case::a_ttl_without_a_unit(
    "namespaces: {rules: [{match: a, max_ttl: 30}]}",
    "c.yaml:1:42",
    "the value is not allowed here; max_ttl is a duration longer than 0; write a whole number and a unit"
)]
#[case::a_bad_match(
    "namespaces: {rules: [{match: 'a*b'}]}",
    "c.yaml:1:30",
    "the value is not allowed here; match is a namespace, or the beginning of some and *"
)]
#[case::the_same_match(
    "namespaces: {rules: [{match: a*}, {match: a*}]}",
    "c.yaml:1:35",
    "has the match of another rule, a*"
)]
#[case::an_unknown_key_of_a_rule(
    "namespaces: {rules: [{match: a, mach: b}]}",
    "c.yaml:1:39",
    "'mach' is not a key of a rule; match, abstraction, backend, default_ttl, max_ttl, limits, retention, accept_past, \
     accept_future, partitions, rate, encrypt, audit and owners are allowed"
)]
#[case::another_abstraction(
    "namespaces: {rules: [{match: a, abstraction: graph}]}",
    "c.yaml:1:46",
    "the value is not allowed here; write keyvalue or timeseries"
)]
#[case::a_ttl_of_events(
    "namespaces: {rules: [{match: a, abstraction: timeseries, default_ttl: 1h}]}",
    "c.yaml:1:71",
    "default_ttl is a key of keyvalue rules only, and this rule's abstraction is timeseries"
)]
#[case::limits_of_items_for_events(
    "namespaces: {rules: [{match: a, abstraction: timeseries, limits: {max_put_items: 1}}]}",
    "c.yaml:1:66",
    "limits is a key of keyvalue rules only, and this rule's abstraction is timeseries"
)]
#[case::a_retention_of_items(
    "namespaces: {rules: [{match: a, retention: 30d}]}",
    "c.yaml:1:44",
    "retention is a key of timeseries rules only, and this rule's abstraction is keyvalue"
)]
#[case::partitions_of_items(
    "namespaces: {rules: [{match: a, abstraction: keyvalue, partitions: 4}]}",
    "c.yaml:1:68",
    "partitions is a key of timeseries rules only, and this rule's abstraction is keyvalue"
)]
#[case::encrypted_events(
    "namespaces: {rules: [{match: a, abstraction: timeseries, encrypt: true}]}",
    "c.yaml:1:67",
    "encryption of TimeSeries namespaces is not supported"
)]
#[case::a_retention_without_a_unit(
    "namespaces: {rules: [{match: a, abstraction: timeseries, retention: 30}]}",
    "c.yaml:1:69",
    "the value is not allowed here; retention is a duration; write a whole number and a unit"
)]
#[case::no_retention_at_all(
    "namespaces: {rules: [{match: a, abstraction: timeseries, retention: 0s, accept_past: 0s}]}",
    "c.yaml:1:69",
    "retention is 0; omit it to keep events for ever"
)]
#[case::a_retention_without_a_window(
    "namespaces: {rules: [{match: a, abstraction: timeseries, retention: 30d}]}",
    "c.yaml:1:22",
    "accept_past is missing; with a retention it has to be set, at least 60 seconds shorter"
)]
#[case::a_window_as_long_as_the_retention(
    "namespaces: {rules: [{match: a, abstraction: timeseries, retention: 1h, accept_past: 3541s}]}",
    "c.yaml:1:86",
    "accept_past is too long; it has to be at least 60 seconds shorter than retention"
)]
#[case::too_many_partitions(
    "namespaces: {rules: [{match: a, abstraction: timeseries, partitions: 257}]}",
    "c.yaml:1:70",
    "partitions is 257; 1 to 256 are allowed"
)]
#[case::no_partitions(
    "namespaces: {rules: [{match: a, abstraction: timeseries, partitions: 0}]}",
    "c.yaml:1:70",
    "partitions is 0; 1 to 256 are allowed"
)]
#[case::a_part_of_a_partition(
    "namespaces: {rules: [{match: a, abstraction: timeseries, partitions: 1.5}]}",
    "c.yaml:1:70",
    "the value is not allowed here; partitions is a whole number from 1 to 256"
)]
#[case::a_limit_above_the_contract(
    "namespaces: {rules: [{match: a, limits: {max_value_bytes: 2MiB}}]}",
    "c.yaml:1:59",
    "the value is not allowed here; max_value_bytes is a size, such as 64KiB, from 1 to the contract's 1048576"
)]
#[case::a_rate_of_nothing(
    "namespaces: {rules: [{match: a, rate: {reads: 0}}]}",
    "c.yaml:1:47",
    "the value is not allowed here; reads is a number of calls per second, from 0.001 to 1000000000"
)]
#[case::a_default_beyond_the_maximum(
    "namespaces: {rules: [{match: a, default_ttl: 2h, max_ttl: 1h}]}",
    "c.yaml:1:22",
    "has a default_ttl that is longer than its max_ttl"
)]
#[case::an_owner_with_a_control_character(
    "namespaces: {rules: [{match: a, owners: [\"a\\x1b\"]}]}",
    "c.yaml:1:42",
    "write 1 to 128 bytes without control characters"
)]
#[case::no_boolean_to_encrypt(
    "namespaces: {rules: [{match: a, encrypt: yes}]}",
    "c.yaml:1:42",
    "the value is not allowed here; encrypt is true or false"
)]
#[case::encryption_without_keys(
    "namespaces: {rules: [{match: a, encrypt: true}]}",
    "c.yaml:1:21",
    "namespaces.rules: a: encrypt is true, and there are no encryption.keys"
)]
#[case::an_audit_without_a_file(
    "namespaces: {rules: [{match: a*, audit: true}]}",
    "c.yaml:1:21",
    "namespaces.rules: a*: audit is true, and there is no audit.file"
)]
fn a_mistake_is_named_with_its_place(#[case] yaml: &str, #[case] place: &str, #[case] message: &str) {
    let problems = of_file(yaml).unwrap_err();
    let [problem] = &problems[..] else { panic!("one problem: {problems:?}") };
    assert_eq!(problem.place, place, "{}", problem.message);
    assert!(problem.message.contains(message), "{}", problem.message);
}

#[test]
fn a_database_flag_beside_backends_is_refused_and_no_message_shows_a_password() {
    let mut given = sources("backends: {a: {type: memory}}", &[]);
    given.flags.database = Some("x.db".to_owned());
    let problems = load(&given).unwrap_err().to_string();
    assert!(problems.contains("--database: database.path is set beside backends"), "{problems}");
    for yaml in [
        "backends: {a: {url: 'postgres://u:hunter2@h:p/d/x@y'}}",
        "backends: {a: {hunter2hunter2hunter2hunter2: x}}",
        "backends: {a: {sqlite: [hunter2]}}",
        "backends: {'hunter2 ': {type: memory}}",
    ] {
        let problems = of_file(yaml).unwrap_err();
        assert!(problems.iter().all(|problem| !problem.message.contains("hunter2")), "{problems:?}");
    }
}
