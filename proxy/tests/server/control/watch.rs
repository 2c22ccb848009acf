//! The stream of changes.

use std::collections::HashSet;

use prism_proto::control::v1::{Change, ChangeKind, Namespace, NamespaceStatus, WatchNamespacesRequest};
use tonic::Code;

use super::{Admin, decoded, gateway, named};
use crate::support::{Mode, Server, Steered};

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
