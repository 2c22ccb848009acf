//! Several stores on one database, like several gateways.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use futures::join;
use prism_backends::Postgres;
use prism_contract::Error;
use prism_contract::keyvalue::{Delete, KeyValueBackend, Precondition, Predicate, Put, PutResult};

use crate::common::{delete, get, item, key, put, put_items};
use crate::test_db::{TestDb, test_db};

async fn stores<const N: usize>(db: &TestDb) -> [Arc<Postgres>; N] {
    let mut stores = Vec::new();
    for _ in 0..N {
        stores.push(Arc::new(db.open().await));
    }
    stores.try_into().unwrap_or_else(|_| unreachable!("as many as were opened"))
}

#[tokio::test]
async fn versions_of_a_key_increase_through_all_stores() {
    let db = test_db!("versions_of_a_key_increase_through_all_stores");
    let [one, other] = stores(&db).await;
    let mut last = 0;
    for round in 0..20 {
        let store = if round % 2 == 0 { &one } else { &other };
        // Every third time the item is deleted, and the next write creates it again.
        if round % 3 == 0 {
            store.delete(delete(Predicate::All)).await.unwrap();
        }
        let version = store.put(put("a", "1")).await.unwrap()[0].version;
        assert!(version > last, "{version} after {last}");
        last = version;
    }
}

#[tokio::test]
async fn a_token_seen_by_one_store_is_honoured_by_the_other() {
    let db = test_db!("a_token_seen_by_one_store_is_honoured_by_the_other");
    let [one, other] = stores(&db).await;
    one.put(Put { token: 7, ..put("a", "1") }).await.unwrap();
    assert!(!other.put(Put { token: 7, ..put("a", "2") }).await.unwrap()[0].applied);
    let named = Predicate::keys([key("a")]).unwrap();
    assert_eq!(other.delete(Delete { token: 8, ..delete(named) }).await.unwrap(), 1);
    let late = one.put(Put { token: 8, ..put("a", "3") }).await.unwrap();
    assert_eq!(late, [PutResult { applied: false, version: 0 }]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_increments_by_compare_and_retry_add_up_through_three_stores() {
    const CALLERS: usize = 9;
    const EACH: u64 = 20;
    let db = test_db!("concurrent_increments_by_compare_and_retry_add_up_through_three_stores");
    let stores: [_; 3] = stores(&db).await;
    let callers = (0..CALLERS).map(|caller| {
        let store = Arc::clone(&stores[caller % 3]);
        tokio::spawn(async move {
            for _ in 0..EACH {
                while !increment(&store).await {}
            }
        })
    });
    for caller in join_all(callers).await {
        caller.unwrap();
    }
    let page = stores[0].get(&get(Predicate::All)).await.unwrap();
    assert_eq!(number(&page.items[0].value), CALLERS as u64 * EACH);
}

fn number(value: &Bytes) -> u64 {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

/// Increments the counter; false if another writer was faster.
async fn increment(store: &Postgres) -> bool {
    let page = store.get(&get(Predicate::All)).await.unwrap();
    let (count, version) = page.items.first().map_or((0, 0), |item| (number(&item.value), item.version));
    let preconditions = vec![Precondition::new(key("counter"), version).unwrap()];
    let next = put("counter", (count + 1).to_string());
    match store.put(Put { preconditions, ..next }).await {
        Ok(_) => true,
        Err(Error::PreconditionFailed(_)) => false,
        Err(error) => panic!("{error:?}"),
    }
}

/// Each of two keys may be created only while the other is absent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writes_that_each_require_the_others_absence_never_both_succeed() {
    let db = test_db!("two_writes_that_each_require_the_others_absence_never_both_succeed");
    let [one, other] = stores(&db).await;
    for round in 0..30 {
        let unless = |name: &'static str, other: &'static str| Put {
            preconditions: vec![Precondition::new(key(other), 0).unwrap()],
            ..put(name, "1")
        };
        let (first, second) = join!(one.put(unless("a", "b")), other.put(unless("b", "a")));
        let applied = [&first, &second].iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(applied, 1, "round {round}: {first:?}, {second:?}");
        one.delete(delete(Predicate::All)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_delete_concurrent_with_a_put_removes_all_of_it_or_nothing() {
    let db = test_db!("a_range_delete_concurrent_with_a_put_removes_all_of_it_or_nothing");
    let [one, other] = stores(&db).await;
    for round in 0..40 {
        // Half of the items exist already, so that the Put both updates and inserts rows.
        let half = put_items((0..20).step_by(2).map(|n| item(format!("{n:02}"), "old")).collect());
        one.put(half).await.unwrap();
        let many = put_items((0..20).map(|n| item(format!("{n:02}"), "new")).collect());
        let range = Predicate::range(Bytes::from_static(b"0"), Bytes::from_static(b"2")).unwrap();
        let (written, deleted) = join!(one.put(many), other.delete(delete(range)));
        written.unwrap();
        let left = one.get(&get(Predicate::All)).await.unwrap().items.len();
        let deleted = deleted.unwrap();
        assert!(
            matches!((left, deleted), (0, 20) | (20, 10)),
            "round {round}: {deleted} deleted, {left} left"
        );
        one.delete(delete(Predicate::All)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn puts_of_the_same_items_in_opposite_orders_never_deadlock() {
    let db = test_db!("puts_of_the_same_items_in_opposite_orders_never_deadlock");
    let stores: [_; 3] = stores(&db).await;
    for _ in 0..30 {
        let up = || put_items((0..20).map(|n| item(format!("{n:02}"), "up")).collect());
        let down = || put_items((0..20).rev().map(|n| item(format!("{n:02}"), "down")).collect());
        let conditional = Put { preconditions: vec![Precondition::new(key("none"), 0).unwrap()], ..down() };
        let (first, second, third) =
            join!(stores[0].put(up()), stores[1].put(down()), stores[2].put(conditional));
        for answer in [first, second, third] {
            assert!(answer.unwrap().iter().all(|result| result.applied));
        }
        let page = stores[0].get(&get(Predicate::All)).await.unwrap();
        let values: std::collections::BTreeSet<_> =
            page.items.iter().map(|item| item.value.clone()).collect();
        assert_eq!(values.len(), 1, "one Put came last, whole");
    }
}
