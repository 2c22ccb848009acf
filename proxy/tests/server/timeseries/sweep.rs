//! Expired events leave the store.

use std::sync::Arc;
use std::time::Duration;

use prism_contract::timeseries::{
    Append, Event, EventId, Memory, Policy, Query, Series, SeriesEvent, Tags, TimeRange, TimeSeriesBackend,
    Window,
};
use prism_contract::{Namespace, PageSize, Timestamp};

use super::{append, event, query, read};
use crate::support::{Mode, Server, Steered, timeseries_rule, until, with_rules};

/// The number of events that the store has, expired or not.
async fn stored(memory: &Memory, namespace: &str) -> usize {
    let query = Query {
        namespace: Namespace::new(namespace).unwrap(),
        series: Series::new("s").unwrap(),
        range: TimeRange::ALL,
        tags: Tags::default(),
        reverse: false,
        page: PageSize::default(),
        without_payload: true,
        snapshot: None,
        after: None,
        expired: None,
    };
    memory.query(&query).await.unwrap().events.len()
}

/// Writes an event at 1970 past the edge.
async fn write(memory: &Memory, namespace: &str) {
    let event = Event {
        time: Timestamp::EPOCH,
        id: EventId::new("1").unwrap(),
        payload: bytes::Bytes::new(),
        content_type: String::new(),
        tags: Tags::default(),
    };
    let append = Append {
        namespace: Namespace::new(namespace).unwrap(),
        events: vec![SeriesEvent { series: Series::new("s").unwrap(), event }],
        now: Timestamp::EPOCH,
        window: Window::default(),
        expired: None,
        partitions: 8,
    };
    memory.append(append).await.unwrap();
}

#[tokio::test]
async fn the_sweeper_removes_expired_events_by_the_policy_of_each_namespace_and_no_others() {
    let memory = Arc::new(Memory::default());
    let of = |seconds| Policy {
        retention: Some(Duration::from_secs(seconds)),
        window: Window { past: Some(Duration::ZERO), future: None },
        ..Policy::default()
    };
    let rules = vec![
        timeseries_rule("short", of(60)),
        timeseries_rule("long", of(120)),
        timeseries_rule("forever", Policy::default()),
    ];
    let services = with_rules(Steered::new(Mode::Works), Arc::clone(&memory) as _, rules);
    let server = Server::start_with(services, |options| {
        options.sweep_interval = Duration::from_millis(5);
    })
    .await;
    let client = server.timeseries().await;
    for namespace in ["short", "long", "forever"] {
        client.append(append(namespace, vec![event("s", "1")])).await.unwrap();
    }
    // Its rule was removed.
    write(&memory, "undeclared").await;
    let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000).unwrap();
    // The events are of the first second, and live strictly before their time plus the retention.
    server.clock.set(at(61));
    until("the short ones are gone", async || stored(&memory, "short").await == 0).await;
    assert_eq!(stored(&memory, "long").await, 1);
    assert_eq!(read(&client, query("long", "s")).await.unwrap().events.len(), 1);
    server.clock.set(at(121));
    until("the long ones are gone", async || stored(&memory, "long").await == 0).await;
    for namespace in ["forever", "undeclared"] {
        assert_eq!(stored(&memory, namespace).await, 1, "{namespace}");
    }
}
