//! TimeSeries namespaces that are created, changed and deleted while a gateway serves.

use std::sync::Arc;

use futures::StreamExt;
use prism_contract::keyvalue::KeyValueBackend;
use prism_contract::timeseries::request::{
    AppendRequest, DescribeRequest, EventInput, ListSeriesRequest, ListSeriesResponse,
};
use prism_contract::timeseries::{Memory, TimeSeriesBackend};
use prism_proto::control::v1::{Abstraction, Namespace, NamespaceStatus, Policy};
use prism_proxy::config::Rule;
use prism_wire::status::Decoded;
use prism_wire::timeseries::{Client, Resume};
use tonic::Code;

use super::{Admin, named, put_in, rules, seconds, services, with_policy};
use crate::support::{Mode, Server, Steered, refusal, timeseries_rule, until};

/// A gateway on a store with both abstractions, on which undeclared namespaces are refused.
async fn gateway_with(of: Vec<Rule>, timeseries: Option<Arc<Memory>>) -> Server {
    let main: Arc<dyn KeyValueBackend> = Steered::new(Mode::Works);
    let mut services = services(&[("main", main)], &rules(of));
    let timeseries = timeseries.map(|memory| memory as Arc<dyn TimeSeriesBackend>);
    services.stores[0].timeseries.clone_from(&timeseries);
    services.catalog.change(|snapshot| snapshot.with_timeseries([timeseries]));
    Server::start_with(services, |_| {}).await
}

async fn gateway() -> Server {
    gateway_with(Vec::new(), Some(Arc::new(Memory::default()))).await
}

fn of(abstraction: Abstraction, name: &str, policy: Policy) -> Namespace {
    Namespace { abstraction: abstraction.into(), ..with_policy(name, policy) }
}

fn events(name: &str, policy: Policy) -> Namespace {
    of(Abstraction::Timeseries, name, policy)
}

fn append(namespace: &str, series: &str, ids: std::ops::Range<usize>) -> AppendRequest {
    let event = |id: usize| EventInput {
        series: series.to_owned(),
        id: id.to_string().into(),
        ..EventInput::default()
    };
    AppendRequest { namespace: namespace.to_owned(), events: ids.map(event).collect() }
}

async fn series(client: &Client, namespace: &str) -> ListSeriesResponse {
    let list = ListSeriesRequest { namespace: namespace.to_owned(), ..ListSeriesRequest::default() };
    client.list_series(list, Resume::Never).next().await.unwrap().unwrap()
}

fn fields<T: std::fmt::Debug>(refused: Result<T, Decoded>) -> Vec<String> {
    let refused = refused.expect_err("it was accepted");
    assert_eq!(refused.code, Code::InvalidArgument, "{refused:?}");
    refused.violations.iter().map(|violation| violation.field.clone()).collect()
}

#[tokio::test]
async fn a_created_timeseries_namespace_is_served_by_its_policy_and_an_update_changes_it_at_once() {
    let server = gateway().await;
    let (client, mut admin) = (server.timeseries().await, Admin::of(&server).await);
    let policy = Policy { accept_past: seconds(0), audit: false, ..Policy::default() };
    let created = admin.create(events("e", policy)).await.unwrap();
    assert_eq!((created.abstraction(), created.status()), (Abstraction::Timeseries, NamespaceStatus::Active));
    assert_eq!(created.policy, Some(Policy { partitions: 8, ..policy }));
    assert_eq!(admin.get("e").await.unwrap(), created);
    client.append(append("e", "s", 0..1)).await.unwrap();
    let put = refusal(server.client().await.put(put_in("e", 1)).await);
    assert_eq!((put.code, &*put.reason), (Code::FailedPrecondition, "WRONG_ABSTRACTION"));
    let old = || AppendRequest {
        events: vec![EventInput {
            time: Some(prism_contract::TimeInput { seconds: 0, nanos: 0 }),
            ..append("e", "s", 1..2).events.remove(0)
        }],
        ..append("e", "s", 0..0)
    };
    assert_eq!(refusal(client.append(old()).await).violations[0].field, "events[0].event.time");

    let policy = Policy { accept_past: seconds(5), retention: seconds(65), ..Policy::default() };
    let changed = Namespace { version: created.version, ..with_policy("e", policy) };
    let updated = admin.update(changed, &["policy.accept_past", "policy.retention"]).await.unwrap();
    assert_eq!(updated.policy, Some(Policy { partitions: 8, ..policy }));
    assert_eq!(updated.abstraction(), Abstraction::Timeseries);
    client.append(old()).await.unwrap();
    let described = client.describe(DescribeRequest { namespace: "e".to_owned() }).await.unwrap().policy;
    assert_eq!(described.retention, Some(std::time::Duration::from_secs(65)));
}

#[tokio::test]
async fn abstraction_and_partitions_are_fixed_and_fields_of_the_other_abstraction_are_refused() {
    let server = gateway().await;
    let mut admin = Admin::of(&server).await;
    let retention = Policy { retention: seconds(120), ..Policy::default() };
    let ttl = Policy { max_ttl: seconds(5), ..Policy::default() };
    for (namespace, refused) in [
        (of(Abstraction::Graph, "x", Policy::default()), "namespace.abstraction"),
        (of(Abstraction::Keyvalue, "x", retention), "namespace.policy.retention"),
        (
            of(Abstraction::Unspecified, "x", Policy { partitions: 4, ..Policy::default() }),
            "namespace.policy.partitions",
        ),
        (events("x", ttl), "namespace.policy.max_ttl"),
        (events("x", Policy { max_value_bytes: 5, ..Policy::default() }), "namespace.policy.max_value_bytes"),
        (events("x", Policy { partitions: 257, ..Policy::default() }), "namespace.policy.partitions"),
        (events("x", retention), "namespace.policy.accept_past"),
        (events("x", Policy { accept_past: seconds(61), ..retention }), "namespace.policy.accept_past"),
        (
            events("x", Policy { accept_future: seconds(-1), ..Policy::default() }),
            "namespace.policy.accept_future",
        ),
    ] {
        assert_eq!(fields(admin.create(namespace.clone()).await), [refused], "{namespace:?}");
    }
    let encrypted = admin.create(events("x", Policy { encrypt: true, ..Policy::default() })).await;
    assert!(fields(encrypted).contains(&"namespace.policy.encrypt".to_owned()));

    let version =
        admin.create(events("e", Policy { partitions: 4, ..Policy::default() })).await.unwrap().version;
    let items = admin.create(named("i")).await.unwrap().version;
    for (change, refused) in [
        (Namespace { version, ..of(Abstraction::Keyvalue, "e", Policy::default()) }, "namespace.abstraction"),
        (
            Namespace { version, ..with_policy("e", Policy { partitions: 5, ..Policy::default() }) },
            "namespace.policy.partitions",
        ),
        (Namespace { version, ..with_policy("e", ttl) }, "namespace.policy.max_ttl"),
        (
            Namespace { version, ..with_policy("e", Policy { encrypt: true, ..Policy::default() }) },
            "namespace.policy.encrypt",
        ),
        (Namespace { version, ..with_policy("e", retention) }, "namespace.policy.accept_past"),
        (Namespace { version: items, ..events("i", Policy::default()) }, "namespace.abstraction"),
        (Namespace { version: items, ..with_policy("i", retention) }, "namespace.policy.retention"),
    ] {
        assert_eq!(fields(admin.update(change.clone(), &[]).await), [refused], "{change:?}");
    }
    let fixed = admin
        .update(Namespace { version, ..with_policy("e", Policy { partitions: 5, ..Policy::default() }) }, &[])
        .await;
    assert!(fixed.unwrap_err().violations[0].description.contains("it is fixed, at 4"));
    // The number that it has is none other, and the mask cannot name it.
    let same = Policy { partitions: 4, ..Policy::default() };
    let version = admin.update(Namespace { version, ..with_policy("e", same) }, &[]).await.unwrap().version;
    let masked = admin.update(Namespace { version, ..with_policy("e", same) }, &["policy.partitions"]).await;
    assert_eq!(fields(masked), ["update_mask"]);
    assert_eq!(admin.get("e").await.unwrap().policy, Some(same));
}

#[tokio::test]
async fn a_timeseries_namespace_with_events_is_deleted_by_force_only_and_then_with_all_series() {
    let memory = Arc::new(Memory::default());
    let server = gateway_with(Vec::new(), Some(Arc::clone(&memory))).await;
    let (client, mut admin) = (server.timeseries().await, Admin::of(&server).await);
    for name in ["e", "other"] {
        admin.create(events(name, Policy::default())).await.unwrap();
        // More events of a series, and more series, than one step removes.
        for page in 0..3 {
            let mut large = append(name, "large", page * 1_000..(page + 1) * 1_000);
            for (at, event) in large.events.iter_mut().enumerate() {
                let nanos = i32::try_from(page * 1_000 + at).unwrap() * 1_000;
                event.time = Some(prism_contract::TimeInput { seconds: 0, nanos });
            }
            client.append(large).await.unwrap();
        }
        let mut many = append(name, "", 0..250);
        for (at, event) in many.events.iter_mut().enumerate() {
            event.series = format!("s{at}");
        }
        client.append(many).await.unwrap();
    }
    let refused = admin.delete("e", 0, false).await.unwrap_err();
    assert_eq!((refused.code, &*refused.reason), (Code::FailedPrecondition, "NAMESPACE_NOT_EMPTY"));
    let deleting = admin.delete("e", 0, true).await.unwrap();
    assert_eq!(deleting.status(), NamespaceStatus::Deleting);
    assert_eq!(refusal(client.append(append("e", "s", 0..1)).await).reason, "NAMESPACE_NOT_FOUND");
    until("the definition is gone", async || admin.get("e").await.is_err()).await;
    admin.create(events("e", Policy::default())).await.unwrap();
    assert_eq!(series(&client, "e").await.series, [""; 0]);
    assert_eq!(series(&client, "other").await.series.len(), 251);
    let empty = admin.delete("e", 0, false).await.unwrap();
    assert_eq!(empty.status(), NamespaceStatus::Deleting);
}

#[tokio::test]
async fn expired_events_do_not_keep_a_namespace_and_go_with_it() {
    let memory = Arc::new(Memory::default());
    let server = gateway_with(Vec::new(), Some(Arc::clone(&memory))).await;
    let (client, mut admin) = (server.timeseries().await, Admin::of(&server).await);
    let policy = Policy { accept_past: seconds(0), retention: seconds(60), ..Policy::default() };
    admin.create(events("e", policy)).await.unwrap();
    client.append(append("e", "s", 0..1)).await.unwrap();
    server.clock.set(prism_contract::Timestamp::from_micros(100_000_000).unwrap());
    admin.delete("e", 0, false).await.unwrap();
    until("the definition is gone", async || admin.get("e").await.is_err()).await;
    // A longer retention would show them again.
    admin.create(events("e", Policy::default())).await.unwrap();
    assert_eq!(series(&client, "e").await.series, [""; 0]);
}

#[tokio::test]
async fn a_definition_that_would_hide_data_of_the_other_abstraction_is_refused() {
    let server = gateway_with(
        vec![timeseries_rule("events-*", prism_contract::timeseries::Policy::default())],
        Some(Arc::new(Memory::default())),
    )
    .await;
    let (client, mut admin) = (server.timeseries().await, Admin::of(&server).await);
    client.append(append("events-1", "s", 0..1)).await.unwrap();
    for hidden in [named("events-1"), events("events-1", Policy { partitions: 9, ..Policy::default() })] {
        let refused = admin.create(hidden).await.unwrap_err();
        assert_eq!((refused.code, &*refused.reason), (Code::FailedPrecondition, "NAMESPACE_NOT_EMPTY"));
    }
    admin.create(events("events-1", Policy::default())).await.unwrap();
    assert_eq!(series(&client, "events-1").await.series, ["s"]);
    let shown = admin.get("events-*").await.unwrap();
    assert_eq!((shown.abstraction(), shown.policy.unwrap().partitions), (Abstraction::Timeseries, 8));
}

#[tokio::test]
async fn a_backend_without_timeseries_refuses_such_a_namespace() {
    let server = gateway_with(Vec::new(), None).await;
    let mut admin = Admin::of(&server).await;
    assert_eq!(fields(admin.create(events("e", Policy::default())).await), ["namespace.abstraction"]);
}
