//! Expired events leave the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prism_contract::timeseries::{
    Append, Event, EventId, Expired, Memory, Policy, Query, Series, SeriesEvent, Tags, TimeRange,
    TimeSeriesBackend, Window,
};
use prism_contract::{Error, Lifecycle, Namespace, PageSize, Swept, Timestamp, forward};
use prism_proxy::catalog::Definitions;
use prism_proxy::config::Namespaces;

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

/// A Postgres database gets the tables of TimeSeries with the first call of one: a sweep is none.
#[tokio::test]
async fn a_store_without_timeseries_namespaces_is_not_swept_for_them() {
    let memory = Arc::new(Memory::default());
    let swept = Arc::new(Expirations { memory: Arc::clone(&memory), sweeps: AtomicUsize::new(0) });
    let keyvalue = Steered::new(Mode::Works);
    let services = with_rules(Arc::clone(&keyvalue), Arc::clone(&swept) as _, Vec::new());
    let (catalog, name) = (services.catalog.clone(), services.stores[0].name.clone());
    let _server = Server::start_with(services, |options| {
        options.sweep_interval = Duration::from_millis(5);
    })
    .await;
    until("the items were swept twice", async || keyvalue.swept.lock().unwrap().len() >= 2).await;
    assert_eq!(swept.sweeps.load(Ordering::Relaxed), 0);
    // A rule of a reloaded configuration.
    let namespaces =
        Namespaces { rules: vec![timeseries_rule("a", Policy::default())], ..Namespaces::default() };
    catalog.change(|snapshot| snapshot.with_rules(Definitions::of(&namespaces, &[name])));
    until("the events were swept", async || swept.sweeps.load(Ordering::Relaxed) > 0).await;
}

/// Memory that counts its sweeps.
struct Expirations {
    memory: Arc<Memory>,
    sweeps: AtomicUsize,
}

impl Lifecycle for Expirations {
    forward!(Lifecycle: self => self.memory, [check, sweep, close]);
}

#[async_trait::async_trait]
impl TimeSeriesBackend for Expirations {
    forward!(
        TimeSeriesBackend: self => self.memory,
        [capabilities, append, query, position, tail, appended, list_series, histogram, delete_events, repartitioned]
    );

    async fn expire(&self, expired: Expired<'_>) -> Result<Swept, Error> {
        self.sweeps.fetch_add(1, Ordering::Relaxed);
        self.memory.expire(expired).await
    }
}
