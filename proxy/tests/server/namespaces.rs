//! Several backends in one server, and policies of namespaces.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use prism_contract::Timestamp;
use prism_contract::keyvalue::KeyValueBackend;
use prism_contract::keyvalue::request::{DescribeRequest, GetRequest, PutRequest, ScanRequest, Ttl};
use prism_proxy::catalog::{Catalog, Definitions, Snapshot};
use prism_proxy::config::{
    Config, Digest, LimitsOfRule, NamespaceRule, Namespaces, Permission, Rate, Rule, Sources, Token,
    Undeclared, load,
};
use prism_proxy::server::{Services, Store};
use prism_wire::keyvalue::{Client, Resume};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Mode, Server, Steered, get, item, put, refusal, until};

fn rule(name: &str, backend: &str) -> Rule {
    let namespaces = match name.strip_suffix('*') {
        Some(prefix) => NamespaceRule::Prefix(prefix.to_owned()),
        None => NamespaceRule::Exactly(name.to_owned()),
    };
    Rule { backend: Some(backend.to_owned()), ..Rule::new(namespaces) }
}

fn definitions(undeclared: Undeclared, rules: Vec<Rule>) -> Definitions {
    let namespaces = Namespaces { undeclared, default_backend: Some("main".to_owned()), rules };
    Definitions::of(&namespaces, &["main", "orders"].map(str::to_owned))
}

/// A server with the backends main, which is required, and orders, which is not.
struct Two {
    main: Arc<Steered>,
    orders: Arc<Steered>,
    catalog: Catalog,
}

impl Two {
    fn new(undeclared: Undeclared, rules: Vec<Rule>) -> Self {
        let (main, orders) = (Steered::new(Mode::Works), Steered::new(Mode::Works));
        let snapshot = Self::snapshot(&main, &orders, definitions(undeclared, rules));
        Self { main, orders, catalog: Catalog::new(snapshot) }
    }

    fn snapshot(main: &Arc<Steered>, orders: &Arc<Steered>, definitions: Definitions) -> Snapshot {
        let backends = [main, orders].map(|backend| Arc::clone(backend) as Arc<dyn KeyValueBackend>);
        Snapshot::new(definitions, backends.into())
    }

    /// Replaces the rules.
    fn replace(&self, undeclared: Undeclared, rules: Vec<Rule>) {
        let snapshot = Self::snapshot(&self.main, &self.orders, definitions(undeclared, rules));
        self.catalog.change(|_| snapshot);
    }

    fn services(&self) -> Services {
        let store = |name: &str, required, backend: &Arc<Steered>| Store {
            name: name.to_owned(),
            required,
            sweep_interval: None,
            keyvalue: Arc::clone(backend) as Arc<dyn KeyValueBackend>,
            timeseries: None,
            observed: Arc::default(),
        };
        let stores = vec![store("main", true, &self.main), store("orders", false, &self.orders)];
        Services { stores, catalog: self.catalog.clone(), definitions: None }
    }

    async fn serve(&self) -> Server {
        Server::start_with(self.services(), |options| options.health_interval = Duration::from_millis(5))
            .await
    }
}

fn put_in(namespace: &str) -> PutRequest {
    PutRequest { namespace: namespace.to_owned(), ..put(vec![item("k", "value")]) }
}

fn get_in(namespace: &str) -> GetRequest {
    GetRequest { namespace: namespace.to_owned(), ..get() }
}

#[tokio::test]
async fn each_namespace_is_on_its_backend_and_an_outage_is_that_of_its_namespaces_only() {
    let two = Two::new(Undeclared::Allow, vec![rule("orders-*", "orders")]);
    let server = two.serve().await;
    let client = server.client().await;
    for namespace in ["orders-1", "orders", "stock"] {
        client.put(put_in(namespace)).await.unwrap();
    }
    assert_eq!((two.main.calls(), two.orders.calls()), (2, 1));

    let mut health = HealthClient::new(server.channel().await);
    let mut check = async |service: &str| {
        let request = HealthCheckRequest { service: service.to_owned() };
        health.check(request).await.map(|answer| answer.into_inner().status()).map_err(|status| status.code())
    };
    let (serving, not) = (Ok(ServingStatus::Serving), Ok(ServingStatus::NotServing));
    assert_eq!(check("backend/orders").await, serving);
    assert_eq!(check("backend/stock").await, Err(Code::NotFound));
    two.orders.set(Mode::Unavailable);
    assert_eq!(refusal(client.get(get_in("orders-1")).await).code, Code::Unavailable);
    until("orders is not serving", async || check("backend/orders").await == not).await;
    for service in ["", "prism.keyvalue.v1.KeyValueService", "backend/main"] {
        assert_eq!(check(service).await, serving, "{service}");
    }
    for namespace in ["orders", "stock"] {
        assert_eq!(client.get(get_in(namespace)).await.unwrap().items.len(), 1, "{namespace}");
    }
    two.orders.set(Mode::Works);
    until("orders is serving", async || check("backend/orders").await == serving).await;
    client.get(get_in("orders-1")).await.unwrap();

    two.main.set(Mode::Unavailable);
    until("the whole is not serving", async || check("").await == not).await;
    assert_eq!(check("backend/orders").await, serving);
    client.get(get_in("orders-1")).await.unwrap();
}

#[tokio::test]
async fn the_watch_of_a_backend_follows_it_and_that_of_the_whole_follows_the_required_ones() {
    let two = Two::new(Undeclared::Allow, Vec::new());
    let server = two.serve().await;
    let mut health = HealthClient::new(server.channel().await);
    let mut watch = async |service: &str| {
        let request = HealthCheckRequest { service: service.to_owned() };
        health.watch(request).await.unwrap().into_inner().map(|status| status.unwrap().status())
    };
    let (mut whole, mut orders) = (watch("").await, watch("backend/orders").await);
    for status in [whole.next().await, orders.next().await] {
        assert_eq!(status, Some(ServingStatus::Serving));
    }
    two.orders.set(Mode::Unavailable);
    assert_eq!(orders.next().await, Some(ServingStatus::NotServing));
    two.main.set(Mode::Unavailable);
    // Had it followed the other one, it would have changed before.
    assert_eq!(whole.next().await, Some(ServingStatus::NotServing));
    two.main.set(Mode::Works);
    assert_eq!(whole.next().await, Some(ServingStatus::Serving));
    server.shutdown.drain();
    assert_eq!(whole.next().await, Some(ServingStatus::NotServing));
    assert_eq!(whole.next().await, None);
    assert_eq!(orders.next().await, None);
}

#[tokio::test]
async fn an_undeclared_namespace_is_not_found_and_a_caller_without_a_right_cannot_tell() {
    let two = Two::new(Undeclared::Refuse, vec![rule("orders", "orders")]);
    let token = |name: &str, namespaces: Option<&[&str]>| Token {
        name: name.to_owned(),
        digest: Digest::of(name.as_bytes()),
        permissions: vec![Permission::Read, Permission::Write],
        namespaces: namespaces
            .map(|names| names.iter().map(|name| NamespaceRule::Exactly((*name).to_owned())).collect()),
    };
    let server = Server::start_with(two.services(), |options| {
        options.auth = vec![token("all", None), token("other", Some(&["other"]))].into();
    })
    .await;
    let all = server.client_with_token("all").await;
    all.put(put_in("orders")).await.unwrap();
    let found = refusal(all.put(put_in("stock")).await);
    assert_eq!((found.code, found.reason.as_str()), (Code::NotFound, "NAMESPACE_NOT_FOUND"));
    for refused in [
        refusal(all.get(get_in("stock")).await),
        refusal(all.describe(DescribeRequest { namespace: "stock".to_owned() }).await),
        refusal(
            all.scan(ScanRequest { namespace: "stock".to_owned(), ..ScanRequest::default() }, Resume::Never)
                .next()
                .await
                .expect("a scan has an answer"),
        ),
    ] {
        assert_eq!((refused.code, refused.reason.as_str()), (Code::NotFound, "NAMESPACE_NOT_FOUND"));
    }
    let other = server.client_with_token("other").await;
    let [there, missing] = ["orders", "stock"].map(get_in);
    let (there, missing) = (refusal(other.get(there).await), refusal(other.get(missing).await));
    assert_eq!(there, missing);
    assert_eq!(there.code, Code::PermissionDenied);
    assert_eq!(two.main.calls(), 0);
}

async fn fields(client: &Client, request: PutRequest) -> Vec<String> {
    let refused = refusal(client.put(request).await);
    assert_eq!(refused.code, Code::InvalidArgument, "{refused:?}");
    refused.violations.iter().map(|violation| violation.field.clone()).collect()
}

#[tokio::test]
async fn a_policy_limits_puts_and_pages_and_describe_publishes_it() {
    let limits = LimitsOfRule {
        value_bytes: Some(5),
        put_items: Some(2),
        put_bytes: Some(11),
        page_items: Some(1),
        page_bytes: Some(1_000),
    };
    let two = Two::new(Undeclared::Allow, vec![Rule { limits, ..rule("small", "main") }]);
    let server = two.serve().await;
    let client = server.client().await;
    let items = |values: &[&str]| {
        let items = values.iter().enumerate().map(|(at, value)| item(at.to_string(), value.to_string()));
        PutRequest { namespace: "small".to_owned(), ..put(items.collect()) }
    };
    client.put(items(&["12345", "1234"])).await.unwrap();
    assert_eq!(fields(&client, items(&["12345", "12345"])).await, ["items"]);
    assert_eq!(fields(&client, items(&["1", "2", "3"])).await, ["items"]);
    assert_eq!(fields(&client, items(&["1", "123456"])).await, ["items[1].value"]);
    client.put(PutRequest { namespace: "large".to_owned(), ..items(&["1", "123456", "3"]) }).await.unwrap();

    let page = client.get(GetRequest { namespace: "small".to_owned(), ..get() }).await.unwrap();
    assert_eq!((page.items.len(), page.next_page_token.is_empty()), (1, false));
    let mut messages = client
        .scan(ScanRequest { namespace: "small".to_owned(), ..ScanRequest::default() }, Resume::Never)
        .map(|message| message.unwrap().entries.len());
    assert_eq!((messages.next().await, messages.next().await), (Some(1), Some(1)));
    let of = async |namespace: &str| {
        client.describe(DescribeRequest { namespace: namespace.to_owned() }).await.unwrap().limits
    };
    let small = of("small").await;
    assert_eq!((small.value_bytes, small.put_items, small.put_bytes), (5, 2, 11));
    assert_eq!((small.page_items, small.page_bytes, small.key_bytes), (1, 1_000, 1_024));
    assert_eq!(of("large").await.value_bytes, 1 << 20);
}

#[tokio::test]
async fn a_policy_gives_a_ttl_and_refuses_a_longer_one() {
    let hours = |hours| Some(Duration::from_hours(hours));
    let two = Two::new(
        Undeclared::Allow,
        vec![
            Rule { default_ttl: hours(1), ..rule("default", "main") },
            Rule { max_ttl: hours(2), ..rule("max", "main") },
            Rule { default_ttl: hours(1), max_ttl: hours(2), ..rule("both", "main") },
        ],
    );
    let server = two.serve().await;
    let client = server.client().await;
    let put_for = |namespace: &str, seconds: Option<i64>| PutRequest {
        ttl: seconds.map(|seconds| Ttl { seconds, nanos: 0 }),
        ..put_in(namespace)
    };
    for (namespace, given, hours) in [
        ("default", None, Some(1)),
        ("default", Some(3 * 3_600), Some(3)),
        ("max", None, Some(2)),
        ("max", Some(3_600), Some(1)),
        ("max", Some(2 * 3_600), Some(2)),
        ("both", None, Some(1)),
        ("none", None, None),
    ] {
        client.put(put_for(namespace, given)).await.unwrap();
        let items = client.get(get_in(namespace)).await.unwrap().items;
        let expiry = items[0].expires_at.map(Timestamp::as_micros);
        let expected = hours.map(|hours: i64| 1_000_000 + hours * 3_600_000_000);
        assert_eq!(expiry, expected, "{namespace} with {given:?}");
    }
    for namespace in ["max", "both"] {
        assert_eq!(fields(&client, put_for(namespace, Some(2 * 3_600 + 1))).await, ["ttl"]);
    }
}

#[tokio::test]
async fn calls_beyond_the_rate_of_a_namespace_are_refused_with_a_delay_and_others_are_not() {
    let rate = Rate { reads: Some(0.01), writes: Some(0.02), burst: Some(2) };
    let two = Two::new(Undeclared::Allow, vec![Rule { rate, ..rule("slow-*", "main") }]);
    let server = two.serve().await;
    let client = server.client().await;
    for _ in 0..2 {
        client.put(put_in("slow-1")).await.unwrap();
        client.get(get_in("slow-1")).await.unwrap();
    }
    let refused = refusal(client.put(put_in("slow-1")).await);
    assert_eq!((refused.code, refused.reason.as_str()), (Code::ResourceExhausted, "OVERLOADED"));
    let delay = refused.retry_after.expect("a delay");
    assert!(delay > Duration::from_secs(40) && delay <= Duration::from_secs(50), "{delay:?}");
    assert_eq!(refusal(client.get(get_in("slow-1")).await).code, Code::ResourceExhausted);
    for namespace in ["slow-2", "fast"] {
        client.put(put_in(namespace)).await.unwrap();
    }
    client.describe(DescribeRequest { namespace: "slow-1".to_owned() }).await.unwrap();
}

#[tokio::test]
async fn a_replaced_catalog_is_seen_by_the_next_call_and_a_scan_ends_as_it_began() {
    let two = Two::new(Undeclared::Allow, Vec::new());
    let server = two.serve().await;
    let client = server.client().await;
    for key in 0..2_000 {
        client.put(put(vec![item(format!("{key:05}"), vec![0; 2_000])])).await.unwrap();
    }
    let mut scan =
        client.scan(ScanRequest { namespace: "n".to_owned(), ..ScanRequest::default() }, Resume::Never);
    let mut entries = scan.next().await.unwrap().unwrap().entries.len();
    two.replace(Undeclared::Refuse, vec![rule("other", "orders")]);
    assert_eq!(refusal(client.get(get()).await).code, Code::NotFound);
    while let Some(message) = scan.next().await {
        entries += message.unwrap().entries.len();
    }
    assert_eq!(entries, 2_000);
    client.put(put_in("other")).await.unwrap();
    assert_eq!(two.orders.calls(), 1);
}

/// The configuration of a YAML text.
fn config(yaml: &str) -> Config {
    let file = Some(("prism.yaml".into(), yaml.to_owned()));
    load(&Sources { file, ..Sources::default() }).unwrap()
}

#[tokio::test]
async fn a_backend_that_is_not_required_is_opened_once_it_can_be() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("later");
    let config = config(&format!(
        "backends:\n  main: {{type: memory}}\n  later: {{path: {}, required: false}}\n\
         namespaces:\n  default_backend: main\n  rules: [{{match: later, backend: later}}]\n",
        missing.join("prism.db").display()
    ));
    let services = prism_proxy::backend::open_all(&config).await.map_err(|(_, why)| why).unwrap();
    let server = Server::start_with(services, |_| {}).await;
    let client = server.client().await;
    client.put(put_in("main")).await.unwrap();
    assert_eq!(refusal(client.put(put_in("later")).await).code, Code::Unavailable);
    std::fs::create_dir(&missing).unwrap();
    until("the backend is open", async || client.put(put_in("later")).await.is_ok()).await;
    assert!(missing.join("prism.db").exists());
}
