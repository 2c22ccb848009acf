//! Lookup by name and by prefix, and what a call does with its namespace's policy.

use std::time::Duration;

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
        let error = catalog.find(&stock, access).err().expect("it is not served");
        assert_eq!((error.code(), error.reason()), (Code::NotFound, "NAMESPACE_NOT_FOUND"));
    }
}

#[test]
fn a_rule_without_a_policy_has_none_and_each_key_makes_one() {
    let plain = rule(NamespaceRule::Exactly("a".to_owned()), "main");
    assert_eq!(policy(&plain), None);
    let limits = LimitsOfRule { value_bytes: Some(10), ..LimitsOfRule::default() };
    let limited = policy(&Rule { limits, ..plain.clone() }).expect("a policy");
    assert_eq!(limited.limits, Limits { value_bytes: 10, ..Limits::V1 });
    let hour = Some(Duration::from_hours(1));
    let expiring = policy(&Rule { max_ttl: hour, ..plain }).expect("a policy");
    assert_eq!((expiring.ttl(), expiring.limits), (hour, Limits::V1));
}
