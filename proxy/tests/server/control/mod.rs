//! The control plane: definitions of namespaces that are created, changed and deleted while gateways serve.

mod callers;
mod deletion;
mod encryption;
mod gateways;
mod policy;
mod timeseries;
mod watch;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use prism_contract::keyvalue::KeyValueBackend;
use prism_contract::keyvalue::request::PutRequest;
use prism_proto::control::v1::namespace_service_client::NamespaceServiceClient;
use prism_proto::control::v1::{
    Change, CreateNamespaceRequest, DeleteNamespaceRequest, GetNamespaceRequest, ListNamespacesRequest,
    Namespace, Policy, UpdateNamespaceRequest, WatchNamespacesRequest,
};
use prism_proxy::catalog::{Catalog, Definitions, Snapshot};
use prism_proxy::config::{Namespaces, Rule, Undeclared};
use prism_proxy::server::{Services, Store};
use prism_wire::status::Decoded;
use prost_types::{Duration as Span, FieldMask};
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::support::{Server, Steered, item, put};

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
            timeseries: None,
            observed: Arc::default(),
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
