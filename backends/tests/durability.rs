//! Acknowledged writes survive restarts and crashes, and versions and tokens never decrease.

mod common;

use std::fs;
use std::time::Duration;

use common::{TestDb, at, delete, get, item, key, put, put_items};
use prism_backends::Sqlite;
use prism_contract::Lifecycle;
use prism_contract::keyvalue::{Delete, Get, KeyValueBackend, Predicate, Put, PutResult};
use sqlx::{Executor, Row, SqliteConnection};
use tokio::time::timeout;

/// Pages in the WAL.
async fn log(other_client: &mut SqliteConnection) -> i64 {
    sqlx::query("PRAGMA wal_checkpoint(NOOP)").fetch_one(other_client).await.unwrap().get(1)
}

async fn put_version(store: &Sqlite, put: Put) -> i64 {
    store.put(put).await.unwrap()[0].version
}

#[tokio::test]
async fn the_database_reports_durable_settings() {
    let db = TestDb::new();
    let store = db.open().await;
    let settings = store.settings().await.unwrap();
    assert!(settings.are_durable(), "{settings}");
    assert_eq!((settings.journal_mode.as_str(), settings.synchronous), ("wal", "FULL"));
    // The mode is persistent in the file, not only that of this connection.
    let mode: String = db.other_client().await.fetch_one("PRAGMA journal_mode").await.unwrap().get(0);
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn everything_survives_a_restart_expiry_and_tokens_included() {
    let db = TestDb::new();
    let store = db.open().await;
    store.put(Put { token: 7, expires_at: Some(at(2_000)), ..put("a", "1") }).await.unwrap();
    let before = store.get(&get(Predicate::All)).await.unwrap();
    store.close().await;
    let store = db.open().await;
    assert_eq!(store.get(&get(Predicate::All)).await.unwrap(), before);
    assert!(store.get(&Get { now: at(2_000), ..get(Predicate::All) }).await.unwrap().items.is_empty());
    let late = store.put(Put { token: 7, ..put("a", "2") }).await.unwrap();
    assert_eq!(late, [PutResult { applied: false, version: before.items[0].version }]);
}

#[tokio::test]
async fn versions_continue_after_a_restart_even_of_an_empty_store() {
    let db = TestDb::new();
    let store = db.open().await;
    let first = put_version(&store, put("a", "1")).await;
    let last = put_version(&store, put("a", "2")).await;
    assert!(last > first);
    store.delete(delete(Predicate::All)).await.unwrap();
    store.close().await;
    assert!(put_version(&db.open().await, put("a", "3")).await > last);
}

#[tokio::test]
async fn versions_are_never_shared_by_two_stores_on_one_file() {
    let db = TestDb::new();
    let (one, other) = (db.open().await, db.open().await);
    let mut last = 0;
    for _ in 0..5 {
        for store in [&one, &other] {
            let version = put_version(store, put("a", "1")).await;
            assert!(version > last, "{version} after {last}");
            last = version;
        }
    }
}

#[tokio::test]
async fn reserved_versions_are_invalid_once_another_store_has_written() {
    for closes in [false, true] {
        let db = TestDb::new();
        let (one, other) = (db.open().await, db.open().await);
        for _ in 0..4 {
            put_version(&one, put("a", "1")).await;
        }
        // The first store has three reserved versions left.
        let last = put_version(&other, put("a", "1")).await;
        let next = if closes {
            one.close().await;
            put_version(&other, put("a", "1")).await
        } else {
            let items = ["a", "b", "c", "d"].map(|name| item(name, "1"));
            one.put(put_items(items.to_vec())).await.unwrap()[0].version
        };
        assert!(next > last, "{next} after {last}, closes: {closes}");
    }
}

#[tokio::test]
async fn acknowledged_writes_are_in_the_files_left_by_a_crash() {
    let db = TestDb::new();
    let store = db.open().await;
    let version = put_version(&store, Put { token: 3, ..put("a", "1") }).await;
    let named = Predicate::keys([key("gone")]).unwrap();
    store.delete(Delete { token: 9, ..delete(named) }).await.unwrap();
    // The state left by a killed process: the file and its WAL, neither checkpointed nor closed.
    let crashed = TestDb::new();
    for suffix in ["", "-wal"] {
        let name = format!("prism.db{suffix}");
        fs::copy(db.folder.path().join(&name), crashed.folder.path().join(&name)).unwrap();
    }
    let recovered = crashed.open().await;
    let page = recovered.get(&get(Predicate::All)).await.unwrap();
    assert_eq!((page.items.len(), page.items[0].version, page.items[0].priority_token), (1, version, 3));
    let superseded = recovered.put(Put { token: 9, ..put("gone", "2") }).await.unwrap();
    assert_eq!(superseded, [PutResult { applied: false, version: 0 }]);
    assert!(put_version(&recovered, put("b", "1")).await > version);
}

#[tokio::test]
async fn the_wal_is_checkpointed_and_restarted_during_writes() {
    let db = TestDb::new();
    let store = db.open().await;
    let mut other_client = db.other_client().await;
    let mut filling = 0;
    // A connection that has not read yet has no WAL open.
    other_client.execute("SELECT last FROM versions").await.unwrap();
    let checkpointed = async {
        // Twice: also after a restart of the WAL.
        for _ in 0..2 {
            while log(&mut other_client).await < 8_000 {
                // Unchanged values would not be written again.
                filling += 1;
                let large = (0..4_u8).map(|n| item(vec![n], vec![filling; 1 << 20]));
                store.put(put_items(large.collect())).await.unwrap();
            }
            let mut pages = 8_000;
            while pages >= 8_000 {
                store.put(put("a", "1")).await.unwrap();
                pages = log(&mut other_client).await;
                assert!(pages < 15_000, "only a commit would checkpoint it now");
            }
        }
    };
    timeout(Duration::from_mins(1), checkpointed).await.expect("the WAL was not checkpointed completely");
    for n in 0..4 {
        let named = Predicate::keys([key(vec![n])]).unwrap();
        let page = store.get(&get(named)).await.unwrap();
        assert!(page.items[0].value.iter().all(|byte| *byte == filling));
    }
}

#[tokio::test]
async fn closing_checkpoints_the_wal() {
    let db = TestDb::new();
    let store = db.open().await;
    store.put(put("a", "1")).await.unwrap();
    store.close().await;
    let left: Vec<_> =
        fs::read_dir(db.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["prism.db"]);
}
