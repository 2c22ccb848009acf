//! Sweeping removes expired events, in bounded steps, and nothing live (RET-2); it ends the tokens before them (TAIL-6).

use futures::join;
use prism_contract::Error;
use prism_contract::timeseries::{
    Append, DeleteEvents, ListSeries, Start, Tail, TimeRange, TimeSeriesBackend,
};
use sqlx::{Executor, Row};

use super::{append, event, expired_at, ids, read, series, start};
use crate::common::{at, namespace};
use crate::test_db::{TestDb, test_db};

async fn count(db: &TestDb, of: &'static str) -> i64 {
    db.other_client().await.fetch_one(of).await.unwrap().get(0)
}

const EVENTS: &str = "SELECT count(*) FROM prism_ts_events";
const SERIES: &str = "SELECT count(*) FROM prism_ts_series";

#[tokio::test]
async fn a_token_before_a_swept_event_is_expired_and_one_after_it_is_not() {
    let db = test_db!("a_token_before_a_swept_event_is_expired_and_one_after_it_is_not");
    let (store, other) = (db.open().await, db.open().await);
    let beginning = start(&store, Some("s"), Start::Beginning).await;
    let before = start(&store, None, Start::Now).await;
    store.append(append(vec![event("s", 10, "old")])).await.unwrap();
    let mut after = start(&store, Some("s"), Start::Now).await;
    store.append(append(vec![event("s", 90, "new")])).await.unwrap();
    // Expired, and not swept yet.
    let expired = |tail: &Tail| Tail { expired: Some(at(50)), ..tail.clone() };
    assert!(matches!(store.tail(&expired(&before)).await, Err(Error::TokenExpired)));
    let swept = store.expire(&expired_at(at(50))).await.unwrap();
    assert_eq!((swept.expired, swept.more), (1, false));
    for tail in [&beginning, &before] {
        assert!(matches!(other.tail(tail).await, Err(Error::TokenExpired)), "{:?}", tail.series);
    }
    assert_eq!(read(&other, &mut after).await.unwrap(), [event("s", 90, "new")]);
    // What had expired when it began is passed over.
    let mut passing = Tail { passed_over: Some(at(50)), ..beginning };
    assert_eq!(read(&other, &mut passing).await.unwrap(), [event("s", 90, "new")]);
}

#[tokio::test]
async fn an_expired_event_that_is_appended_again_is_a_new_one_and_ends_the_tokens_before_the_old() {
    let db =
        test_db!("an_expired_event_that_is_appended_again_is_a_new_one_and_ends_the_tokens_before_the_old");
    let store = db.open().await;
    let before = start(&store, Some("s"), Start::Beginning).await;
    store.append(append(vec![event("s", 10, "a"), event("s", 60, "b")])).await.unwrap();
    let again = Append { expired: Some(at(50)), ..append(vec![event("s", 10, "a"), event("s", 60, "b")]) };
    assert_eq!(store.append(again).await.unwrap(), [false, true]);
    assert!(matches!(store.tail(&before).await, Err(Error::TokenExpired)));
    assert_eq!(ids(&store, "s").await, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sweepers_of_two_gateways_remove_each_expired_event_once_and_then_the_series() {
    let db = test_db!("sweepers_of_two_gateways_remove_each_expired_event_once_and_then_the_series");
    let (one, other) = (db.open().await, db.open().await);
    for group in 0..30 {
        let old = (0..100).map(|n| event(&format!("s{}", n % 7), 10, &format!("{group}-{n}")));
        one.append(append(old.collect())).await.unwrap();
    }
    one.append(append(vec![event("s0", 90, "new")])).await.unwrap();
    let mut expired = 0;
    for _ in 0..20 {
        let expiry = expired_at(at(50));
        let (first, second) = join!(one.expire(&expiry), other.expire(&expiry));
        expired += first.unwrap().expired + second.unwrap().expired;
    }
    assert_eq!((expired, count(&db, EVENTS).await, count(&db, SERIES).await), (3_000, 1, 1));
    let list =
        ListSeries { namespace: namespace(), prefix: String::new(), after: None, limit: 9, expired: None };
    assert_eq!(one.list_series(&list).await.unwrap().series, [series("s0")]);
    // A series that was removed is created again.
    one.append(append(vec![event("s1", 91, "new")])).await.unwrap();
    assert_eq!(ids(&other, "s1").await, ["new"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_is_bounded_and_reports_that_there_is_more() {
    let db = test_db!("a_sweep_is_bounded_and_reports_that_there_is_more");
    let store = db.open().await;
    store.append(append(vec![event("s", 90, "new")])).await.unwrap();
    db.run(
        "INSERT INTO prism_ts_events SELECT s.id, n, 'old', s.partition, -n, '', '', '' \
         FROM prism_ts_series AS s, generate_series(1, 50000) AS n",
    )
    .await;
    let mut sweeps = Vec::new();
    loop {
        let swept = store.expire(&expired_at(at(50_000))).await.unwrap();
        sweeps.push(swept.expired);
        if !swept.more {
            break;
        }
    }
    assert!(sweeps.len() > 2 && sweeps.iter().all(|swept| *swept <= 20_000), "{sweeps:?}");
    assert_eq!((sweeps.iter().sum::<u64>(), count(&db, EVENTS).await), (50_001, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_to_a_series_that_is_being_swept_is_never_lost() {
    let db = test_db!("an_append_to_a_series_that_is_being_swept_is_never_lost");
    let (one, other) = (db.open().await, db.open().await);
    for round in 0..40 {
        // Its only event has expired: the sweeps remove it, and then the series.
        one.append(append(vec![event("s", 10, "old")])).await.unwrap();
        let id = format!("{round}");
        let sweeping = async {
            for _ in 0..3 {
                other.expire(&expired_at(at(50))).await.unwrap();
            }
        };
        let appending = async {
            one.append(append(vec![event("s", 90, &id)])).await.unwrap();
        };
        join!(sweeping, appending);
        assert_eq!(ids(&other, "s").await.last(), Some(&id), "round {round}");
        let all = DeleteEvents {
            namespace: namespace(),
            series: series("s"),
            range: TimeRange::ALL,
            expired: None,
        };
        one.delete_events(all).await.unwrap();
    }
}
