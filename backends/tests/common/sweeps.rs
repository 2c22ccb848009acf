//! Tests of sweeps for all databases. Each store has a retention of 1,000 microseconds; `stored` counts the rows,
//! live or dead, and the bytes of their values.

use prism_contract::Swept;
use prism_contract::keyvalue::{Delete, Get, KeyValueBackend, Predicate, Put, PutResult};

use super::{at, delete, get, item, key, put, put_items};

pub(crate) fn swept(expired: u64, tombstones: u64, more: bool) -> Swept {
    Swept { expired, tombstones, more }
}

pub(crate) async fn an_expired_item_is_dropped(
    store: impl KeyValueBackend,
    stored: impl AsyncFn() -> (i64, i64),
) {
    store.put(put("stays", "1")).await.unwrap();
    store.put(Put { expires_at: Some(at(1_501)), ..put("later", "1") }).await.unwrap();
    store.put(Put { expires_at: Some(at(1_500)), ..put("now", "1") }).await.unwrap();
    assert_eq!(store.sweep(at(1_499)).await.unwrap(), swept(0, 0, false));
    assert_eq!(store.sweep(at(1_500)).await.unwrap(), swept(1, 0, false));
    assert_eq!(stored().await, (2, 2));
    let page = store.get(&Get { now: at(1_500), ..get(Predicate::All) }).await.unwrap();
    assert_eq!(page.items.len(), 2);
}

pub(crate) async fn an_expired_item_keeps_its_token(
    store: impl KeyValueBackend,
    stored: impl AsyncFn() -> (i64, i64),
) {
    store.put(Put { token: 5, expires_at: Some(at(1_500)), ..put("a", "value") }).await.unwrap();
    assert_eq!(store.sweep(at(1_500)).await.unwrap(), swept(1, 0, false));
    assert_eq!(stored().await, (1, 0));
    let late = Put { token: 5, now: at(2_499), ..put("a", "late") };
    assert_eq!(store.put(late).await.unwrap(), [PutResult { applied: false, version: 0 }]);
    // A request with an earlier `now` sees no item without its value.
    assert!(store.get(&Get { now: at(1_400), ..get(Predicate::All) }).await.unwrap().items.is_empty());
    assert_eq!(store.sweep(at(2_499)).await.unwrap(), swept(0, 0, false));
    assert_eq!(store.sweep(at(2_500)).await.unwrap(), swept(0, 1, false));
    assert_eq!(stored().await, (0, 0));
}

pub(crate) async fn a_tombstone_is_dropped(
    store: impl KeyValueBackend,
    stored: impl AsyncFn() -> (i64, i64),
) {
    let named = Predicate::keys([key("a")]).unwrap();
    store.delete(Delete { token: 5, ..delete(named) }).await.unwrap();
    assert_eq!(store.sweep(at(1_999)).await.unwrap(), swept(0, 0, false));
    assert_eq!(stored().await, (1, 0));
    assert_eq!(store.sweep(at(2_000)).await.unwrap(), swept(0, 1, false));
    assert_eq!(stored().await, (0, 0));
}

/// Three thousand items that expire, a third of them with tokens.
pub(crate) async fn fill(store: &impl KeyValueBackend) {
    for (round, token) in [0, 1, 0].into_iter().enumerate() {
        for chunk in 0..10 {
            let items: Vec<_> = (0..100).map(|n| item(format!("{round} {chunk} {n}"), "v")).collect();
            // A Put of several items with a token takes a transaction, one without it the fast path.
            store.put(Put { token, expires_at: Some(at(1_500)), ..put_items(items) }).await.unwrap();
        }
    }
}

/// `max`: the most items that one sweep drops.
pub(crate) async fn a_sweep_is_bounded(
    store: impl KeyValueBackend,
    stored: impl AsyncFn() -> (i64, i64),
    max: u64,
) {
    fill(&store).await;
    let mut sweeps = vec![store.sweep(at(1_500)).await.unwrap()];
    while sweeps.last().is_some_and(|swept| swept.more) {
        sweeps.push(store.sweep(at(1_500)).await.unwrap());
        assert!(sweeps.len() < 10, "{sweeps:?}");
    }
    assert!(sweeps.len() > 1, "{sweeps:?}");
    assert_eq!(sweeps.iter().map(|swept| swept.expired).sum::<u64>(), 3_000);
    assert!(sweeps.iter().all(|swept| swept.expired <= max));
    assert_eq!(stored().await, (1_000, 0), "the tombstones keep their tokens");
}
