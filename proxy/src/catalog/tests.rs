//! Lookup by name and by prefix, and what a call does with its namespace's policy.

use std::time::Duration;

use prism_backends::wrap::encrypt::MasterKey;
use prism_contract::Code;
use prism_contract::keyvalue::Memory;
use rstest::rstest;

use super::*;
use crate::config::LimitsOfRule;

fn rule(namespaces: NamespaceRule, backend: &str) -> Rule {
    Rule { backend: Some(backend.to_owned()), ..Rule::new(namespaces) }
}

fn catalog(undeclared: Undeclared) -> Catalog {
    let names = ["main", "orders", "eu", "exact"];
    let prefix = |text: &str| NamespaceRule::Prefix(text.to_owned());
    let rules = vec![
        rule(prefix("orders-"), "orders"),
        rule(prefix("orders-eu-"), "eu"),
        rule(NamespaceRule::Exactly("orders-eu-1".to_owned()), "exact"),
        rule(NamespaceRule::Exactly("orders".to_owned()), "exact"),
    ];
    let namespaces = Namespaces { undeclared, default_backend: Some("main".to_owned()), rules };
    let definitions = Definitions::of(&namespaces, &names.map(str::to_owned));
    let backends = names.map(|_| Arc::new(Memory::default()) as Arc<dyn KeyValueBackend>);
    Catalog::new(Snapshot::new(definitions, backends.into()))
}

#[rstest]
#[case("orders", Some(3))]
#[case("orders-", Some(1))]
#[case("orders-1", Some(1))]
#[case("orders-eu", Some(1))]
#[case("orders-eu-", Some(2))]
#[case("orders-eu-2", Some(2))]
#[case("orders-eu-1", Some(3))]
#[case("orders-eu-11", Some(2))]
#[case("order", None)]
#[case("orders.1", None)]
#[case("stock", None)]
fn the_exact_name_is_found_first_and_then_the_longest_prefix(
    #[case] name: &str,
    #[case] index: Option<usize>,
) {
    let namespace = Namespace::new(name).unwrap();
    assert_eq!(catalog(Undeclared::Refuse).index_of(&namespace), index);
    assert_eq!(catalog(Undeclared::Allow).index_of(&namespace), index.or(Some(0)));
}

#[test]
fn an_undeclared_namespace_is_not_found_where_they_are_refused() {
    let (catalog, stock) = (catalog(Undeclared::Refuse), Namespace::new("stock").unwrap());
    for access in [Access::Read, Access::Write, Access::Describe] {
        let error = Directory::<dyn KeyValueBackend, _>::find(&catalog, &stock, access)
            .err()
            .expect("it is not served");
        assert_eq!((error.code(), error.reason()), (Code::NotFound, "NAMESPACE_NOT_FOUND"));
    }
}

#[test]
fn a_rule_without_a_policy_has_none_and_each_key_makes_one() {
    let plain = rule(NamespaceRule::Exactly("a".to_owned()), "main");
    assert_eq!(keyvalue_policy(&plain), None);
    let limits = LimitsOfRule { value_bytes: Some(10), ..LimitsOfRule::default() };
    let limited = keyvalue_policy(&Rule { limits, ..plain.clone() }).expect("a policy");
    assert_eq!(limited.limits, Limits { value_bytes: 10, ..Limits::V1 });
    let hour = Some(Duration::from_hours(1));
    let expiring = keyvalue_policy(&Rule { max_ttl: hour, ..plain }).expect("a policy");
    assert_eq!((expiring.ttl(), expiring.limits), (hour, Limits::V1));
}

/// Where calls to a namespace go, by the code of the refusal.
fn served(catalog: &Catalog, name: &str) -> Result<keyvalue::Served, Code> {
    Directory::<dyn KeyValueBackend, _>::find(catalog, &Namespace::new(name).unwrap(), Access::Read)
        .map_err(|error| error.code())
}

#[test]
fn an_encrypted_namespace_is_unavailable_without_keys_and_never_in_plain_text() {
    let key = MasterKey::from_base64("k1", "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=").unwrap();
    let ring = Arc::new(KeyRing::new(vec![Arc::new(key)], "k1").unwrap());
    let sealed = Rule { encrypt: true, ..rule(NamespaceRule::Exactly("sealed".to_owned()), "main") };
    let names = ["main".to_owned()];
    let namespaces = Namespaces { rules: vec![sealed], ..Namespaces::default() };
    let plain: Arc<dyn KeyValueBackend> = Arc::new(Memory::default());
    let snapshot = Snapshot::new(Definitions::of(&namespaces, &names), vec![Arc::clone(&plain)]);
    let catalog = Catalog::new(snapshot);
    assert_eq!(served(&catalog, "sealed").err(), Some(Code::Unavailable));
    assert!(Arc::ptr_eq(&served(&catalog, "open").unwrap().backend, &plain));
    catalog.change(|snapshot| snapshot.with_keys(Some(&ring)));
    assert!(!Arc::ptr_eq(&served(&catalog, "sealed").unwrap().backend, &plain));
    catalog.change(|snapshot| snapshot.with_keys(None));
    assert_eq!(served(&catalog, "sealed").err(), Some(Code::Unavailable));
}

#[test]
fn while_the_created_namespaces_are_unknown_only_rules_of_their_name_are_served() {
    let catalog = catalog(Undeclared::Allow);
    catalog.change(|snapshot| snapshot.with_created(None));
    for unknown in ["stock", "orders-1"] {
        assert_eq!(served(&catalog, unknown).err(), Some(Code::Unavailable), "{unknown}");
    }
    assert_eq!(served(&catalog, "orders").map(|served| served.policy), Ok(None));
    catalog.change(|snapshot| snapshot.with_created(Some(Created::default())));
    assert_eq!(served(&catalog, "stock").map(|served| served.policy), Ok(None));
}

#[test]
fn a_namespace_that_is_being_deleted_or_is_gone_is_not_found() {
    let catalog = catalog(Undeclared::Refuse);
    let with = |is_served| {
        let definition = Definition { is_served, ..Definition::of_backend(Some(0)) };
        catalog.change(|snapshot| snapshot.with_created(Some([("a".into(), definition)].into())));
        served(&catalog, "a").err()
    };
    assert_eq!(with(true), None);
    assert_eq!(with(false), Some(Code::NotFound));
    assert_eq!(with(true), None);
    catalog.change(|snapshot| snapshot.with_created(Some(Created::default())));
    assert_eq!(served(&catalog, "a").err(), Some(Code::NotFound));
}

#[test]
fn each_namespace_has_the_policy_of_its_own_rule() {
    let limited = |name: &str, value_bytes| {
        let limits = LimitsOfRule { value_bytes: Some(value_bytes), ..LimitsOfRule::default() };
        Rule { limits, ..rule(NamespaceRule::Exactly(name.to_owned()), "main") }
    };
    let rules = vec![limited("small", 10), limited("large", 20)];
    let namespaces = Namespaces { rules, ..Namespaces::default() };
    let definitions = Definitions::of(&namespaces, &["main".to_owned()]);
    let catalog = Catalog::new(Snapshot::new(definitions, vec![Arc::new(Memory::default())]));
    for (name, expected) in [("small", Some(10)), ("large", Some(20)), ("other", None)] {
        let policy = served(&catalog, name).unwrap().policy;
        assert_eq!(policy.map(|policy| policy.limits.value_bytes), expected, "{name}");
    }
}

#[test]
fn a_rule_of_the_name_comes_before_a_created_namespace_and_that_before_a_prefix() {
    let catalog = catalog(Undeclared::Refuse);
    let created = ["orders", "orders-eu-2", "stock"];
    let created = created.map(|name| (name.into(), Definition::of_backend(Some(0))));
    catalog.change(|snapshot| snapshot.with_created(Some(created.into())));
    let index_of = |name: &str| catalog.index_of(&Namespace::new(name).unwrap());
    let found = ["orders", "orders-eu-2", "orders-eu-3", "stock"].map(index_of);
    assert_eq!(found, [Some(3), Some(0), Some(2), Some(0)]);
}

#[test]
fn a_namespace_is_audited_by_its_own_choice_and_else_by_that_of_the_server() {
    let choice = |name: &str, audit| Rule { audit, ..rule(NamespaceRule::Exactly(name.to_owned()), "main") };
    let rules = vec![choice("always", Some(true)), choice("never", Some(false)), choice("either", None)];
    let definitions = Definitions::of(&Namespaces { rules, ..Namespaces::default() }, &["main".to_owned()]);
    let catalog = Catalog::new(Snapshot::new(definitions, vec![Arc::new(Memory::default())]));
    for (chosen, either) in [(AuditNamespaces::All, true), (AuditNamespaces::Chosen, false)] {
        catalog.change(|snapshot| snapshot.with_audit(chosen));
        let audited = ["always", "never", "either", "other"].map(|name| catalog.audits(name));
        assert_eq!(audited, [true, false, either, either]);
    }
}

#[test]
fn a_namespace_is_served_by_its_abstraction_only_and_one_without_a_rule_is_keyvalue() {
    let retention = Some(Duration::from_hours(1));
    let window = timeseries::Window { past: Some(Duration::ZERO), future: None };
    let policy = timeseries::Policy { retention, window, ..timeseries::Policy::default() };
    let events = Rule {
        abstraction: Abstraction::TimeSeries(policy.clone()),
        ..rule(NamespaceRule::Exactly("events".to_owned()), "main")
    };
    let namespaces = Namespaces { rules: vec![events], ..Namespaces::default() };
    let definitions = Definitions::of(&namespaces, &["main".to_owned()]);
    let catalog = Catalog::new(Snapshot::new(definitions, vec![Arc::new(Memory::default())]));
    let of_events = |name: &str| {
        let found = Directory::<dyn TimeSeriesBackend, _>::find(
            &catalog,
            &Namespace::new(name).unwrap(),
            Access::Read,
        );
        found.map(|served| served.policy.unwrap().retention).map_err(|error| error.to_string())
    };
    let of_items = |name: &str| {
        let found =
            Directory::<dyn KeyValueBackend, _>::find(&catalog, &Namespace::new(name).unwrap(), Access::Read);
        found.map(|_| ()).map_err(|error| error.to_string())
    };
    let holds =
        |what: &str| format!("this namespace holds {what} data; the call is one of another abstraction");
    assert_eq!(of_items("events"), Err(holds("TimeSeries")));
    assert_eq!(of_events("other"), Err(holds("KeyValue")));
    assert_eq!(of_items("other"), Ok(()));
    assert_eq!(of_events("events"), Err("backend unavailable".to_owned()), "the store keeps no TimeSeries");
    let backend: Arc<dyn TimeSeriesBackend> = Arc::new(timeseries::Memory::default());
    catalog.change(|snapshot| snapshot.with_timeseries([Some(backend)]).with_keys(None));
    assert_eq!(of_events("events"), Ok(retention));
}

#[test]
fn events_expire_only_by_a_policy_that_is_known_to_be_that_of_their_namespace() {
    let of = |hours, rule: Rule| {
        let retention = Some(Duration::from_hours(hours));
        let policy = timeseries::Policy { retention, ..timeseries::Policy::default() };
        Rule { abstraction: Abstraction::TimeSeries(policy), ..rule }
    };
    let rules = vec![
        of(1, rule(NamespaceRule::Prefix("events-".to_owned()), "main")),
        of(2, rule(NamespaceRule::Exactly("exact".to_owned()), "main")),
        rule(NamespaceRule::Exactly("items".to_owned()), "main"),
    ];
    let definitions = Definitions::of(&Namespaces { rules, ..Namespaces::default() }, &["main".to_owned()]);
    let snapshot = Snapshot::new(definitions, vec![Arc::new(Memory::default())]);
    let hours = |hours: i64| Timestamp::from_micros(hours * 3_600_000_000).unwrap();
    let expired = |snapshot: &Snapshot, index, name: &str| {
        snapshot.expired(index, &Namespace::new(name).unwrap(), hours(10))
    };
    assert_eq!(expired(&snapshot, 0, "events-1"), Some(hours(9)));
    assert_eq!(expired(&snapshot, 0, "exact"), Some(hours(8)));
    for other in ["items", "undeclared"] {
        assert_eq!(expired(&snapshot, 0, other), None, "{other}");
    }
    // Its events are in another store by now.
    assert_eq!(expired(&snapshot, 1, "exact"), None);
    // It may have been created with a longer retention than the rule for its prefix.
    let unknown = snapshot.with_created(None);
    assert_eq!(expired(&unknown, 0, "events-1"), None);
    assert_eq!(expired(&unknown, 0, "exact"), Some(hours(8)));
}
