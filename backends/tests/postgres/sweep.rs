//! Sweeping removes dead rows, in bounded steps, and no live item (TTL-5); gateways do not sweep concurrently.

use std::time::Duration;

use futures::join;
use prism_backends::Postgres;
use prism_contract::Lifecycle;
use prism_contract::keyvalue::{KeyValueBackend, Put};
use sqlx::{Executor, Row};

use crate::common::sweeps::{self, swept};
use crate::common::{at, precondition, put};
use crate::test_db::{TestDb, test_db};

/// A store with a retention of 1,000 microseconds, one millisecond.
async fn open(db: &TestDb) -> Postgres {
    let mut options = db.options();
    options.retention = Duration::from_millis(1);
    Postgres::open(options).await.unwrap()
}

/// Number of rows in the table, live or dead, and of bytes of values.
async fn stored(db: &TestDb) -> (i64, i64) {
    let counted = "SELECT count(*), coalesce(sum(octet_length(value)), 0)::bigint FROM prism_items";
    let row = db.other_client().await.fetch_one(counted).await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn an_expired_item_is_dropped_and_a_live_one_stays() {
    let db = test_db!("an_expired_item_is_dropped_and_a_live_one_stays");
    sweeps::an_expired_item_is_dropped(open(&db).await, async || stored(&db).await).await;
}

#[tokio::test]
async fn an_expired_item_keeps_its_token_and_loses_its_value_until_the_retention_ends() {
    let db = test_db!("an_expired_item_keeps_its_token_and_loses_its_value_until_the_retention_ends");
    sweeps::an_expired_item_keeps_its_token(open(&db).await, async || stored(&db).await).await;
}

#[tokio::test]
async fn a_tombstone_is_dropped_when_its_retention_ends() {
    let db = test_db!("a_tombstone_is_dropped_when_its_retention_ends");
    sweeps::a_tombstone_is_dropped(open(&db).await, async || stored(&db).await).await;
}

#[tokio::test]
async fn a_sweep_is_bounded_and_reports_that_there_is_more() {
    let db = test_db!("a_sweep_is_bounded_and_reports_that_there_is_more");
    sweeps::a_sweep_is_bounded(open(&db).await, async || stored(&db).await, 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sweepers_of_two_gateways_drop_each_item_once() {
    let db = test_db!("sweepers_of_two_gateways_drop_each_item_once");
    let (one, other) = (open(&db).await, open(&db).await);
    sweeps::fill(&one).await;
    let mut expired = 0;
    for _ in 0..10 {
        let (first, second) = join!(one.sweep(at(1_500)), other.sweep(at(1_500)));
        expired += first.unwrap().expired + second.unwrap().expired;
    }
    assert_eq!(expired, 3_000);
    assert_eq!(stored(&db).await, (1_000, 0));
}

#[tokio::test]
async fn a_record_being_written_is_left_for_the_next_sweep() {
    let db = test_db!("a_record_being_written_is_left_for_the_next_sweep");
    let store = open(&db).await;
    store.put(Put { expires_at: Some(at(1_500)), ..put("a", "1") }).await.unwrap();
    store.put(put("b", "1")).await.unwrap();
    // Another gateway is writing the record: it holds the record's lock and waits for a row.
    let mut other_client = db.other_client().await;
    other_client.execute("BEGIN").await.unwrap();
    other_client.execute("SELECT 1 FROM prism_items WHERE key = 'b' FOR UPDATE").await.unwrap();
    let writer = open(&db).await;
    let guarded = Put { preconditions: vec![precondition("none", 0)], ..put("b", "2") };
    let writing = tokio::spawn(async move { writer.put(guarded).await });
    while db.waiting().await == 0 {}
    assert_eq!(store.sweep(at(1_500)).await.unwrap(), swept(0, 0, false));
    other_client.execute("ROLLBACK").await.unwrap();
    assert!(writing.await.unwrap().unwrap()[0].applied);
    assert_eq!(store.sweep(at(1_500)).await.unwrap(), swept(1, 0, false));
}
