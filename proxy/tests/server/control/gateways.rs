//! Several gateways on one backend, and backends that are away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prism_backends::wrap::DeferredKeyValue;
use prism_contract::keyvalue::{Capabilities, KeyValueBackend, Memory};
use prism_proto::control::v1::{Namespace, NamespaceStatus, Policy};
use prism_proxy::config::{NamespaceRule, Namespaces, Rule, Undeclared};
use tonic::Code;

use super::{Admin, gateway, named, put_in, rules, services, with_policy};
use crate::support::{Mode, Server, Steered, refusal, until};

#[tokio::test]
async fn every_gateway_on_the_backend_has_a_change_within_a_second() {
    let main = Steered::new(Mode::Works);
    let (one, two) = (gateway(&main).await, gateway(&main).await);
    let (mut admin, client) = (Admin::of(&one).await, two.client().await);
    assert_eq!(refusal(client.put(put_in("a", 1)).await).code, Code::NotFound);
    let mut version = admin.create(named("a")).await.unwrap().version;
    let mut slowest = Duration::ZERO;
    for bytes in 1..5 {
        let began = Instant::now();
        until("the other gateway has the change", async || client.put(put_in("a", bytes)).await.is_ok())
            .await;
        slowest = slowest.max(began.elapsed());
        let policy = Policy { max_value_bytes: bytes as u64, ..Policy::default() };
        version = admin.update(Namespace { version, ..with_policy("a", policy) }, &[]).await.unwrap().version;
        until("the limit holds", async || client.put(put_in("a", bytes + 1)).await.is_err()).await;
        let policy = Policy { max_value_bytes: bytes as u64 + 1, ..Policy::default() };
        version = admin.update(Namespace { version, ..with_policy("a", policy) }, &[]).await.unwrap().version;
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    // What one gateway has answered, the other one answers at once.
    admin.create(named("b")).await.unwrap();
    let mut other = Admin::of(&two).await;
    assert_eq!(other.get("b").await.unwrap().name, "b");
    assert_eq!(other.list("").await.len(), 2);
}

#[tokio::test]
async fn a_status_follows_the_backend() {
    let main: Arc<dyn KeyValueBackend> = Steered::new(Mode::Works);
    let (orders, later) = (Steered::new(Mode::Works), Arc::new(DeferredKeyValue::new(Capabilities::ALL)));
    let backends: [(&str, Arc<dyn KeyValueBackend>); 3] =
        [("main", main), ("orders", Arc::clone(&orders) as _), ("later", Arc::clone(&later) as _)];
    let server = Server::start_with(services(&backends, &rules(Vec::new())), |options| {
        options.health_interval = Duration::from_millis(5);
    })
    .await;
    let mut admin = Admin::of(&server).await;
    for (name, status) in [("orders", NamespaceStatus::Active), ("later", NamespaceStatus::Provisioning)] {
        let created = admin.create(Namespace { backend: name.to_owned(), ..named(name) }).await.unwrap();
        assert_eq!(created.status(), status, "{name}");
    }
    later.set(Arc::new(Memory::default())).unwrap_or_else(|_| panic!("it was opened before"));
    orders.set(Mode::Unavailable);
    let mut has = async |name: &str, status: NamespaceStatus| {
        until("the status", async || admin.get(name).await.unwrap().status() == status).await;
    };
    has("later", NamespaceStatus::Active).await;
    has("orders", NamespaceStatus::Degraded).await;
    orders.set(Mode::Works);
    has("orders", NamespaceStatus::Active).await;
}

#[tokio::test]
async fn without_the_definitions_only_rules_of_their_name_are_served() {
    let main = Arc::new(DeferredKeyValue::new(Capabilities::ALL));
    let exact: Arc<dyn KeyValueBackend> = Steered::new(Mode::Works);
    let rule =
        Rule { backend: Some("exact".to_owned()), ..Rule::new(NamespaceRule::Exactly("exact".to_owned())) };
    let namespaces = Namespaces { undeclared: Undeclared::Allow, ..rules(vec![rule]) };
    let mut services = services(&[("main", Arc::clone(&main) as _), ("exact", exact)], &namespaces);
    services.stores[0].required = false;
    let server = Server::start_with(services, |_| {}).await;
    let client = server.client().await;
    client.put(put_in("exact", 1)).await.unwrap();
    // It might be defined as encrypted, or not to be served.
    assert_eq!(refusal(client.put(put_in("a", 1)).await).code, Code::Unavailable);
    let mut admin = Admin::of(&server).await;
    assert_eq!(admin.create(named("a")).await.unwrap_err().code, Code::Unavailable);
    main.set(Arc::new(Memory::default())).unwrap_or_else(|_| panic!("it was opened before"));
    until("undeclared namespaces are served", async || client.put(put_in("a", 1)).await.is_ok()).await;
}
