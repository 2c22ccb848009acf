//! Cancelled writes never take effect after a later acknowledged one, and Deletes that take too long are refused without
//! delay for other writes.

use std::time::Duration;

use futures::future::join_all;
use futures::{pin_mut, poll};
use prism_backends::Postgres;
use prism_contract::Code;
use prism_contract::keyvalue::{Delete, Get, KeyValueBackend, Predicate, Put};
use prism_testkit::Cuttable;
use sqlx::{Executor, Row};
use tokio::time::{Instant, timeout};

use crate::common::{delete, get, item, put, put_items, record};
use crate::test_db::{TestDb, test_db};

async fn value(store: &Postgres, key: &str) -> String {
    let page = store.get(&get(Predicate::All)).await.unwrap();
    let found = page.items.iter().find(|item| item.key.as_bytes() == key.as_bytes());
    found.map(|item| String::from_utf8_lossy(&item.value).into_owned()).unwrap_or_default()
}

/// Number of gateway sessions with a lock on the table that began before `before`, in seconds since 1970.
async fn active_sessions(db: &TestDb, before: f64) -> i64 {
    let sql = "SELECT count(DISTINCT activity.pid) FROM pg_stat_activity AS activity JOIN pg_locks AS lock USING (pid) \
                    WHERE activity.pid <> pg_backend_pid() AND application_name = 'prism' \
                    AND lock.relation = 'prism_items'::regclass AND extract(epoch FROM backend_start) < $1";
    let row = sqlx::query(sql).bind(before).fetch_one(&mut db.other_client().await).await.unwrap();
    row.get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_write_never_takes_effect_after_a_later_one() {
    let db = test_db!("a_cancelled_write_never_takes_effect_after_a_later_one");
    let store = db.open().await;
    store.put(put_items(vec![item("a", "zero"), item("z", "zero")])).await.unwrap();
    let mut other_client = db.other_client().await;
    other_client.execute("BEGIN").await.unwrap();
    other_client.execute("SELECT 1 FROM prism_items WHERE key = 'a' FOR UPDATE").await.unwrap();
    {
        // It waits for the row of `a`, and would then write `z`.
        let gone = store.put(put_items(vec![item("a", "one"), item("z", "one")]));
        pin_mut!(gone);
        while db.waiting_for_rows().await == 0 {
            assert!(poll!(&mut gone).is_pending());
        }
    }
    let begun = Instant::now();
    store.put(put("z", "two")).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "the later write waited {:?}", begun.elapsed());
    assert_eq!(db.waiting_for_rows().await, 0, "the cancelled write still waits in the database");
    other_client.execute("ROLLBACK").await.unwrap();
    while active_sessions(&db, f64::MAX).await > 0 {}
    assert_eq!((value(&store, "a").await, value(&store, "z").await), ("zero".to_owned(), "two".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_in_transit_when_the_database_stops_responding_never_takes_effect_after_a_later_one() {
    let db = test_db!(
        "a_write_in_transit_when_the_database_stops_responding_never_takes_effect_after_a_later_one"
    );
    let relay = Cuttable::before(db.url()).await.unwrap();
    let mut options = prism_backends::postgres::Options::new(relay.url());
    options.statement_timeout = Duration::from_millis(500);
    let store = Postgres::open(options).await.unwrap();
    store.put(put("k", "zero")).await.unwrap();
    let now: f64 = sqlx::query("SELECT extract(epoch FROM clock_timestamp())::float8")
        .fetch_one(&mut db.other_client().await)
        .await
        .unwrap()
        .get(0);
    // The statement times out after 1.5 s, and reaches the server after 3.
    relay.strand(Duration::from_secs(3));
    assert_eq!(store.put(put("k", "one")).await.map_err(|error| error.code()), Err(Code::Unavailable));
    store.put(put("k", "two")).await.unwrap();
    // The server processes of the stranded connections end when they have received everything that was sent.
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'prism' AND datname = current_database() \
                    AND extract(epoch FROM backend_start)::float8 < $1";
    let until = Instant::now() + Duration::from_secs(4);
    loop {
        let mut other_client = db.other_client().await;
        let row = sqlx::query(sessions).bind(now).fetch_one(&mut other_client).await.unwrap();
        if row.get::<i64, _>(0) == 0 || Instant::now() > until {
            break;
        }
    }
    assert_eq!(value(&store, "k").await, "two");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_cancelled_at_any_moment_does_not_block_the_next_one() {
    const ROUNDS: u32 = 1_000;
    let db = test_db!("a_write_cancelled_at_any_moment_does_not_block_the_next_one");
    let store = db.open().await;
    for round in 0..ROUNDS {
        // Up to 1.2 ms later, in a scattered order: while it is sent, executed, committed and answered.
        let moment = Duration::from_micros(u64::from(round) * 1_597 % 1_200);
        let _ = timeout(moment, store.put(put("k", "cancelled"))).await;
        let value_of = format!("{round}");
        store
            .put(put("k", value_of.clone()))
            .await
            .unwrap_or_else(|error| panic!("after {moment:?}: {error:?}"));
        assert_eq!(value(&store, "k").await, value_of, "after {moment:?}");
    }
}

/// Fills a record within the database.
async fn fill(db: &TestDb, rows: usize) {
    db.run(&format!(
        "INSERT INTO prism_items SELECT 'ns', 'r', convert_to(lpad(i::text, 8, '0'), 'UTF8'), '', 0, \
             nextval('prism_versions'), 1, 1, 1, NULL, NULL, 'v' FROM generate_series(1, {rows}) AS i"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_too_large_delete_is_refused_as_such_and_blocks_no_others() {
    const ROWS: usize = 200_000;
    let db = test_db!("a_too_large_delete_is_refused_as_such_and_blocks_no_others");
    let mut options = db.options();
    (options.statement_timeout, options.lock_timeout) =
        (Duration::from_millis(700), Duration::from_millis(400));
    let store = Postgres::open(options).await.unwrap();
    fill(&db, ROWS).await;
    let all = || Delete { token: 2, ..delete(Predicate::All) };
    let (mut slowest, mut count) = (Duration::ZERO, 0);
    let refused = {
        let deleting = store.delete(all());
        pin_mut!(deleting);
        loop {
            let elsewhere = async {
                let begun = Instant::now();
                store.put(Put { id: record("elsewhere"), ..put("a", "1") }).await.unwrap();
                begun.elapsed()
            };
            tokio::select! {
                biased;
                refused = &mut deleting => break refused,
                took = elsewhere => (slowest, count) = (slowest.max(took), count + 1),
            }
        }
    };
    let error = refused.unwrap_err();
    assert_eq!((error.code(), error.retry_after()), (Code::DeadlineExceeded, None), "{error:?}");
    assert!(error.to_string().contains("in several ranges"), "{error}");
    assert!(count > 10 && slowest < Duration::from_millis(600), "{count} others, the slowest {slowest:?}");
    // No partial effect (DEL-5).
    let mut other_client = db.other_client().await;
    let live = "SELECT count(*) FROM prism_items WHERE id = 'r' AND deleted_at IS NULL";
    assert_eq!(other_client.fetch_one(live).await.unwrap().get::<i64, _>(0), i64::try_from(ROWS).unwrap());
    // By ranges, as the message recommends.
    let range =
        Predicate::range(bytes::Bytes::from_static(b"00000000"), bytes::Bytes::from_static(b"00002001"))
            .unwrap();
    assert_eq!(store.delete(Delete { token: 2, ..delete(range) }).await.unwrap(), 2_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_that_takes_long_is_committed_alone() {
    let db = test_db!("a_delete_that_takes_long_is_committed_alone");
    let store = db.open().await;
    fill(&db, 60_000).await;
    let others = (0..50).map(|n| store.put(Put { id: record(&format!("r{n}")), ..put("a", "1") }));
    let same = async {
        // Answered before or after the Delete, and not timed out by its lock.
        store.put(put("later", "1")).await.map(drop)
    };
    let delete = Delete { token: 2, ..delete(Predicate::prefix(bytes::Bytes::from_static(b"0")).unwrap()) };
    let (deleted, others, same) = futures::join!(store.delete(delete), join_all(others), same);
    assert_eq!(deleted.unwrap(), 60_000);
    same.unwrap();
    others.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    let left = store.get(&Get { ..get(Predicate::All) }).await.unwrap().items;
    assert_eq!(left.iter().map(|item| item.key.to_vec()).collect::<Vec<_>>(), [b"later"]);
}

#[tokio::test]
async fn a_small_delete_that_times_out_is_an_outage() {
    let db = test_db!("a_small_delete_that_times_out_is_an_outage");
    let mut options = db.options();
    (options.statement_timeout, options.lock_timeout) = (Duration::from_millis(300), Duration::from_secs(9));
    let store = Postgres::open(options).await.unwrap();
    store.put(put("a", "1")).await.unwrap();
    let mut other_client = db.other_client().await;
    other_client.execute("BEGIN").await.unwrap();
    other_client.execute("SELECT 1 FROM prism_items FOR UPDATE").await.unwrap();
    let refused = timeout(Duration::from_secs(5), store.delete(delete(Predicate::All))).await.unwrap();
    assert_eq!(refused.map_err(|error| error.code()), Err(Code::Unavailable));
}
