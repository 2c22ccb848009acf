use prism_backends::wrap::encrypt::MasterKey;
use prism_backends::wrap::{Encrypt, encrypt::KeyRing};
use prism_contract::keyvalue::{Key, Memory, NewItem, Put, RecordId};
use prism_contract::{Access, Code, Directory, Timestamp};
use prism_proto::control::v1::CreateNamespaceRequest;
use prism_wire::call::NamespaceGuard;
use prism_wire::clock::ManualClock;
use zeroize::Zeroizing;

use super::service::Service;
use super::store::Edit;
use super::*;
use crate::catalog::Definitions;
use crate::config::{Namespaces, Undeclared};
use crate::server::Shutdown;

const NOW: Timestamp = Timestamp::EPOCH;

fn name(namespace: &str) -> Name {
    Name::new(namespace).unwrap()
}

fn record(store: &Arc<Memory>, limits: Limits) -> DefinitionStore {
    DefinitionStore::new(Internal::new(Arc::clone(store) as _, RECORD), limits)
}

/// A gateway on `store`, whose definitions were not read yet.
fn control(store: &Arc<Memory>, ring: Option<&Arc<KeyRing>>) -> Control {
    control_with(store, ring, Limits::DEFAULT)
}

fn control_with(store: &Arc<Memory>, ring: Option<&Arc<KeyRing>>, limits: Limits) -> Control {
    let keyvalue = Arc::clone(store) as Arc<dyn KeyValueBackend>;
    let rules = Namespaces {
        undeclared: Undeclared::Allow,
        default_backend: Some("main".to_owned()),
        rules: Vec::new(),
    };
    let definitions = Definitions::of(&rules, &["main".to_owned()]);
    let snapshot = Snapshot::new(definitions, vec![Arc::clone(&keyvalue)]).with_keys(ring).with_created(None);
    let health = Box::new(|| BackendHealth::Serving);
    let backend = Backend { name: "main".to_owned(), keyvalue, timeseries: None, health };
    let (catalog, clock) = (Catalog::new(snapshot), Arc::new(ManualClock::new(NOW)));
    Control::with_limits(catalog, vec![backend], 0, false, clock, limits)
}

fn define(namespace: &str) -> impl FnMut(Option<Namespace>) -> Result<Edit, Fault> {
    let namespace = Namespace { name: namespace.to_owned(), ..Namespace::default() };
    move |_| Ok(Edit::Put(ChangeKind::Updated, namespace.clone()))
}

fn version(change: &prism_proto::control::v1::Change) -> i64 {
    change.namespace.as_ref().unwrap().version
}

#[tokio::test]
async fn the_last_changes_are_kept_and_earlier_ones_are_removed_many_at_a_time() {
    let memory = Arc::new(Memory::default());
    let store = record(&memory, Limits { kept: 10, removed: 5, ..Limits::DEFAULT });
    for last in 1..=40 {
        store.change("a", NOW, define("a")).await.unwrap();
        let head = store.head(NOW).await.unwrap();
        assert_eq!(head.last, last);
        let kept = head.last - head.first + 1;
        assert!(last < 10 && kept == last || (10..=15).contains(&kept), "{kept} kept after {last}");
        let changes = store.changes(head.first - 1, PAGE, NOW).await.unwrap();
        assert_eq!(changes.iter().map(version).collect::<Vec<_>>(), (head.first..=last).collect::<Vec<_>>());
        // Those before are gone, not only out of reach.
        assert_eq!(version(&store.changes(0, PAGE, NOW).await.unwrap()[0]), head.first);
    }
}

#[tokio::test]
async fn a_gateway_that_missed_removed_changes_reads_all_definitions() {
    let memory = Arc::new(Memory::default());
    let store = record(&memory, Limits { kept: 4, removed: 2, ..Limits::DEFAULT });
    let gateway = control(&memory, None);
    store.change("old", NOW, define("old")).await.unwrap();
    gateway.refresh().await.unwrap();
    store.change("old", NOW, |_| Ok(Edit::Remove)).await.unwrap();
    for _ in 0..10 {
        store.change("new", NOW, define("new")).await.unwrap();
    }
    gateway.refresh().await.unwrap();
    let known = gateway.0.known.lock().await;
    assert_eq!(known.version, Some(12));
    assert_eq!(known.namespaces.keys().collect::<Vec<_>>(), ["new"]);
}

#[tokio::test]
async fn a_watch_from_zero_begins_with_all_definitions_and_a_version_that_is_not_kept_is_refused() {
    let memory = Arc::new(Memory::default());
    let store = record(&memory, Limits { kept: 4, removed: 2, ..Limits::DEFAULT });
    for namespace in ["b", "a", "b", "c", "b", "c", "d", "d"] {
        store.change(namespace, NOW, define(namespace)).await.unwrap();
    }
    let first = store.head(NOW).await.unwrap().first;
    assert_eq!(first, 3);
    let service = Service::new(control(&memory, None), Shutdown::new());
    let mut changes = service.watch(0, None).await.unwrap();
    let message = changes.next().await.unwrap();
    let seen = message
        .changes
        .iter()
        .map(|change| (change.namespace.as_ref().unwrap().name.as_str(), version(change)));
    assert_eq!(seen.collect::<Vec<_>>(), [("a", 2), ("b", 5), ("c", 6), ("d", 8)]);
    assert!(message.changes.iter().all(|change| change.kind() == ChangeKind::Created));
    assert_eq!(message.version, 8);
    for (from, is_kept) in [(1, false), (2, true), (8, true), (9, false)] {
        match service.watch(from, None).await {
            Ok(_) => assert!(is_kept, "{from}"),
            Err(Fault::Status(status)) => {
                assert!(!is_kept, "{from}");
                assert_eq!(status.code(), tonic::Code::OutOfRange);
                assert_eq!(status.message(), "changes after the versions 2 to 8 are kept");
            }
            Err(Fault::Error(error)) => panic!("{from}: {error}"),
        }
    }
}

#[tokio::test]
async fn sealed_items_of_a_plain_namespace_keep_every_definition_from_being_served() {
    let memory = Arc::new(Memory::default());
    let key = Arc::new(MasterKey::new("k1", Zeroizing::new([7; 32])).unwrap());
    let ring = Arc::new(KeyRing::new(vec![key], "k1").unwrap());
    let encrypted = Encrypt::new(Arc::clone(&memory) as _, Arc::clone(&ring));
    let item = NewItem {
        key: Key::new("k").unwrap(),
        value: "value".into(),
        content_type: String::new(),
        compression: 0,
    };
    let put = Put {
        namespace: name("sealed"),
        id: RecordId::new("r").unwrap(),
        items: vec![item],
        token: 0,
        expires_at: None,
        preconditions: Vec::new(),
        now: NOW,
    };
    encrypted.put(put).await.unwrap();
    let gateway = control(&memory, Some(&ring));
    let served = || {
        let catalog = &gateway.0.catalog;
        Directory::<dyn KeyValueBackend, _>::find(catalog, &name("sealed"), Access::Read).map(|_| ())
    };
    // Neither at first nor at any later look, whichever call looks.
    for _ in 0..2 {
        let refused = gateway.refresh().await.unwrap_err();
        assert!(
            matches!(&refused, DefinitionsError::NotEncrypted(namespace) if namespace == "sealed"),
            "{refused}"
        );
        assert_eq!(refused.into_error().code(), Code::Unavailable);
        assert_eq!(served().unwrap_err().code(), Code::Unavailable);
    }
    let policy = prism_proto::control::v1::Policy { encrypt: true, ..Default::default() };
    let definition = Namespace { name: "sealed".to_owned(), policy: Some(policy), ..Namespace::default() };
    let edit = |_| Ok(Edit::Put(ChangeKind::Created, definition.clone()));
    record(&memory, Limits::DEFAULT).change("sealed", NOW, edit).await.unwrap();
    gateway.refresh().await.unwrap();
    served().unwrap();
}

/// Data that cannot be read cannot be checked: a gateway that cannot tell whether a namespace has sealed items does not start.
#[tokio::test]
async fn definitions_that_cannot_be_checked_are_refused() {
    let memory = Arc::new(Memory::default());
    let gateway = control(&memory, None);
    gateway.refresh().await.unwrap();
    let uses = Internal::new(Arc::clone(&memory) as _, "encryption");
    let damaged = (Key::new(b"no-separator".to_vec()).unwrap(), bytes::Bytes::new());
    uses.put([damaged], Vec::new(), NOW).await.unwrap();
    let restarted = control(&memory, None);
    let refused = restarted.refresh().await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the definitions of namespaces cannot be checked against the stored data: internal error; the server's log has \
         the cause"
    );
    assert!(matches!(refused, DefinitionsError::Unchecked(Error::Internal(_))), "{refused:?}");
}

#[tokio::test]
async fn an_administrator_of_some_namespaces_cannot_use_all_definitions() {
    let memory = Arc::new(Memory::default());
    let limits = Limits { definitions: 5, of_limited: 2, ..Limits::DEFAULT };
    let service = Service::new(control_with(&memory, None, limits), Shutdown::new());
    let limited = NamespaceGuard::new(|namespace| {
        if namespace.starts_with("mine-") { Ok(()) } else { Err(Error::PermissionDenied("admin".to_owned())) }
    });
    let create = async |namespace: &str, guard: Option<&NamespaceGuard>| {
        let namespace = Some(Namespace { name: namespace.to_owned(), ..Namespace::default() });
        match service.create(CreateNamespaceRequest { namespace }, guard).await {
            Ok(_) => String::new(),
            Err(Fault::Status(status)) => status.message().to_owned(),
            Err(Fault::Error(error)) => panic!("{error}"),
        }
    };
    for (namespace, guard) in [("mine-1", Some(&limited)), ("other-1", None), ("mine-2", Some(&limited))] {
        assert_eq!(create(namespace, guard).await, "");
    }
    let own = "there are 2 definitions in the caller's namespaces, as many as are allowed to one that may not use all namespaces";
    assert_eq!(create("mine-3", Some(&limited)).await, own);
    for namespace in ["mine-3", "other-2"] {
        assert_eq!(create(namespace, None).await, "");
    }
    assert_eq!(create("other-3", None).await, "there are 5 definitions; at most 5 are allowed");
}
