//! Administrators of some namespaces only.

use std::sync::Arc;

use prism_contract::keyvalue::KeyValueBackend;
use prism_proto::control::v1::{ListNamespacesRequest, Namespace};
use prism_proxy::config::{Digest, NamespaceRule, Permission, Token};
use tonic::Code;

use super::{Admin, named, rules, services};
use crate::support::{Mode, Server, Steered};

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
