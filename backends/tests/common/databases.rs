//! Databases written by an earlier version: `fixtures/databases`.

use prism_contract::keyvalue::{
    Delete, Get, KeyValueBackend, Position, Predicate, Put, PutResult, Scan, Selection,
};
use prism_contract::{Namespace, Timestamp};

use super::{at, delete, get, item, key, put_items, record};

/// A SQLite file.
pub(crate) const SQLITE: &[u8] = include_bytes!("../../../fixtures/databases/keyvalue-1.sqlite");
/// Statements for Postgres.
pub(crate) const POSTGRES: &str = include_str!("../../../fixtures/databases/keyvalue-1.postgres.sql");

/// Minutes after both were written, within the retention of a tombstone.
const NOW: i64 = 1_795_951_000_000_000;
/// After the item `later` has expired.
const LATER: i64 = 4_000_000_000_000_000;

fn orders() -> Namespace {
    Namespace::new("orders").unwrap()
}

/// Record id, key, value, version and token of each item of a namespace.
async fn contents(store: &impl KeyValueBackend, namespace: &str, now: Timestamp) -> Vec<String> {
    let scan = Scan {
        namespace: Namespace::new(namespace).unwrap(),
        id: None,
        predicate: Predicate::All,
        selection: Selection::default(),
        after: None::<Position>,
        now,
    };
    let page = store.scan(&scan).await.unwrap();
    assert!(!page.more);
    let line = |entry: &prism_contract::keyvalue::Entry| {
        let (key, value) = (entry.item.key.escape_ascii(), entry.item.value.escape_ascii());
        let (version, token) = (entry.item.version, entry.item.priority_token);
        format!("{}/{key} = {value} v{version} t{token} {}", entry.id.as_str(), entry.item.content_type)
    };
    page.entries.iter().map(line).collect()
}

/// Asserts that all data can be read, and that tokens, versions and expiries still apply.
pub(crate) async fn is_complete_and_works(store: impl KeyValueBackend) {
    let now = at(NOW);
    let expected = [
        "o-1/guarded = high v4 t7 ",
        "o-1/k\\x00\\xff = v\\x00 v3 t0 ",
        "o-1/later = alive v5 t0 ",
        "o-1/name = Ada v1 t0 text/plain",
        "o-1/total = 42 v2 t0 text/plain",
        "o-2/kept = 2 v7 t3 ",
    ];
    assert_eq!(contents(&store, "orders", now).await, expected);
    assert_eq!(contents(&store, "orders.archive", now).await, ["o-1/name = Bob v8 t0 "]);
    assert_eq!(contents(&store, "orders", at(LATER)).await.len(), expected.len() - 1, "an item expires");
    // A tombstone keeps the token of the Delete (TOK rules), and versions continue (VER-1).
    let write = |name: &'static str, token| Put {
        namespace: orders(),
        id: record("o-2"),
        token,
        now,
        ..put_items(vec![item(name, "new")])
    };
    assert_eq!(store.put(write("gone", 8)).await.unwrap(), [PutResult { applied: false, version: 0 }]);
    let [written] = store.put(write("gone", 10)).await.unwrap()[..] else { panic!("one item was put") };
    assert!(written.applied && written.version > 8, "{written:?}");
    let named = Predicate::keys([key("kept")]).unwrap();
    let removed = Delete { namespace: orders(), id: record("o-2"), token: 11, now, ..delete(named) };
    assert_eq!(store.delete(removed).await.unwrap(), 1);
    store.sweep(at(LATER)).await.unwrap();
    let left = Get { namespace: orders(), id: record("o-2"), now: at(LATER), ..get(Predicate::All) };
    assert_eq!(store.get(&left).await.unwrap().items.len(), 1);
    store.check().await.unwrap();
}
