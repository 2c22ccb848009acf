//! The control plane: definitions of namespaces that are created, changed and deleted while gateways serve.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{join_all, try_join_all};
use prism_backends::wrap::Deferred;
use prism_backends::wrap::encrypt::{KeyRing, MasterKey};
use prism_contract::keyvalue::request::{GetRequest, PutRequest, Ttl};
use prism_contract::keyvalue::{Capabilities, KeyValueBackend, Memory};
use prism_proto::control::v1::namespace_service_client::NamespaceServiceClient;
use prism_proto::control::v1::{
    Abstraction, Change, ChangeKind, CreateNamespaceRequest, DeleteNamespaceRequest, GetNamespaceRequest,
    ListNamespacesRequest, Namespace, NamespaceStatus, Policy, RateLimit, UpdateNamespaceRequest,
    WatchNamespacesRequest,
};
use prism_proxy::catalog::{Catalog, Definitions, Snapshot};
use prism_proxy::config::{Digest, NamespaceRule, Namespaces, Permission, Rule, Token, Undeclared};
use prism_proxy::server::{Services, Store};
use prism_wire::status::Decoded;
use prost_types::{Duration as Span, FieldMask};
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use zeroize::Zeroizing;

use crate::support::{Mode, Server, Steered, get, item, put, refusal, until};

/// The backends of a test: main, which keeps the definitions, and others.
fn services(backends: &[(&str, Arc<dyn KeyValueBackend>)], namespaces: &Namespaces) -> Services {
    let names: Vec<_> = backends.iter().map(|(name, _)| (*name).to_owned()).collect();
    let stores: Vec<_> = backends
        .iter()
        .map(|(name, keyvalue)| Store {
            name: (*name).to_owned(),
            required: *name == "main",
            sweep_interval: None,
            keyvalue: Arc::clone(keyvalue),
        })
        .collect();
    let all = stores.iter().map(|store| Arc::clone(&store.keyvalue)).collect();
    let snapshot = Snapshot::new(Definitions::of(namespaces, &names), all).with_created(None);
    Services { stores, catalog: Catalog::new(snapshot), definitions: Some(0) }
}

fn rules(rules: Vec<Rule>) -> Namespaces {
    Namespaces { undeclared: Undeclared::Refuse, default_backend: Some("main".to_owned()), rules }
}

/// A gateway on one backend, on which undeclared namespaces are refused.
async fn gateway(main: &Arc<Steered>) -> Server {
    let main = Arc::clone(main) as Arc<dyn KeyValueBackend>;
    Server::start_with(services(&[("main", main)], &rules(Vec::new())), |_| {}).await
}

struct Bearer(&'static str);

impl tonic::service::Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = MetadataValue::try_from(format!("Bearer {}", self.0)).unwrap();
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

/// A client of the control plane.
struct Admin(NamespaceServiceClient<InterceptedService<Channel, Bearer>>);

impl Admin {
    async fn of(server: &Server) -> Self {
        Self::with_token(server, "none").await
    }

    async fn with_token(server: &Server, token: &'static str) -> Self {
        Self(NamespaceServiceClient::with_interceptor(server.channel().await, Bearer(token)))
    }

    async fn create(&mut self, namespace: Namespace) -> Result<Namespace, Decoded> {
        let request = CreateNamespaceRequest { namespace: Some(namespace) };
        let answer = self.0.create_namespace(request).await.map_err(|status| decoded(&status))?;
        Ok(answer.into_inner().namespace.unwrap())
    }

    async fn get(&mut self, name: &str) -> Result<Namespace, Decoded> {
        let answer = self.0.get_namespace(GetNamespaceRequest { name: name.to_owned() }).await;
        Ok(answer.map_err(|status| decoded(&status))?.into_inner().namespace.unwrap())
    }

    async fn list(&mut self, prefix: &str) -> Vec<Namespace> {
        let (mut all, mut page_token) = (Vec::new(), bytes::Bytes::new());
        loop {
            let request = ListNamespacesRequest { prefix: prefix.to_owned(), page_size: 2, page_token };
            let page = self.0.list_namespaces(request).await.unwrap().into_inner();
            assert!(page.namespaces.len() <= 2);
            all.extend(page.namespaces);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return all;
            }
        }
    }

    async fn update(&mut self, namespace: Namespace, paths: &[&str]) -> Result<Namespace, Decoded> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let request =
            UpdateNamespaceRequest { namespace: Some(namespace), update_mask: Some(FieldMask { paths }) };
        let answer = self.0.update_namespace(request).await.map_err(|status| decoded(&status))?;
        Ok(answer.into_inner().namespace.unwrap())
    }

    async fn delete(&mut self, name: &str, version: i64, force: bool) -> Result<Namespace, Decoded> {
        let request = DeleteNamespaceRequest { name: name.to_owned(), version, force };
        let answer = self.0.delete_namespace(request).await.map_err(|status| decoded(&status))?;
        Ok(answer.into_inner().namespace.unwrap())
    }

    /// The changes after a version, up to another one, and the version to resume from.
    async fn watch(&mut self, from_version: i64, to_version: i64) -> (Vec<Change>, i64) {
        let mut stream =
            self.0.watch_namespaces(WatchNamespacesRequest { from_version }).await.unwrap().into_inner();
        let (mut changes, mut version) = (Vec::new(), from_version);
        while version < to_version {
            let message = tokio::time::timeout(Duration::from_secs(10), stream.message()).await;
            let message = message.expect("never: the next change").unwrap().unwrap();
            assert!(!message.changes.is_empty());
            changes.extend(message.changes);
            version = message.version;
        }
        (changes, version)
    }
}

fn decoded(status: &Status) -> Decoded {
    Decoded::from_status(status)
}

fn named(name: &str) -> Namespace {
    Namespace { name: name.to_owned(), ..Namespace::default() }
}

fn with_policy(name: &str, policy: Policy) -> Namespace {
    Namespace { policy: Some(policy), ..named(name) }
}

#[expect(clippy::unnecessary_wraps, reason = "a field that is not set is None")]
fn seconds(seconds: i64) -> Option<Span> {
    Some(Span { seconds, nanos: 0 })
}

fn put_in(namespace: &str, bytes: usize) -> PutRequest {
    PutRequest { namespace: namespace.to_owned(), ..put(vec![item("k", vec![1; bytes])]) }
}

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
async fn a_watch_has_every_change_of_all_gateways_once_and_is_resumed_by_its_version() {
    let main = Steered::new(Mode::Works);
    let servers = [gateway(&main).await, gateway(&main).await];
    let mut watcher = Admin::of(&servers[1]).await;
    // Each gateway creates and changes namespaces at the same time.
    let create = async |server: &Server, of: usize| {
        for number in 0..20 {
            let mut admin = Admin::of(server).await;
            let name = format!("n-{of}-{number}");
            let created = admin.create(named(&name)).await.unwrap();
            let owners = vec![format!("owner-{number}")];
            admin.update(Namespace { owners, ..created }, &["owners"]).await.unwrap();
        }
    };
    let (all, ..) = tokio::join!(watcher.watch(0, 80), create(&servers[0], 0), create(&servers[1], 1));
    let (changes, version) = all;
    let versions: Vec<_> = changes.iter().map(|change| change.namespace.as_ref().unwrap().version).collect();
    assert_eq!(versions, (1..=80).collect::<Vec<_>>());
    assert_eq!(version, 80);
    let created = changes.iter().filter(|change| change.kind() == ChangeKind::Created);
    assert_eq!(
        created.map(|change| &change.namespace.as_ref().unwrap().name).collect::<HashSet<_>>().len(),
        40
    );
    // From the middle, and at the other gateway.
    let mut other = Admin::of(&servers[0]).await;
    let (rest, version) = other.watch(33, 80).await;
    assert_eq!((rest, version), (changes[33..].to_vec(), 80));
    let future = other.0.watch_namespaces(WatchNamespacesRequest { from_version: 81 }).await.unwrap_err();
    assert_eq!(decoded(&future).reason, "VERSION_OUT_OF_RANGE");
    // The deletion is two changes; a watch that was open before has them too.
    let (waiting, deleted) = tokio::join!(watcher.watch(80, 82), other.delete("n-0-0", 0, false));
    assert_eq!(deleted.unwrap().status(), NamespaceStatus::Deleting);
    let kinds: Vec<_> = waiting.0.iter().map(Change::kind).collect();
    assert_eq!(kinds, [ChangeKind::Updated, ChangeKind::Deleted]);
}

#[tokio::test]
async fn a_watch_ends_when_the_server_drains() {
    let server = gateway(&Steered::new(Mode::Works)).await;
    let mut admin = Admin::of(&server).await;
    admin.create(named("a")).await.unwrap();
    let mut stream =
        admin.0.watch_namespaces(WatchNamespacesRequest { from_version: 0 }).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().version, 1);
    server.shutdown.drain();
    assert_eq!(stream.message().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_namespace_with_items_is_deleted_by_force_only_and_then_with_all_of_them() {
    let main = Steered::new(Mode::Works);
    let server = gateway(&main).await;
    let (client, mut admin) = (server.client().await, Admin::of(&server).await);
    for name in ["a", "b"] {
        admin.create(named(name)).await.unwrap();
    }
    let puts = (0..30).map(|record| {
        let items = (0..100_u8).map(|key| item(vec![key], "value")).collect();
        client.put(PutRequest { namespace: "a".to_owned(), id: format!("r{record}"), ..put(items) })
    });
    try_join_all(puts).await.unwrap();
    client.put(put_in("b", 1)).await.unwrap();
    let refused = admin.delete("a", 0, false).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (Code::FailedPrecondition, "NAMESPACE_NOT_EMPTY"));
    assert_eq!(admin.get("a").await.unwrap().status(), NamespaceStatus::Active);
    let stale = admin.delete("a", 2, true).await.unwrap_err();
    assert_eq!((stale.code, stale.reason.as_str()), (Code::FailedPrecondition, "PRECONDITION_FAILED"));

    let deleting = admin.delete("a", 1, true).await.unwrap();
    assert_eq!(deleting.status(), NamespaceStatus::Deleting);
    for _ in 0..2 {
        assert_eq!(refusal(client.put(put_in("a", 1)).await).reason, "NAMESPACE_NOT_FOUND");
    }
    let meanwhile = admin.update(Namespace { version: deleting.version, ..named("a") }, &["owners"]).await;
    assert_eq!(meanwhile.unwrap_err().reason, "NAMESPACE_READ_ONLY");
    until("the definition is gone", async || admin.get("a").await.is_err()).await;
    admin.create(named("a")).await.unwrap();
    let scanned = |namespace: &str| {
        let scan = prism_contract::keyvalue::request::ScanRequest {
            namespace: namespace.to_owned(),
            ..crate::support::scan()
        };
        client.scan(scan, prism_wire::keyvalue::Resume::Never)
    };
    let count = async |namespace: &str| {
        let messages: Vec<_> = futures::StreamExt::collect(scanned(namespace)).await;
        messages.into_iter().map(|message| message.unwrap().entries.len()).sum::<usize>()
    };
    assert_eq!((count("a").await, count("b").await), (0, 1));
}

#[tokio::test]
async fn items_written_while_an_empty_namespace_is_deleted_keep_it() {
    let main = Steered::new(Mode::Works);
    let (one, two) = (gateway(&main).await, gateway(&main).await);
    let (mut admin, mut other) = (Admin::of(&one).await, Admin::of(&two).await);
    admin.create(named("a")).await.unwrap();
    // The second gateway serves the namespace until it has the change, which it is told of by nobody.
    other.get("a").await.unwrap();
    let client = two.client().await;
    let late = async {
        until("the deletion began", async || admin_status(&one, "a").await == NamespaceStatus::Deleting)
            .await;
        client.put(put_in("a", 1)).await
    };
    let (deleted, late) = tokio::join!(admin.delete("a", 0, false), late);
    // The Put came before the change, and is kept; or after it, and was refused.
    match late {
        Ok(_) => assert_eq!(deleted.unwrap_err().reason, "NAMESPACE_NOT_EMPTY"),
        Err(error) => {
            assert_eq!(refusal::<()>(Err(error)).code, Code::NotFound);
            assert_eq!(deleted.unwrap().status(), NamespaceStatus::Deleting);
        }
    }
}

#[tokio::test]
async fn items_of_a_call_that_began_before_the_deletion_keep_the_namespace() {
    use prism_contract::keyvalue::{Key, NewItem, Put, RecordId};
    let main = Steered::new(Mode::Works);
    let server = gateway(&main).await;
    let mut admin = Admin::of(&server).await;
    admin.create(named("a")).await.unwrap();
    // The call has looked its namespace up, and reaches the backend later.
    let late = async {
        until("the deletion began", async || admin_status(&server, "a").await == NamespaceStatus::Deleting)
            .await;
        let key = Key::new("k").unwrap();
        let item = NewItem { key, value: "v".into(), content_type: String::new(), compression: 0 };
        let put = Put {
            namespace: prism_contract::Namespace::new("a").unwrap(),
            id: RecordId::new("i").unwrap(),
            items: vec![item],
            token: 0,
            expires_at: None,
            preconditions: Vec::new(),
            now: prism_contract::Timestamp::from_micros(1_000_000).unwrap(),
        };
        main.put(put).await.unwrap();
    };
    let (deleted, ()) = tokio::join!(admin.delete("a", 0, false), late);
    assert_eq!(deleted.unwrap_err().reason, "NAMESPACE_NOT_EMPTY");
    assert_eq!(admin_status(&server, "a").await, NamespaceStatus::Active);
    let read = server.client().await.get(GetRequest { namespace: "a".to_owned(), ..get() }).await;
    assert_eq!(read.unwrap().items.len(), 1);
}

async fn admin_status(server: &Server, name: &str) -> NamespaceStatus {
    Admin::of(server).await.get(name).await.unwrap().status()
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
async fn an_admin_of_some_namespaces_learns_nothing_of_the_others() {
    let main: Arc<dyn KeyValueBackend> = Steered::new(Mode::Works);
    let token = |name: &str, permissions: Vec<Permission>, namespaces: Option<Vec<NamespaceRule>>| Token {
        name: name.to_owned(),
        digest: Digest::of(name.as_bytes()),
        permissions,
        namespaces,
    };
    let orders = Some(vec![NamespaceRule::Prefix("orders-".to_owned())]);
    let tokens = vec![
        token("all", vec![Permission::Admin], None),
        token("some", vec![Permission::Admin], orders),
        token("reader", vec![Permission::Read, Permission::Write], None),
    ];
    let server = Server::start_with(services(&[("main", main)], &rules(Vec::new())), |options| {
        options.auth = tokens.into();
    })
    .await;
    let mut all = Admin::with_token(&server, "all").await;
    let mut some = Admin::with_token(&server, "some").await;
    for name in ["orders-1", "stock", "zoo"] {
        all.create(named(name)).await.unwrap();
    }
    let names: Vec<_> = some.list("").await.into_iter().map(|namespace| namespace.name).collect();
    assert_eq!(names, ["orders-1"]);
    assert!(some.list("stock").await.is_empty());
    for name in ["stock", "absent"] {
        let answers = [
            some.get(name).await.unwrap_err(),
            some.create(named(name)).await.unwrap_err(),
            some.update(Namespace { version: 2, ..named(name) }, &[]).await.unwrap_err(),
            some.delete(name, 0, true).await.unwrap_err(),
        ];
        for answer in answers {
            assert_eq!((answer.code, answer.message.as_str()), (Code::PermissionDenied, DENIED), "{name}");
        }
    }
    let updated =
        some.update(Namespace { version: 1, owners: vec!["x".to_owned()], ..named("orders-1") }, &[]).await;
    assert_eq!(updated.unwrap().version, 4);
    // The versions of the others' changes show, their names do not.
    let (changes, version) = some.watch(0, 4).await;
    assert!(
        changes.iter().all(|change| change.namespace.as_ref().unwrap().name == "orders-1"),
        "{changes:?}"
    );
    assert_eq!(version, 4);
    let mut reader = Admin::with_token(&server, "reader").await;
    assert_eq!(reader.get("stock").await.unwrap_err().code, Code::PermissionDenied);
    let listed = reader.0.list_namespaces(ListNamespacesRequest::default()).await.unwrap_err();
    assert_eq!(listed.code(), Code::PermissionDenied);
    let mut stranger = Admin::with_token(&server, "stranger").await;
    assert_eq!(stranger.get("stock").await.unwrap_err().code, Code::Unauthenticated);
}

const DENIED: &str = "the caller lacks the permission 'admin in this namespace'";

#[tokio::test]
async fn a_status_follows_the_backend() {
    let main: Arc<dyn KeyValueBackend> = Steered::new(Mode::Works);
    let (orders, later) = (Steered::new(Mode::Works), Arc::new(Deferred::new(Capabilities::ALL)));
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
    assert!(later.set(Arc::new(Memory::default())).is_ok());
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
    let main = Arc::new(Deferred::new(Capabilities::ALL));
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
    assert!(main.set(Arc::new(Memory::default())).is_ok());
    until("undeclared namespaces are served", async || client.put(put_in("a", 1)).await.is_ok()).await;
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

/// Each namespace changes between two policies while calls run: a long value is allowed only by the one whose ttl is 200 s.
async fn no_call_has_half_a_definition(namespaces: usize, calls: usize) {
    const POLICIES: [(u64, i64); 2] = [(100, 100), (200, 200)];
    let main = Steered::new(Mode::Works);
    let servers = [gateway(&main).await, gateway(&main).await];
    let policy =
        |(max_value_bytes, ttl)| Policy { max_value_bytes, default_ttl: seconds(ttl), ..Policy::default() };
    let names: Vec<_> = (0..namespaces).map(|number| format!("n{number}")).collect();
    let mut admin = Admin::of(&servers[0]).await;
    for name in &names {
        admin.create(with_policy(name, policy(POLICIES[0]))).await.unwrap();
    }
    let last = i64::try_from(namespaces).unwrap();
    let mut watchers = [Admin::of(&servers[0]).await, Admin::of(&servers[1]).await];
    let watched = join_all(watchers.iter_mut().map(|watcher| watcher.watch(0, last))).await;
    assert!(watched.iter().all(|(changes, _)| changes.len() == namespaces));
    let clients = [servers[0].client().await, servers[1].client().await];
    until("the second gateway has all", async || {
        clients[1].put(put_in(names.last().unwrap(), 1)).await.is_ok()
    })
    .await;

    let done = std::sync::atomic::AtomicBool::new(false);
    let update = async {
        let mut updates = 0_usize;
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            let name = &names[updates % namespaces];
            let version = admin.get(name).await.unwrap().version;
            let next = policy(POLICIES[(updates / namespaces + 1) % 2]);
            admin.update(Namespace { version, ..with_policy(name, next) }, &[]).await.unwrap();
            updates += 1;
        }
        updates
    };
    let call = async |worker: usize| {
        let (client, mut seen) = (&clients[worker % 2], [0_usize; 2]);
        for number in 0..calls / 32 {
            let namespace = &names[(worker * 31 + number * 7) % namespaces];
            // A record of the worker alone.
            let request = PutRequest { id: format!("w{worker}"), ..put_in(namespace, 150) };
            match client.put(request).await {
                Ok(_) => {
                    let request =
                        GetRequest { namespace: namespace.clone(), id: format!("w{worker}"), ..get() };
                    let item = client.get(request).await.unwrap().items.remove(0);
                    let ttl = item.expires_at.unwrap().as_micros() - item.updated_at.as_micros();
                    assert_eq!(ttl, 200_000_000, "a long value with the short ttl");
                    seen[1] += 1;
                }
                Err(error) => {
                    assert_eq!(refusal::<()>(Err(error)).code, Code::InvalidArgument);
                    seen[0] += 1;
                }
            }
        }
        seen
    };
    let work = async {
        let seen = join_all((0..32).map(call)).await;
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        seen.into_iter().fold([0, 0], |sum, seen| [sum[0] + seen[0], sum[1] + seen[1]])
    };
    let (updates, seen) = tokio::join!(update, work);
    assert!(updates > 10 && seen.iter().all(|calls| *calls > 0), "{updates} {seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_has_a_whole_definition_while_definitions_change() {
    no_call_has_half_a_definition(20, 4_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the same with 1,000 namespaces and 100,000 calls, for two minutes"]
async fn a_call_has_a_whole_definition_while_a_thousand_definitions_change() {
    no_call_has_half_a_definition(1_000, 100_000).await;
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
