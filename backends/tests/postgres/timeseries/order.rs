//! Positions become visible in the order of the commits, through several gateways.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use prism_backends::Postgres;
use prism_contract::timeseries::{SeriesEvent, Start, TimeSeriesBackend};
use sqlx::{Connection, Executor, Row};
use tokio::time::timeout;

use super::{append, event, ids, read, start};
use crate::test_db::test_db;

const SERIES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const WRITERS: usize = 8;
const APPENDS: usize = 60;

/// Appends events of three series each, whose times are in the order of the writer's Appends.
async fn write(store: Arc<Postgres>, writer: usize) {
    for number in 0..APPENDS {
        let time = i64::try_from(number).unwrap();
        let of = |at: usize| event(SERIES[(writer + number + at) % 6], time, &format!("w{writer}"));
        store.append(append(vec![of(0), of(1), of(2)])).await.unwrap();
    }
}

/// Reads a log until it has all events, and waits in between as a gateway does.
async fn follow(store: Arc<Postgres>, of: Option<&'static str>, events: usize) -> Vec<SeriesEvent> {
    let mut tail = start(&*store, of, Start::Beginning).await;
    let mut seen = Vec::new();
    while seen.len() < events {
        seen.extend(read(&*store, &mut tail).await.unwrap());
        if seen.len() < events {
            store.appended(&tail).await;
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tail_gets_each_event_of_concurrent_gateways_once_and_in_order() {
    let db = test_db!("every_tail_gets_each_event_of_concurrent_gateways_once_and_in_order");
    let gateways = [Arc::new(db.open().await), Arc::new(db.open().await)];
    let all = WRITERS * APPENDS * 3;
    let scopes = SERIES.iter().map(|of| (Some(*of), all / SERIES.len())).chain([(None, all)]);
    let tails: Vec<_> = scopes
        .flat_map(|scope| [0, 1].map(|gateway| (scope, Arc::clone(&gateways[gateway]))))
        .map(|((of, events), store)| tokio::spawn(follow(store, of, events)))
        .collect();
    let writers = (0..WRITERS).map(|writer| tokio::spawn(write(Arc::clone(&gateways[writer % 2]), writer)));
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    let tails = timeout(Duration::from_secs(30), join_all(tails)).await.expect("every Tail gets every event");
    for seen in tails {
        let mut last = BTreeMap::new();
        let mut once = HashSet::new();
        for SeriesEvent { series, event } in seen.unwrap() {
            assert!(once.insert((series.clone(), event.key())), "{series:?} {event:?} came twice");
            let before = last.insert((series.clone(), event.id.clone()), event.time);
            assert!(before.is_none_or(|before| before < event.time), "{series:?} {event:?} after {before:?}");
        }
    }
}

#[tokio::test]
async fn no_position_becomes_visible_before_an_earlier_one() {
    let db = test_db!("no_position_becomes_visible_before_an_earlier_one");
    let (one, other) = (Arc::new(db.open().await), db.open().await);
    one.append(append(vec![event("s", 1, "first")])).await.unwrap();
    let mut tail = start(&other, Some("s"), Start::Now).await;
    // A transaction that has drawn its positions, and waits before its commit: for this id, which is not committed either.
    let mut client = db.other_client().await;
    let mut blocking = client.begin().await.unwrap();
    blocking
        .execute(
            "INSERT INTO prism_ts_events SELECT series, 2, 'slow', partition, -1, content_type, tags, payload \
             FROM prism_ts_events",
        )
        .await
        .unwrap();
    let slow = {
        let store = Arc::clone(&one);
        tokio::spawn(async move { store.append(append(vec![event("s", 2, "slow")])).await })
    };
    while db.waiting_for_events().await == 0 {}
    let fast = tokio::spawn(async move {
        other.append(append(vec![event("s", 3, "fast")])).await.unwrap();
        other
    });
    // The second Append waits for the first, and the Tail sees neither.
    while db.waiting_for_events().await + db.waiting_for_partitions().await < 2 {
        assert!(!fast.is_finished(), "an Append overtook another one that has drawn its position");
    }
    assert_eq!(read(&*one, &mut tail).await.unwrap(), []);
    blocking.rollback().await.unwrap();
    slow.await.unwrap().unwrap();
    let other = fast.await.unwrap();
    let seen = read(&other, &mut tail).await.unwrap();
    assert_eq!(seen, [event("s", 2, "slow"), event("s", 3, "fast")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_of_the_same_partitions_in_opposite_orders_never_deadlock() {
    let db = test_db!("appends_of_the_same_partitions_in_opposite_orders_never_deadlock");
    let gateways = [Arc::new(db.open().await), Arc::new(db.open().await)];
    let deadlocks = async || {
        let count = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        db.other_client().await.fetch_one(count).await.unwrap().get::<i64, _>(0)
    };
    let before = deadlocks().await;
    for round in 0..30 {
        let up = SERIES.map(|of| event(of, round, "up")).to_vec();
        let down = SERIES.iter().rev().map(|of| event(of, round, "down")).collect();
        let (up, down) = futures::join!(gateways[0].append(append(up)), gateways[1].append(append(down)));
        up.unwrap();
        down.unwrap();
    }
    assert_eq!(ids(&*gateways[0], "a").await.len(), 60);
    assert_eq!(deadlocks().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_that_append_first_create_a_namespace_once() {
    let db = test_db!("gateways_that_append_first_create_a_namespace_once");
    let gateways = join_all((0..4).map(|_| db.open())).await;
    let appends = gateways.iter().enumerate().map(|(gateway, store)| {
        let partitions = u32::try_from(gateway).unwrap() + 1;
        let mut append = append(vec![event("s", 1, &format!("{gateway}"))]);
        append.partitions = partitions;
        store.append(append)
    });
    for appended in join_all(appends).await {
        assert_eq!(appended.unwrap(), [false]);
    }
    assert_eq!(ids(&gateways[3], "s").await, ["0", "1", "2", "3"]);
}
