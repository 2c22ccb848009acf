//! Deletes that exceed their time limit: refused as a whole, interrupted when no caller waits, and without delay for others
//! (DEL-5).

mod common;

use std::time::Duration;

use common::{TestDb, delete, get, key, put, record};
use futures::{join, pin_mut, poll};
use prism_backends::Sqlite;
use prism_contract::keyvalue::{Delete, KeyValueBackend, Predicate, Put};
use prism_contract::{Code, Error, Lifecycle};
use sqlx::{ConnectOptions, Executor, Row};
use tokio::time::timeout;

/// Number of items that [`fill`] writes to the record `r`: more than a tenth of a second of work.
const ITEMS: i64 = 300_000;

/// Fills the record `r`.
async fn fill(db: &TestDb) {
    let rows = "WITH RECURSIVE n (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 300000) \
                INSERT INTO items (namespace, id, key, content_type, compression, version, token, created_at, updated_at, value) \
                SELECT CAST('ns' AS BLOB), CAST('r' AS BLOB), CAST(printf('%06d', x) AS BLOB), '', 0, 1, x % 2, 0, 0, x'' FROM n";
    db.other_client().await.execute(rows).await.unwrap();
}

/// Number of live items in the file.
async fn live(db: &TestDb) -> i64 {
    let counted = "SELECT count(*) FROM items WHERE deleted_at IS NULL";
    db.other_client().await.fetch_one(counted).await.unwrap().get(0)
}

fn elsewhere() -> Put {
    Put { id: record("elsewhere"), ..put("a", "1") }
}

#[tokio::test]
async fn a_delete_that_takes_too_long_is_refused_and_deletes_nothing() {
    let db = TestDb::new();
    let mut options = db.options();
    options.delete_time = Duration::from_millis(1);
    let store = Sqlite::open(options).await.unwrap();
    fill(&db).await;
    for token in [0, 9] {
        let large = Delete { token, ..delete(Predicate::All) };
        let (refused, beside) = join!(store.delete(large.clone()), store.put(elsewhere()));
        assert!(matches!(refused, Err(Error::DeleteTooLarge)), "{refused:?}");
        beside.unwrap();
        assert_eq!(live(&db).await, ITEMS + 1);
        let refused = store.delete(large).await.unwrap_err();
        assert!(matches!(refused, Error::DeleteTooLarge) && refused.code() == Code::DeadlineExceeded);
    }
    let prefix = Predicate::prefix(bytes::Bytes::from("00000")).unwrap();
    assert_eq!(store.delete(delete(prefix)).await.unwrap(), 9, "a smaller Delete, as the message recommends");
    store.check().await.unwrap();
}

#[tokio::test]
async fn a_delete_within_its_time_limit_is_complete() {
    let db = TestDb::new();
    let mut options = db.options();
    options.delete_time = Duration::from_mins(1);
    let store = Sqlite::open(options).await.unwrap();
    fill(&db).await;
    let (deleted, beside) = join!(store.delete(delete(Predicate::All)), store.put(elsewhere()));
    assert_eq!(deleted.unwrap(), 300_000);
    beside.unwrap();
    assert!(store.get(&get(Predicate::All)).await.unwrap().items.is_empty());
    assert_eq!(live(&db).await, 1);
}

#[tokio::test]
async fn an_abandoned_delete_is_interrupted_and_rolled_back() {
    let db = TestDb::new();
    let mut options = db.options();
    options.delete_time = Duration::from_hours(1);
    let store = Sqlite::open(options).await.unwrap();
    store.put(put("a", "1")).await.unwrap();
    let mut other_client = db.other_client().await;
    // A Delete of one item that never ends.
    let endless = "CREATE TRIGGER endless BEFORE DELETE ON items BEGIN \
                   SELECT count(*) FROM (WITH RECURSIVE n (x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT x FROM n); END";
    other_client.execute(endless).await.unwrap();
    {
        let deleting = store.delete(delete(Predicate::All));
        pin_mut!(deleting);
        assert!(poll!(&mut deleting).is_pending());
        // Answered first: the Delete is postponed to a separate transaction.
        store.put(elsewhere()).await.unwrap();
        let mut no_wait = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(db.path())
            .busy_timeout(Duration::ZERO)
            .connect()
            .await
            .unwrap();
        // Waits until that transaction has the lock.
        while no_wait.execute("BEGIN IMMEDIATE").await.is_ok() {
            no_wait.execute("ROLLBACK").await.unwrap();
            tokio::task::yield_now().await;
        }
    }
    let next = timeout(Duration::from_mins(1), store.put(elsewhere())).await;
    next.expect("the Delete was not interrupted").unwrap();
    let named = get(Predicate::keys([key("a")]).unwrap());
    assert_eq!(store.get(&named).await.unwrap().items.len(), 1);
}
