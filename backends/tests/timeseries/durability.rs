//! Events and tokens after a restart, and several stores on one file.

use std::time::Duration;

use futures::join;
use prism_backends::Sqlite;
use prism_contract::timeseries::{Start, Tail, TimeSeriesBackend};
use prism_contract::{Error, Lifecycle};
use sqlx::{Connection, Executor};
use tokio::time::timeout;

use crate::common::{TestDb, databases, namespace};
use crate::events::{append, beginning, event, follow, keys, now, query, read, tail};

#[tokio::test]
async fn events_and_tokens_survive_a_restart() {
    let db = TestDb::new();
    let store = db.open().await;
    store.append(append(vec![event("a", 1, "1", "x"), event("a", 2, "2", "y")])).await.unwrap();
    let (before, _) = read(&store, query("a")).await.unwrap();
    let token = now(&store).await;
    store.close().await;
    let store = db.open().await;
    assert_eq!(read(&store, query("a")).await.unwrap().0, before);
    assert_eq!(now(&store).await, token);
    store.append(append(vec![event("a", 0, "late", "z")])).await.unwrap();
    let (after, _, _) = follow(&store, tail(Some("a"), token)).await.unwrap();
    assert_eq!(after, [event("a", 0, "late", "z")]);
}

#[tokio::test]
async fn a_token_of_another_incarnation_or_beyond_the_end_is_expired() {
    let db = TestDb::new();
    let store = db.open().await;
    store.append(append(vec![event("a", 1, "1", "x")])).await.unwrap();
    let token = now(&store).await;
    let foreign = TestDb::new();
    let other = foreign.open().await;
    other.append(append(vec![event("a", 1, "1", "x")])).await.unwrap();
    let refused = other.tail(&tail(Some("a"), token.clone())).await;
    assert!(matches!(refused, Err(Error::TokenExpired)), "{refused:?}");
    store.close().await;
    let mut restored = db.other_client().await;
    restored.execute("UPDATE ts_namespaces SET position = 0").await.unwrap();
    restored.close().await.unwrap();
    let store = db.open().await;
    let mut resumed = query("a");
    resumed.snapshot = Some(token.clone());
    assert!(matches!(store.query(&resumed).await, Err(Error::TokenExpired)));
    assert!(matches!(store.tail(&tail(None, token)).await, Err(Error::TokenExpired)));
}

/// A store that serves one read after the other.
async fn one_reader(db: &TestDb) -> Sqlite {
    let mut options = db.options();
    options.readers = 1;
    Sqlite::open(options).await.unwrap()
}

/// Waits until a Tail that waits on a store with one reader has looked at the log before.
async fn has_looked(store: &Sqlite) {
    now(store).await;
}

/// Waits for the Tail, and fails if it is not woken.
async fn woken(store: &impl TimeSeriesBackend, tail: &Tail) {
    timeout(Duration::from_secs(30), store.appended(tail)).await.expect("the Tail was not woken");
}

#[tokio::test]
async fn a_tail_is_woken_by_an_append_of_another_store_on_the_file() {
    let db = TestDb::new();
    let (one, other) = (one_reader(&db).await, db.open().await);
    for of in [Some("a"), None] {
        let tail = tail(of, now(&one).await);
        let id = format!("{of:?}");
        let ((), answer) = join!(woken(&one, &tail), async {
            has_looked(&one).await;
            other.append(append(vec![event("a", 1, &id, "x")])).await
        },);
        answer.unwrap();
        let (events, _, _) = follow(&one, tail).await.unwrap();
        assert_eq!(events, [event("a", 1, &id, "x")]);
    }
}

#[tokio::test]
async fn an_append_of_another_store_before_one_of_this_store_wakes_the_tail_of_its_series() {
    let db = TestDb::new();
    let (one, other) = (one_reader(&db).await, db.open().await);
    let of_a = tail(Some("a"), now(&one).await);
    let ((), answer) = join!(woken(&one, &of_a), async {
        has_looked(&one).await;
        other.append(append(vec![event("a", 1, "1", "x")])).await.unwrap();
        one.append(append(vec![event("b", 1, "1", "x")])).await
    },);
    answer.unwrap();
}

#[tokio::test]
async fn a_tail_that_has_more_to_read_does_not_wait_and_one_that_waits_ends_with_the_store() {
    let db = TestDb::new();
    let store = db.open().await;
    store.append(append(vec![event("a", 1, "1", "x")])).await.unwrap();
    woken(&store, &tail(Some("a"), beginning(&store).await)).await;
    let at_end = tail(Some("a"), now(&store).await);
    join!(woken(&store, &at_end), async {
        tokio::task::yield_now().await;
        store.close().await;
    });
    woken(&store, &at_end).await;
}

#[tokio::test]
async fn stores_on_one_file_share_series_and_positions() {
    let db = TestDb::new();
    let (one, other) = (db.open().await, db.open().await);
    for number in 0..20 {
        let (store, id) = (if number % 2 == 0 { &one } else { &other }, format!("{number:02}"));
        store.append(append(vec![event(["a", "b"][number % 2], 1, &id, "x")])).await.unwrap();
        store.append(append(vec![event("both", 1, &id, "x")])).await.unwrap();
    }
    let (all, _, _) = follow(&one, tail(Some("both"), beginning(&one).await)).await.unwrap();
    let ids: Vec<_> = all.iter().map(|event| event.event.id.as_bytes().escape_ascii().to_string()).collect();
    assert_eq!(ids, (0..20).map(|number| format!("{number:02}")).collect::<Vec<_>>());
    assert_eq!(keys(&read(&other, query("both")).await.unwrap().0).len(), 20);
}

#[tokio::test]
async fn a_database_of_before_has_no_events_and_takes_some() {
    let db = TestDb::new();
    std::fs::write(db.path(), databases::SQLITE).unwrap();
    let store = db.open().await;
    assert!(read(&store, query("a")).await.unwrap().0.is_empty());
    let start = store.position(&namespace(), None, Start::Now).await.unwrap();
    store.append(append(vec![event("a", 1, "1", "x")])).await.unwrap();
    assert_eq!(follow(&store, tail(None, start)).await.unwrap().0.len(), 1);
}
