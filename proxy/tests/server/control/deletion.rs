//! Deletion of a namespace with its items.

use futures::future::try_join_all;
use prism_contract::keyvalue::KeyValueBackend;
use prism_contract::keyvalue::request::{GetRequest, PutRequest};
use prism_proto::control::v1::{Namespace, NamespaceStatus};
use tonic::Code;

use super::{Admin, gateway, named, put_in};
use crate::support::{Mode, Server, Steered, get, item, put, refusal, until};

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
