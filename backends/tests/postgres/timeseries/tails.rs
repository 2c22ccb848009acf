//! Tails that wait: woken by other gateways, cheap while they are idle, and continued by their tokens.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use prism_backends::Postgres;
use prism_contract::timeseries::{Start, Tail, TimeSeriesBackend};
use prism_contract::{Error, Lifecycle};
use sqlx::{Executor, Row};
use tokio::time::{Instant, timeout};

use super::{append, event, names, query, read, start, tail};
use crate::common::namespace;
use crate::test_db::{TestDb, test_db};

/// More than the poll takes.
const SECONDS: Duration = Duration::from_secs(5);

/// Appends at one gateway ten times, each time once a Tail waits at the other; returns how long the Tail waited altogether.
async fn ten_rounds(one: &Postgres, other: &Postgres, of: Option<&str>, round: i64) -> Duration {
    let mut tail = start(other, of, Start::Now).await;
    let begun = Instant::now();
    for time in round..round + 10 {
        let id = format!("{of:?}");
        let appending = one.append(append(vec![event("s", time, &id)]));
        let ((), appended) = futures::join!(wait_for_event(other, &mut tail), appending);
        appended.unwrap();
    }
    begun.elapsed()
}

async fn wait_for_event(store: &Postgres, tail: &mut Tail) {
    while read(store, tail).await.unwrap().is_empty() {
        timeout(SECONDS, store.appended(tail)).await.expect("the Tail is woken");
    }
}

/// The sessions that listen.
const LISTENERS: &str = "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %prism_ts_' \
     || (SELECT lpad(to_hex(seed), 16, '0') FROM prism_schema) || '%'";

async fn listeners(db: &TestDb) -> i64 {
    let count = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT count(*) {LISTENERS}")));
    count.fetch_one(&mut db.other_client().await).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_at_another_gateway_wakes_a_tail_by_a_notification() {
    let db = test_db!("an_append_at_another_gateway_wakes_a_tail_by_a_notification");
    let (one, other) = (db.open().await, db.open().await);
    assert_eq!(listeners(&db).await, 0, "without Tails, no session listens");
    // The first rounds until the session listens.
    ten_rounds(&one, &other, None, 0).await;
    while listeners(&db).await < 1 {}
    for (of, round) in [(Some("s"), 100), (None, 200)] {
        let took = ten_rounds(&one, &other, of, round).await;
        // Ten polls take 6.7 seconds or more.
        assert!(took < Duration::from_secs(4), "ten Appends of {of:?} were seen after {took:?}");
    }
    // A lost connection is replaced.
    db.run(&format!("SELECT pg_terminate_backend(pid) {LISTENERS}")).await;
    while listeners(&db).await > 0 {}
    while listeners(&db).await < 1 {}
    let took = ten_rounds(&one, &other, Some("s"), 300).await;
    assert!(took < Duration::from_secs(4), "after a new connection, ten Appends were seen after {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_finds_an_event_without_a_notification() {
    let db = test_db!("a_poll_finds_an_event_without_a_notification");
    db.open().await.append(append(vec![event("s", 1, "a")])).await.unwrap();
    for (of, id) in [(Some("s"), "b"), (None, "c")] {
        // A gateway listens once a Tail waits, and not before.
        let (store, listening) = (db.open().await, listeners(&db).await);
        let mut tail = start(&store, of, Start::Now).await;
        // As a gateway that dies before it notifies.
        let silent = format!(
            "WITH p AS (UPDATE prism_ts_partitions AS p SET position = p.position + 1 FROM prism_ts_series AS s \
             WHERE p.id = s.partition RETURNING p.id, p.position) \
             INSERT INTO prism_ts_events SELECT e.series, e.time, '{id}', p.id, p.position, '', '', 'silent' \
             FROM p, prism_ts_events AS e WHERE e.id = 'a'"
        );
        let begun = Instant::now();
        let ((), ()) = futures::join!(wait_for_event(&store, &mut tail), async {
            while listeners(&db).await <= listening {}
            db.run(&silent).await;
        });
        assert!(begun.elapsed() < Duration::from_secs(2), "it took {:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_appended_before_a_tail_waits_ends_the_wait() {
    let db = test_db!("an_event_appended_before_a_tail_waits_ends_the_wait");
    let (one, other) = (db.open().await, db.open().await);
    let mut took = Duration::ZERO;
    for time in 0..10 {
        let [of, all] = [start(&other, Some("s"), Start::Now).await, start(&other, None, Start::Now).await];
        one.append(append(vec![event("s", time, "a")])).await.unwrap();
        let begun = Instant::now();
        for tail in [of, all] {
            timeout(SECONDS, other.appended(&tail)).await.expect("there is an event");
        }
        took += begun.elapsed();
    }
    assert!(took < Duration::from_secs(4), "20 Tails waited {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_tails_share_few_sessions() {
    let db = test_db!("a_thousand_idle_tails_share_few_sessions");
    let (store, other) = (Arc::new(db.open().await), db.open().await);
    let after = store.position(&namespace(), Some(&super::series("none")), Start::Now).await.unwrap();
    let wait = |number: usize| {
        let (store, tail) = (Arc::clone(&store), tail(Some(&format!("s{number}")), after.clone()));
        async move {
            store.appended(&tail).await;
            number
        }
    };
    let mut waiting: Vec<_> = (0..1_000).map(|number| Box::pin(wait(number))).collect();
    for waiting in &mut waiting {
        assert!(futures::poll!(waiting).is_pending());
    }
    // Of a read, and of an Append that none waits for.
    assert_eq!(read(&*store, &mut start(&*store, Some("x"), Start::Now).await).await.unwrap(), []);
    other.append(append(vec![event("x", 1, "a")])).await.unwrap();
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                    AND application_name = 'prism' AND query LIKE '%prism_ts_%'";
    let sessions: i64 = db.other_client().await.fetch_one(sessions).await.unwrap().get(0);
    assert!(sessions < 20, "{sessions} sessions");
    other.append(append(vec![event("s77", 1, "a")])).await.unwrap();
    let woken = timeout(SECONDS, async {
        loop {
            let (number, _, rest) = futures::future::select_all(waiting).await;
            waiting = rest;
            // Others share its bucket, and wait again.
            if number == 77 {
                return;
            }
        }
    });
    woken.await.expect("the Tail of the series is woken");
}

#[tokio::test]
async fn tokens_continue_after_a_restart_and_at_another_gateway() {
    let db = test_db!("tokens_continue_after_a_restart_and_at_another_gateway");
    let store = db.open().await;
    let before = [start(&store, None, Start::Now).await, start(&store, Some("s"), Start::Now).await];
    store.append(append(vec![event("s", 2, "a"), event("t", 1, "b")])).await.unwrap();
    let snapshot = store.query(&query("s")).await.unwrap().snapshot;
    store.append(append(vec![event("s", 1, "late")])).await.unwrap();
    store.close().await;
    let store = db.open().await;
    // The namespace did not exist.
    for (mut tail, expected) in before.into_iter().zip([3, 2]) {
        assert_eq!(read(&store, &mut tail).await.unwrap().len(), expected, "{:?}", tail.series);
    }
    let mut after_query = tail(Some("s"), snapshot.clone());
    assert_eq!(read(&store, &mut after_query).await.unwrap(), [event("s", 1, "late")]);
    let mut resumed = query("s");
    resumed.snapshot = Some(snapshot.clone());
    assert_eq!(names(&store.query(&resumed).await.unwrap().events), ["a"]);
    // A restored backup has another incarnation.
    db.run("UPDATE prism_ts_store SET incarnation = uuid_send(gen_random_uuid())").await;
    assert!(matches!(store.tail(&tail(Some("s"), snapshot)).await, Err(Error::TokenExpired)));
    assert!(matches!(store.query(&resumed).await, Err(Error::TokenExpired)));
}

#[tokio::test]
async fn a_token_beyond_the_end_of_the_log_is_expired() {
    let db = test_db!("a_token_beyond_the_end_of_the_log_is_expired");
    let store = db.open().await;
    store.append(append(vec![event("s", 1, "a"), event("t", 1, "b")])).await.unwrap();
    let ends = join_all([Some("s"), None].map(|of| start(&store, of, Start::Now))).await;
    db.run("UPDATE prism_ts_partitions SET position = 0").await;
    for tail in ends {
        assert!(matches!(store.tail(&tail).await, Err(Error::TokenExpired)), "{:?}", tail.series);
    }
}
