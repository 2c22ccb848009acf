//! Encrypted namespaces, and what the rule for a prefix demands.

use std::sync::Arc;

use prism_backends::wrap::encrypt::{KeyRing, MasterKey};
use prism_contract::keyvalue::request::GetRequest;
use prism_contract::keyvalue::{KeyValueBackend, Memory};
use prism_proto::control::v1::{Namespace, NamespaceStatus, Policy};
use prism_proxy::config::{NamespaceRule, Namespaces, Rule, Undeclared};
use zeroize::Zeroizing;

use super::{Admin, named, put_in, rules, services, with_policy};
use crate::support::{Mode, Server, Steered, get};

#[tokio::test]
async fn an_encrypted_namespace_is_sealed_and_cannot_be_created_over_items_in_plain_text() {
    let stored = Arc::new(Memory::default());
    let key = MasterKey::new("k1", Zeroizing::new([7; 32])).unwrap();
    let ring = Arc::new(KeyRing::new(vec![Arc::new(key)], "k1").unwrap());
    let namespaces = Namespaces { undeclared: Undeclared::Allow, ..rules(Vec::new()) };
    let services = services(&[("main", Arc::clone(&stored) as _)], &namespaces);
    services.catalog.change(|snapshot| snapshot.with_keys(Some(&ring)));
    let server = Server::start_with(services, |_| {}).await;
    let (client, mut admin) = (server.client().await, Admin::of(&server).await);
    client.put(put_in("plain", 40)).await.unwrap();
    let encrypted = |name: &str| with_policy(name, Policy { encrypt: true, ..Policy::default() });
    assert_eq!(admin.create(encrypted("plain")).await.unwrap_err().reason, "NAMESPACE_NOT_EMPTY");
    // Without encryption it takes over the items.
    admin.create(named("plain")).await.unwrap();
    assert_eq!(admin.create(encrypted("sealed")).await.unwrap().status(), NamespaceStatus::Active);
    client.put(put_in("sealed", 40)).await.unwrap();
    for (namespace, is_plain) in [("plain", true), ("sealed", false)] {
        let read = client.get(GetRequest { namespace: namespace.to_owned(), ..get() }).await.unwrap();
        assert_eq!(read.items[0].value, vec![1; 40], "{namespace}");
        let row = stored_value(&stored, namespace).await;
        assert_eq!(row == vec![1; 40], is_plain, "{namespace}");
    }
    let open = Namespace { version: 2, ..named("sealed") };
    assert_eq!(admin.update(open, &[]).await.unwrap_err().violations[0].field, "namespace.policy.encrypt");
}

#[tokio::test]
async fn an_encrypted_namespace_cannot_be_created_over_items_that_are_not_served_now() {
    let stored = Arc::new(Memory::default());
    let key = MasterKey::new("k1", Zeroizing::new([7; 32])).unwrap();
    let ring = Arc::new(KeyRing::new(vec![Arc::new(key)], "k1").unwrap());
    let start = async |undeclared| {
        let namespaces = Namespaces { undeclared, ..rules(Vec::new()) };
        let services = services(&[("main", Arc::clone(&stored) as _)], &namespaces);
        services.catalog.change(|snapshot| snapshot.with_keys(Some(&ring)));
        Server::start_with(services, |_| {}).await
    };
    let open = start(Undeclared::Allow).await;
    open.client().await.put(put_in("plain", 40)).await.unwrap();
    let server = start(Undeclared::Refuse).await;
    let mut admin = Admin::of(&server).await;
    let encrypted = with_policy("plain", Policy { encrypt: true, ..Policy::default() });
    assert_eq!(admin.create(encrypted).await.unwrap_err().reason, "NAMESPACE_NOT_EMPTY");
}

async fn stored_value(stored: &Arc<Memory>, namespace: &str) -> Vec<u8> {
    use prism_contract::keyvalue::{Get, Predicate, RecordId, Selection};
    let get = Get {
        namespace: prism_contract::Namespace::new(namespace).unwrap(),
        id: RecordId::new("i").unwrap(),
        predicate: Predicate::All,
        selection: Selection::default(),
        after: None,
        now: prism_contract::Timestamp::from_micros(1_000_000).unwrap(),
    };
    stored.get(&get).await.unwrap().items[0].value.to_vec()
}

#[tokio::test]
async fn a_created_namespace_has_the_encryption_and_the_audit_of_the_rule_for_its_prefix() {
    let main: Arc<dyn KeyValueBackend> = Steered::new(Mode::Works);
    let protected =
        Rule { encrypt: true, audit: Some(true), ..Rule::new(NamespaceRule::Prefix("patients-".to_owned())) };
    let server = Server::start_with(services(&[("main", main)], &rules(vec![protected])), |_| {}).await;
    let mut admin = Admin::of(&server).await;
    let refused = admin.create(named("patients-1")).await.unwrap_err();
    let fields: Vec<_> = refused.violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["namespace.policy.encrypt", "namespace.policy.audit"]);
    admin.create(named("patients")).await.unwrap();
}
