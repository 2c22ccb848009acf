//! Sweeping removes dead rows, in bounded steps, and no live item (TTL-5).

mod common;

use std::time::Duration;

use common::{TestDb, at, get, item, key, put, put_items};
use prism_backends::Sqlite;
use prism_contract::keyvalue::{Delete, Get, KeyValueBackend, Predicate, Put, PutResult};
use prism_contract::{Lifecycle, Swept};
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

fn swept(expired: u64, tombstones: u64, more: bool) -> Swept {
    Swept { expired, tombstones, more }
}

#[tokio::test]
async fn an_expired_item_is_dropped_and_a_live_one_stays() {
    let db = TestDb::new();
    let store = open(&db).await;
    store.put(put("stays", "1")).await.unwrap();
    store.put(Put { expires_at: Some(at(1_501)), ..put("later", "1") }).await.unwrap();
    store.put(Put { expires_at: Some(at(1_500)), ..put("now", "1") }).await.unwrap();
    assert_eq!(store.sweep(at(1_499)).await.unwrap(), swept(0, 0, false));
    assert_eq!(store.sweep(at(1_500)).await.unwrap(), swept(1, 0, false));
    assert_eq!(stored(&db).await, (2, 2));
    let page = store.get(&Get { now: at(1_500), ..get(Predicate::All) }).await.unwrap();
    assert_eq!(page.items.len(), 2);
}

#[tokio::test]
async fn an_expired_item_keeps_its_token_and_loses_its_value_until_the_retention_ends() {
    let db = TestDb::new();
    let store = open(&db).await;
    store.put(Put { token: 5, expires_at: Some(at(1_500)), ..put("a", "value") }).await.unwrap();
    assert_eq!(store.sweep(at(1_500)).await.unwrap(), swept(1, 0, false));
    assert_eq!(stored(&db).await, (1, 0));
    let late = Put { token: 5, now: at(2_499), ..put("a", "late") };
    assert_eq!(store.put(late).await.unwrap(), [PutResult { applied: false, version: 0 }]);
    // A request with an earlier `now` sees no item without its value.
    assert!(store.get(&Get { now: at(1_400), ..get(Predicate::All) }).await.unwrap().items.is_empty());
    assert_eq!(store.sweep(at(2_499)).await.unwrap(), swept(0, 0, false));
    assert_eq!(store.sweep(at(2_500)).await.unwrap(), swept(0, 1, false));
    assert_eq!(stored(&db).await, (0, 0));
}

#[tokio::test]
async fn a_tombstone_is_dropped_when_its_retention_ends() {
    let db = TestDb::new();
    let store = open(&db).await;
    let named = Predicate::keys([key("a")]).unwrap();
    let tombstone = Delete { token: 5, ..common::delete(named) };
    store.delete(tombstone).await.unwrap();
    assert_eq!(store.sweep(at(1_999)).await.unwrap(), swept(0, 0, false));
    assert_eq!(stored(&db).await, (1, 0));
    assert_eq!(store.sweep(at(2_000)).await.unwrap(), swept(0, 1, false));
    assert_eq!(stored(&db).await, (0, 0));
}

#[tokio::test]
async fn a_sweep_is_bounded_and_reports_that_there_is_more() {
    let db = TestDb::new();
    let store = open(&db).await;
    for (round, token) in [0, 1, 0].into_iter().enumerate() {
        let items = (0..1_000).map(|n| item(format!("{round} {n}"), "v")).collect();
        let put = Put { token, expires_at: Some(at(1_500)), ..put_items(items) };
        store.put(put).await.unwrap();
    }
    let mut sweeps = vec![store.sweep(at(1_500)).await.unwrap()];
    while sweeps.last().is_some_and(|swept| swept.more) {
        sweeps.push(store.sweep(at(1_500)).await.unwrap());
        assert!(sweeps.len() < 10, "{sweeps:?}");
    }
    assert!(sweeps.len() > 1, "{sweeps:?}");
    assert_eq!(sweeps.iter().map(|swept| swept.expired).sum::<u64>(), 3_000);
    assert!(sweeps.iter().all(|swept| swept.expired <= 2_000));
    assert_eq!(stored(&db).await, (1_000, 0), "the tombstones keep their tokens");
}
