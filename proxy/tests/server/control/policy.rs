//! Policies of created namespaces, and what a definition may not be.

use std::sync::Arc;
use std::time::Duration;

use prism_contract::keyvalue::KeyValueBackend;
use prism_contract::keyvalue::request::{GetRequest, PutRequest, Ttl};
use prism_proto::control::v1::{
    Abstraction, CreateNamespaceRequest, ListNamespacesRequest, Namespace, NamespaceStatus, Policy, RateLimit,
};
use prism_proxy::config::{NamespaceRule, Rule};
use tonic::Code;

use super::{Admin, decoded, gateway, named, put_in, rules, seconds, services, with_policy};
use crate::support::{Mode, Server, Steered, get, refusal};

#[tokio::test]
async fn a_created_namespace_is_served_by_its_policy_at_once_and_an_update_changes_it() {
    let server = gateway(&Steered::new(Mode::Works)).await;
    let (client, mut admin) = (server.client().await, Admin::of(&server).await);
    assert_eq!(refusal(client.put(put_in("a", 1)).await).code, Code::NotFound);
    assert_eq!(admin.get("a").await.unwrap_err().reason, "NAMESPACE_NOT_FOUND");

    let policy = Policy { max_value_bytes: 10, default_ttl: seconds(60), ..Policy::default() };
    let created = admin
        .create(Namespace { owners: vec!["team".to_owned()], ..with_policy("a", policy) })
        .await
        .unwrap();
    assert_eq!((created.version, created.status(), created.r#static), (1, NamespaceStatus::Active, false));
    assert_eq!((created.backend.as_str(), created.abstraction()), ("main", Abstraction::Keyvalue));
    assert!(created.created_at.is_some() && created.created_at == created.updated_at);
    assert_eq!(admin.get("a").await.unwrap(), created);
    let again = admin.create(named("a")).await.unwrap_err();
    assert_eq!((again.code, again.reason.as_str()), (Code::AlreadyExists, "NAMESPACE_EXISTS"));

    client.put(put_in("a", 10)).await.unwrap();
    let expires = async || {
        let page = client.get(GetRequest { namespace: "a".to_owned(), ..get() }).await.unwrap();
        page.items[0].expires_at.map(|at| (at.as_micros() - page.items[0].updated_at.as_micros()) / 1_000_000)
    };
    assert_eq!(expires().await, Some(60));
    let long = refusal(client.put(put_in("a", 11)).await);
    assert_eq!((long.code, long.violations[0].field.as_str()), (Code::InvalidArgument, "items[0].value"));

    let policy = Policy { max_value_bytes: 11, max_ttl: seconds(30), ..Policy::default() };
    let changed = Namespace { version: 1, owners: vec!["other".to_owned()], ..with_policy("a", policy) };
    let updated =
        admin.update(changed.clone(), &["policy.max_value_bytes", "policy.default_ttl"]).await.unwrap();
    // Fields outside the mask are as before.
    let expected = Policy { max_value_bytes: 11, ..Policy::default() };
    assert_eq!(
        (updated.version, updated.policy, &updated.owners[..]),
        (2, Some(expected), &["team".to_owned()][..])
    );
    client.put(put_in("a", 11)).await.unwrap();
    assert_eq!(expires().await, None);
    let stale = admin.update(changed.clone(), &[]).await.unwrap_err();
    assert_eq!((stale.code, stale.reason.as_str()), (Code::FailedPrecondition, "PRECONDITION_FAILED"));
    assert_eq!(stale.failed_preconditions[0].current_version, 2);
    // Without a mask, policy and owners are replaced.
    let replaced = admin.update(Namespace { version: 2, ..changed }, &[]).await.unwrap();
    assert_eq!((replaced.policy, &replaced.owners[..]), (Some(policy), &["other".to_owned()][..]));
    client.put(put_in("a", 11)).await.unwrap();
    assert_eq!(expires().await, Some(30));
    let ttl = Some(Ttl { seconds: 31, nanos: 0 });
    assert_eq!(refusal(client.put(PutRequest { ttl, ..put_in("a", 1) }).await).violations[0].field, "ttl");
}

#[tokio::test]
async fn a_rule_of_the_configuration_is_listed_and_cannot_be_changed() {
    let main: Arc<dyn KeyValueBackend> = Steered::new(Mode::Works);
    let other: Arc<dyn KeyValueBackend> = Steered::new(Mode::Works);
    let of = |namespaces| Rule {
        backend: Some("other".to_owned()),
        max_ttl: Some(Duration::from_secs(5)),
        owners: vec!["team".to_owned()],
        ..Rule::new(namespaces)
    };
    let namespaces = rules(vec![
        of(NamespaceRule::Exactly("static".to_owned())),
        of(NamespaceRule::Prefix("orders-".to_owned())),
    ]);
    let server = Server::start_with(services(&[("main", main), ("other", other)], &namespaces), |_| {}).await;
    let mut admin = Admin::of(&server).await;
    for name in ["a", "orders-1", "z"] {
        admin.create(named(name)).await.unwrap();
    }
    let listed = admin.list("").await;
    let names: Vec<_> =
        listed.iter().map(|namespace| (namespace.name.as_str(), namespace.r#static)).collect();
    assert_eq!(
        names,
        [("a", false), ("orders-*", true), ("orders-1", false), ("static", true), ("z", false)]
    );
    assert_eq!(admin.list("orders-").await.len(), 2);
    let shown = admin.get("static").await.unwrap();
    assert_eq!(
        (shown.backend.as_str(), shown.version, shown.policy.unwrap().max_ttl),
        ("other", 0, seconds(5))
    );
    assert_eq!(admin.get("orders-*").await.unwrap().owners, ["team"]);
    let exists = admin.create(named("static")).await.unwrap_err();
    assert_eq!(exists.reason, "NAMESPACE_EXISTS");
    for name in ["static", "orders-*"] {
        let update = admin.update(named(name), &["owners"]).await.unwrap_err();
        assert_eq!(
            (update.code, update.reason.as_str()),
            (Code::FailedPrecondition, "NAMESPACE_READ_ONLY"),
            "{name}"
        );
        assert_eq!(admin.delete(name, 0, true).await.unwrap_err().reason, "NAMESPACE_READ_ONLY", "{name}");
    }
    // The created one comes before the prefix.
    let client = server.client().await;
    client
        .put(PutRequest { ttl: Some(Ttl { seconds: 6, nanos: 0 }), ..put_in("orders-1", 1) })
        .await
        .unwrap();
    let long =
        client.put(PutRequest { ttl: Some(Ttl { seconds: 6, nanos: 0 }), ..put_in("orders-2", 1) }).await;
    assert_eq!(refusal(long).code, Code::InvalidArgument);
}

#[tokio::test]
async fn a_malformed_definition_is_refused_with_each_field() {
    let server = gateway(&Steered::new(Mode::Works)).await;
    let mut admin = Admin::of(&server).await;
    let policy = Policy {
        default_ttl: seconds(-1),
        max_ttl: seconds(0),
        max_value_bytes: 1 << 21,
        encrypt: true,
        audit: true,
        reads: Some(RateLimit { per_second: f64::NAN, burst: 0 }),
        writes: Some(RateLimit { per_second: 0.0, burst: 1 }),
        retention: seconds(1),
        partitions: 3,
        ..Policy::default()
    };
    let owners = vec!["x".repeat(129), "ok".to_owned(), String::new()];
    let bad = Namespace {
        name: "No".to_owned(),
        abstraction: Abstraction::Graph.into(),
        backend: "Other".to_owned(),
        version: 3,
        owners,
        ..with_policy("", policy)
    };
    let refused = admin.create(bad).await.unwrap_err();
    assert_eq!(refused.code, Code::InvalidArgument);
    let fields: Vec<_> = refused.violations.iter().map(|violation| violation.field.as_str()).collect();
    let expected = [
        "name",
        "abstraction",
        "backend",
        "owners[0]",
        "owners[2]",
        "policy.default_ttl",
        "policy.max_ttl",
        "policy.max_value_bytes",
        "policy.reads.per_second",
        "policy.writes.per_second",
        "policy.retention",
        "policy.partitions",
        "version",
        "policy.encrypt",
        "policy.audit",
    ]
    .map(|field| format!("namespace.{field}"));
    assert_eq!(fields, expected);
    for (request, field) in [
        (CreateNamespaceRequest { namespace: None }, "namespace"),
        (CreateNamespaceRequest { namespace: Some(named("a-*")) }, "namespace.name"),
        (CreateNamespaceRequest { namespace: Some(named(&"x".repeat(129))) }, "namespace.name"),
    ] {
        let refused = decoded(&admin.0.create_namespace(request).await.unwrap_err());
        assert_eq!((refused.code, refused.violations[0].field.as_str()), (Code::InvalidArgument, field));
    }
    admin.create(named("a")).await.unwrap();
    let unchanged = admin.update(named("a"), &["policy.encrypt", "name"]).await.unwrap_err();
    let fields: Vec<_> = unchanged.violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["update_mask"]);
    let any = admin.update(named("a"), &["owners"]).await.unwrap_err();
    assert_eq!(any.reason, "PRECONDITION_FAILED", "an update has a version");
    let moved = Namespace { version: 1, backend: "other".to_owned(), ..named("a") };
    assert_eq!(admin.update(moved, &["owners"]).await.unwrap_err().violations[0].field, "namespace.backend");
    let foreign =
        ListNamespacesRequest { prefix: "b".to_owned(), page_token: "a".into(), ..Default::default() };
    let foreign = decoded(&admin.0.list_namespaces(foreign).await.unwrap_err());
    assert_eq!(foreign.violations[0].field, "page_token");
}
