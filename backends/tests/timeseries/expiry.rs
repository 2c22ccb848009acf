//! Expired events: hidden at once, removed by sweeps, and which tokens they end.

use prism_contract::timeseries::{Append, Query, SeriesEvent, Tail, TimeSeriesBackend};
use prism_contract::{Error, Namespace, Timestamp};
use sqlx::{Executor, Row};

use crate::common::{TestDb, at, namespace};
use crate::events::{append, beginning, event, follow, names, now, query, read, tail};

/// Sweeps until nothing is left; returns how many events were removed, and in how many sweeps.
async fn sweep(store: &impl TimeSeriesBackend, expired: Timestamp) -> (u64, usize) {
    let (mut removed, mut sweeps) = (0, 0);
    let of = |_: &Namespace| Some(expired);
    loop {
        let swept = store.expire(&of).await.unwrap();
        (removed, sweeps) = (removed + swept.expired, sweeps + 1);
        if !swept.more {
            return (removed, sweeps);
        }
        assert!(sweeps < 100, "the sweeps make no progress");
    }
}

async fn stored(db: &TestDb) -> i64 {
    db.other_client().await.fetch_one("SELECT count(*) FROM ts_events").await.unwrap().get(0)
}

#[tokio::test]
async fn expired_events_are_absent_before_they_are_swept_and_a_sweep_removes_nothing_live() {
    let db = TestDb::new();
    let store = db.open().await;
    let events = vec![event("a", 10, "1", "x"), event("a", 11, "2", "x"), event("b", 10, "3", "x")];
    store.append(append(events)).await.unwrap();
    for sweeps in [false, true] {
        if sweeps {
            assert_eq!(sweep(&store, at(10)).await, (2, 1));
            assert_eq!(sweep(&store, at(10)).await, (0, 1));
        }
        let expired = Some(at(10));
        let (left, _) = read(&store, Query { expired, ..query("a") }).await.unwrap();
        assert_eq!(left.iter().map(|event| event.time).collect::<Vec<_>>(), [at(11)]);
        assert_eq!(names(&store, expired).await, ["a"]);
    }
    assert_eq!(stored(&db).await, 1);
}

#[tokio::test]
async fn an_expired_event_ends_the_tokens_before_it_and_no_others() {
    let db = TestDb::new();
    let store = db.open().await;
    let start = beginning(&store).await;
    store.append(append(vec![event("a", 10, "1", "x")])).await.unwrap();
    let after = now(&store).await;
    store.append(append(vec![event("a", 20, "2", "x"), event("b", 20, "3", "x")])).await.unwrap();
    for sweeps in [false, true] {
        if sweeps {
            assert_eq!(sweep(&store, at(10)).await.0, 1);
        }
        let of = |name, position: &_| Tail { expired: Some(at(10)), ..tail(name, Clone::clone(position)) };
        for name in [Some("a"), None] {
            let gap = store.tail(&of(name, &start)).await;
            assert!(matches!(gap, Err(Error::TokenExpired)), "{gap:?}");
            let passed = Tail { passed_over: Some(at(10)), ..of(name, &start) };
            let expected = if name.is_some() { 1 } else { 2 };
            assert_eq!(follow(&store, passed).await.unwrap().0.len(), expected);
            assert_eq!(follow(&store, of(name, &after)).await.unwrap().0.len(), expected);
        }
        assert_eq!(follow(&store, of(Some("b"), &start)).await.unwrap().0.len(), 1);
    }
}

#[tokio::test]
async fn an_expired_event_that_is_appended_again_is_replaced_and_ends_the_tokens_before_it() {
    let db = TestDb::new();
    let store = db.open().await;
    let start = beginning(&store).await;
    let again = |payload: &'static str, expired| Append {
        expired,
        ..append(vec![event("a", 10, "1", payload), event("a", 20, "2", payload)])
    };
    assert_eq!(store.append(again("first", None)).await.unwrap(), [false, false]);
    assert_eq!(store.append(again("second", Some(at(10)))).await.unwrap(), [false, true]);
    assert_eq!(stored(&db).await, 2);
    let (events, _) = read(&store, query("a")).await.unwrap();
    let payloads: Vec<_> = events.iter().map(|event| event.payload.as_ref()).collect();
    assert_eq!(payloads, [&b"second"[..], b"first"]);
    let ended = store.tail(&tail(Some("a"), start)).await;
    assert!(matches!(ended, Err(Error::TokenExpired)), "{ended:?}");
}

#[tokio::test]
async fn a_sweep_is_bounded_and_the_next_ones_complete_it() {
    let db = TestDb::new();
    let store = db.open().await;
    let many: Vec<SeriesEvent> = (0..12_500).map(|number| event("many", number, "i", "x")).collect();
    for events in many.chunks(1_000) {
        store.append(append(events.to_vec())).await.unwrap();
    }
    let few: Vec<_> =
        (0..900).map(|number| event(&format!("few/{number}"), number % 2 * 20_000, "i", "x")).collect();
    store.append(append(few)).await.unwrap();
    assert_eq!(sweep(&store, at(9_999)).await, (10_450, 2));
    assert_eq!(stored(&db).await, 2_500 + 450);
    let live = names(&store, Some(at(9_999))).await;
    assert_eq!(live.len(), 451);
}

#[tokio::test]
async fn a_sweep_continues_where_the_last_one_stopped_to_look() {
    let db = TestDb::new();
    let store = db.open().await;
    let live: Vec<_> = (0..11_000).map(|number| event(&format!("live/{number}"), 10, "i", "x")).collect();
    for events in live.chunks(1_000) {
        store.append(append(events.to_vec())).await.unwrap();
    }
    store.append(append(vec![event("old", 1, "i", "x")])).await.unwrap();
    assert_eq!(sweep(&store, at(1)).await, (1, 2));
    assert_eq!(sweep(&store, at(1)).await, (0, 2));
}

#[tokio::test]
async fn a_namespace_without_retention_is_not_swept() {
    let db = TestDb::new();
    let store = db.open().await;
    store.append(append(vec![event("a", 1, "1", "x")])).await.unwrap();
    let of = |name: &Namespace| (name != &namespace()).then_some(Timestamp::MAX);
    assert_eq!(store.expire(&of).await.unwrap().expired, 0);
    assert_eq!(stored(&db).await, 1);
}
