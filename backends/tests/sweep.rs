//! Sweeping removes dead rows, in bounded steps, and no live item (TTL-5).

mod common;

use std::time::Duration;

use common::{TestDb, sweeps};
use prism_backends::Sqlite;
use sqlx::{Executor, Row};

/// A store with a retention of 1,000 microseconds, one millisecond.
async fn open(db: &TestDb) -> Sqlite {
    let mut options = db.options();
    options.retention = Duration::from_millis(1);
    Sqlite::open(options).await.unwrap()
}

/// Number of rows in the file, live or dead, and of bytes of values.
async fn stored(db: &TestDb) -> (i64, i64) {
    let counted = "SELECT count(*), ifnull(sum(length(value)), 0) FROM items";
    let row = db.other_client().await.fetch_one(counted).await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn an_expired_item_is_dropped_and_a_live_one_stays() {
    let db = TestDb::new();
    sweeps::an_expired_item_is_dropped(open(&db).await, async || stored(&db).await).await;
}

#[tokio::test]
async fn an_expired_item_keeps_its_token_and_loses_its_value_until_the_retention_ends() {
    let db = TestDb::new();
    sweeps::an_expired_item_keeps_its_token(open(&db).await, async || stored(&db).await).await;
}

#[tokio::test]
async fn a_tombstone_is_dropped_when_its_retention_ends() {
    let db = TestDb::new();
    sweeps::a_tombstone_is_dropped(open(&db).await, async || stored(&db).await).await;
}

#[tokio::test]
async fn a_sweep_is_bounded_and_reports_that_there_is_more() {
    let db = TestDb::new();
    sweeps::a_sweep_is_bounded(open(&db).await, async || stored(&db).await, 2_000).await;
}
