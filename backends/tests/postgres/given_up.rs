//! Writes that were given up never take effect after a later one that was answered, and Deletes that take too long are refused
//! as such, beside the writes of others.

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
use crate::place::{Place, place};

async fn value(store: &Postgres, key: &str) -> String {
    let page = store.get(&get(Predicate::All)).await.unwrap();
    let found = page.items.iter().find(|item| item.key.as_bytes() == key.as_bytes());
    found.map(|item| String::from_utf8_lossy(&item.value).into_owned()).unwrap_or_default()
}

/// How many sessions of gateways there are that run something, or that began before `before`, as seconds since 1970.
async fn at_work(place: &Place, before: f64) -> i64 {
    let question = "SELECT count(DISTINCT activity.pid) FROM pg_stat_activity AS activity JOIN pg_locks AS lock USING (pid) \
                    WHERE activity.pid <> pg_backend_pid() AND application_name = 'prism' \
                    AND lock.relation = 'prism_items'::regclass AND extract(epoch FROM backend_start) < $1";
    let row = sqlx::query(question).bind(before).fetch_one(&mut place.stranger().await).await.unwrap();
    row.get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_caller_went_away_never_overtakes_a_later_one() {
    let place = place!("a_write_whose_caller_went_away_never_overtakes_a_later_one");
    let store = place.open().await;
    store.put(put_items(vec![item("a", "zero"), item("z", "zero")])).await.unwrap();
    let mut stranger = place.stranger().await;
    stranger.execute("BEGIN").await.unwrap();
    stranger.execute("SELECT 1 FROM prism_items WHERE key = 'a' FOR UPDATE").await.unwrap();
    {
        // It waits for the row of `a`, and comes to `z` after that.
        let gone = store.put(put_items(vec![item("a", "one"), item("z", "one")]));
        pin_mut!(gone);
        while place.waiting_for_rows().await == 0 {
            assert!(poll!(&mut gone).is_pending());
        }
    }
    let begun = Instant::now();
    store.put(put("z", "two")).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "the later write waited {:?}", begun.elapsed());
    assert_eq!(place.waiting_for_rows().await, 0, "what was given up still waits in the database");
    stranger.execute("ROLLBACK").await.unwrap();
    while at_work(&place, f64::MAX).await > 0 {}
    assert_eq!((value(&store, "a").await, value(&store, "z").await), ("zero".to_owned(), "two".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_on_its_way_when_the_database_seems_silent_never_arrives_after_a_later_one() {
    let place =
        place!("a_write_that_is_on_its_way_when_the_database_seems_silent_never_arrives_after_a_later_one");
    let relay = Cuttable::before(place.url()).await.unwrap();
    let mut options = prism_backends::postgres::Options::new(relay.url());
    options.statement_timeout = Duration::from_millis(500);
    let store = Postgres::open(options).await.unwrap();
    store.put(put("k", "zero")).await.unwrap();
    let now: f64 = sqlx::query("SELECT extract(epoch FROM clock_timestamp())::float8")
        .fetch_one(&mut place.stranger().await)
        .await
        .unwrap()
        .get(0);
    // The statement is given up after 1.5 s, and reaches the server after 3.
    relay.strand(Duration::from_secs(3));
    assert_eq!(store.put(put("k", "one")).await.map_err(|error| error.code()), Err(Code::Unavailable));
    store.put(put("k", "two")).await.unwrap();
    // The server processes of the connections that were slow end when the last of what was sent has reached them.
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'prism' AND datname = current_database() \
                    AND extract(epoch FROM backend_start)::float8 < $1";
    let until = Instant::now() + Duration::from_secs(4);
    loop {
        let mut stranger = place.stranger().await;
        let row = sqlx::query(sessions).bind(now).fetch_one(&mut stranger).await.unwrap();
        if row.get::<i64, _>(0) == 0 || Instant::now() > until {
            break;
        }
    }
    assert_eq!(value(&store, "k").await, "two");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_given_up_at_any_moment_lets_the_next_one_be_done() {
    const ROUNDS: u32 = 1_000;
    let place = place!("a_write_that_is_given_up_at_any_moment_lets_the_next_one_be_done");
    let store = place.open().await;
    for round in 0..ROUNDS {
        // Up to 1.2 ms later, in an order without a pattern: while it is sent, done, committed and answered.
        let moment = Duration::from_micros(u64::from(round) * 1_597 % 1_200);
        let _ = timeout(moment, store.put(put("k", "given up"))).await;
        let value_of = format!("{round}");
        store
            .put(put("k", value_of.clone()))
            .await
            .unwrap_or_else(|error| panic!("after {moment:?}: {error:?}"));
        assert_eq!(value(&store, "k").await, value_of, "after {moment:?}");
    }
}

/// Fills a record by the database itself.
async fn fill(place: &Place, rows: usize) {
    place
        .run(&format!(
            "INSERT INTO prism_items SELECT 'ns', 'r', convert_to(lpad(i::text, 8, '0'), 'UTF8'), '', 0, \
             nextval('prism_versions'), 1, 1, 1, NULL, NULL, 'v' FROM generate_series(1, {rows}) AS i"
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_that_is_too_large_is_refused_as_such_and_holds_up_nobody() {
    const ROWS: usize = 200_000;
    let place = place!("a_delete_that_is_too_large_is_refused_as_such_and_holds_up_nobody");
    let mut options = place.options();
    (options.statement_timeout, options.lock_timeout) =
        (Duration::from_millis(700), Duration::from_millis(400));
    let store = Postgres::open(options).await.unwrap();
    fill(&place, ROWS).await;
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
    // Not half (DEL-5).
    let mut stranger = place.stranger().await;
    let live = "SELECT count(*) FROM prism_items WHERE id = 'r' AND deleted_at IS NULL";
    assert_eq!(stranger.fetch_one(live).await.unwrap().get::<i64, _>(0), i64::try_from(ROWS).unwrap());
    // As the message says: in ranges.
    let range =
        Predicate::range(bytes::Bytes::from_static(b"00000000"), bytes::Bytes::from_static(b"00002001"))
            .unwrap();
    assert_eq!(store.delete(Delete { token: 2, ..delete(range) }).await.unwrap(), 2_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_that_takes_long_goes_alone_and_is_done() {
    let place = place!("a_delete_that_takes_long_goes_alone_and_is_done");
    let store = place.open().await;
    fill(&place, 60_000).await;
    let others = (0..50).map(|n| store.put(Put { id: record(&format!("r{n}")), ..put("a", "1") }));
    let same = async {
        // Answered after the Delete or before it, and not blocked by its lock.
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
async fn a_small_delete_that_the_database_does_not_do_in_time_is_an_outage() {
    let place = place!("a_small_delete_that_the_database_does_not_do_in_time_is_an_outage");
    let mut options = place.options();
    (options.statement_timeout, options.lock_timeout) = (Duration::from_millis(300), Duration::from_secs(9));
    let store = Postgres::open(options).await.unwrap();
    store.put(put("a", "1")).await.unwrap();
    let mut stranger = place.stranger().await;
    stranger.execute("BEGIN").await.unwrap();
    stranger.execute("SELECT 1 FROM prism_items FOR UPDATE").await.unwrap();
    let refused = timeout(Duration::from_secs(5), store.delete(delete(Predicate::All))).await.unwrap();
    assert_eq!(refused.map_err(|error| error.code()), Err(Code::Unavailable));
}
