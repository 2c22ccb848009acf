use super::*;
use crate::config::{Pattern, Permission};

fn pattern(text: &str) -> Pattern {
    match text.strip_suffix('*') {
        Some(prefix) => Pattern::Prefix(prefix.to_owned()),
        None => Pattern::Exactly(text.to_owned()),
    }
}

fn who(text: &str, issuer: Option<&str>) -> Who {
    if text.starts_with("uri:") || text.starts_with("dns:") {
        return Who::Certificate(pattern(text));
    }
    Who::Subject { subject: pattern(text), issuer: issuer.map(str::to_owned) }
}

fn grant(who: Who, namespaces: Option<&[&str]>, permissions: &[Permission]) -> Grant {
    let namespaces = namespaces.map(|rules| rules.iter().map(|rule| pattern(rule)).collect());
    Grant { who, namespaces, permissions: permissions.to_vec() }
}

const READ: &str = "read";
const WRITE: &str = "write";

fn may(rights: &Rights, permission: &str, namespace: &str) -> bool {
    rights.allow(&[permission.to_owned()], namespace)
}

#[test]
fn a_caller_has_the_permissions_of_all_its_grants_each_in_its_namespaces() {
    let grants = Grants::new(&[
        grant(who("svc:orders-*", None), Some(&["orders-*"]), &[Permission::Read, Permission::Write]),
        grant(who("svc:*", None), None, &[Permission::Read]),
        grant(who("svc:orders-1", None), Some(&["stock"]), &[Permission::Write]),
    ]);
    let rights = grants.of_subject("i", "svc:orders-1");
    for (namespace, read, write) in
        [("orders-1", true, true), ("orders", true, false), ("stock", true, true), ("stock-1", true, false)]
    {
        assert_eq!(
            (may(&rights, READ, namespace), may(&rights, WRITE, namespace)),
            (read, write),
            "{namespace}"
        );
    }
    let required = |name: &str| [name.to_owned()];
    assert!(rights.are_unlimited(&required(READ)) && !rights.are_unlimited(&required(WRITE)));
    assert_eq!(rights.missing_anywhere(&required(WRITE)), None);
    assert_eq!(rights.missing_anywhere(&required("admin")), Some(&"admin".to_owned()));
    assert_eq!(rights.missing_anywhere(&required("unknown")), Some(&"unknown".to_owned()));
    assert!(grants.of_subject("i", "user:1").is_empty());
}

#[test]
fn a_prefix_of_namespaces_matches_neither_its_stem_nor_its_siblings_and_a_name_only_itself() {
    let grants = Grants::new(&[
        grant(who("prefix", None), Some(&["orders-*"]), &[Permission::Read]),
        grant(who("exact", None), Some(&["orders"]), &[Permission::Read]),
    ]);
    let (prefix, exact) = (grants.of_subject("i", "prefix"), grants.of_subject("i", "exact"));
    for (namespace, by_prefix, by_name) in [
        ("orders", false, true),
        ("orders-", true, false),
        ("orders-1", true, false),
        ("orders-1-2", true, false),
        ("orders2", false, false),
        ("orders_1", false, false),
        ("order", false, false),
        ("my-orders-1", false, false),
    ] {
        assert_eq!(
            (may(&prefix, READ, namespace), may(&exact, READ, namespace)),
            (by_prefix, by_name),
            "{namespace}"
        );
    }
}

#[test]
fn a_subject_of_one_issuer_has_no_grant_of_another_issuer_or_of_a_certificate() {
    let grants = Grants::new(&[
        grant(who("admin", Some("a")), None, &[Permission::Read]),
        grant(who("uri:spiffe://x/admin", None), None, &[Permission::Read]),
        grant(who("dns:*", None), None, &[Permission::Read]),
        grant(who("b-*", Some("b")), None, &[Permission::Read]),
    ]);
    assert!(!grants.of_subject("a", "admin").is_empty());
    assert!(!grants.of_certificate("uri:spiffe://x/admin").is_empty());
    for (issuer, subject) in [
        ("b", "admin"),
        ("a", "b-1"),
        ("a", "uri:spiffe://x/admin"),
        ("b", "dns:host"),
        ("a", "jwt:a#admin"),
        ("", "admin"),
    ] {
        assert!(grants.of_subject(issuer, subject).is_empty(), "{issuer} {subject}");
    }
    for name in ["admin", "b-1", "uri:spiffe://x/admin/2", "uri:dns:host"] {
        assert!(grants.of_certificate(name).is_empty(), "{name}");
    }
}
