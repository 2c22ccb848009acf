//! Rekeying on both databases: what is sealed again, what stays, and what goes on meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prism_backends::rewrite::{Content, Rewrite};
use prism_backends::wrap::Encrypt;
use prism_backends::wrap::encrypt::{KeyError, KeyUse, Progress, Rekey};
use prism_backends::{Postgres, postgres};
use prism_contract::keyvalue::{Entry, Item, KeyValueBackend, Predicate, Put, Scan};
use prism_contract::{Code, Lifecycle, Namespace, Timestamp};
use prism_testkit::{Backend, LazySchema, skips};
use rstest::rstest;

use crate::common::{self, TestDb, at, key, record};
use crate::fixture::{HERE, content, get_at, metadata, put_at, ring};

/// A database, and what has to outlive it.
enum Database {
    Sqlite(TestDb),
    Postgres(LazySchema),
}

impl Database {
    /// `None`: its tests are left out by the environment.
    fn new(backend: Backend, test: &str) -> Option<Self> {
        if skips(backend, test) {
            return None;
        }
        Some(match backend {
            Backend::Sqlite => Self::Sqlite(TestDb::new()),
            Backend::Postgres => Self::Postgres(LazySchema::new()),
            Backend::Memory | Backend::Kafka => unreachable!("it has no items to rewrite"),
        })
    }

    async fn open(&self) -> Arc<dyn Rewrite> {
        match self {
            Self::Sqlite(db) => Arc::new(db.open().await),
            Self::Postgres(schema) => {
                let options = postgres::Options::new(schema.url().await.unwrap());
                Arc::new(Postgres::open(options).await.unwrap())
            }
        }
    }
}

fn encrypt(store: &Arc<dyn Rewrite>, keys: &[(&str, u8)]) -> Encrypt {
    Encrypt::new(Arc::clone(store) as _, ring(keys))
}

fn rekey(store: &Arc<dyn Rewrite>, keys: &[(&str, u8)]) -> Rekey {
    Rekey::new(Arc::clone(store), ring(keys), namespace())
}

fn namespace() -> Namespace {
    Namespace::new(HERE.0).unwrap()
}

const NOW: i64 = 1_000;

/// Puts items of several records, some with a token, some with an expiry.
async fn fill(store: &dyn KeyValueBackend, records: u32, items: u32) {
    for number in 0..records {
        let items: Vec<_> =
            (0..items).map(|of| common::item(format!("k{of}"), format!("value {number} {of}"))).collect();
        let put = Put {
            namespace: namespace(),
            id: record(&format!("r{number}")),
            token: i64::from(number % 2) * 7,
            expires_at: (number % 3 == 0).then(|| at(NOW + 1_000_000)),
            now: at(NOW),
            ..common::put_items(items)
        };
        store.put(put).await.unwrap();
    }
}

async fn all(store: &dyn KeyValueBackend) -> Vec<Entry> {
    let mut scan = Scan { namespace: namespace(), now: at(NOW), ..common::scan(Predicate::All) };
    let mut entries = Vec::new();
    loop {
        let page = store.scan(&scan).await.unwrap();
        scan.after = page.entries.last().map(Entry::position);
        entries.extend(page.entries);
        if !page.more {
            return entries;
        }
    }
}

/// Runs until all items were looked at once.
async fn once(rekey: &Rekey) -> Progress {
    let mut progress = Progress::default();
    loop {
        rekey.step(&mut progress, at(NOW)).await.unwrap();
        if progress.next.is_none() {
            return progress;
        }
    }
}

async fn used_keys(store: &Arc<dyn Rewrite>) -> Vec<String> {
    let uses = KeyUse::all(Arc::clone(store) as _, at(NOW)).await.unwrap();
    uses.into_iter().map(|of| of.key_id).collect()
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn all_items_are_sealed_under_the_new_key_and_nothing_else_changes(#[case] backend: Backend) {
    let Some(database) = Database::new(backend, "rekeying") else { return };
    let store = database.open().await;
    let old = encrypt(&store, &[("k1", 1)]);
    // More than two pages.
    fill(&old, 7, 300).await;
    let before = all(&old).await;
    let both = rekey(&store, &[("k2", 2), ("k1", 1)]);
    let mut progress = Progress::default();
    both.step(&mut progress, at(NOW)).await.unwrap();
    assert_eq!((progress.items, progress.sealed, progress.next.is_some()), (1_000, 1_000, true));
    // Interrupted, and run again: what was sealed again is skipped.
    let progress = once(&both).await;
    assert_eq!((progress.items, progress.sealed, progress.damaged), (2_100, 1_100, 0));
    assert_eq!(once(&both).await.sealed, 0);
    // Values, versions, tokens, times: all as before, and readable with the new key alone.
    assert_eq!(all(&encrypt(&store, &[("k2", 2)])).await, before);
    assert_eq!(used_keys(&store).await, ["k1", "k2"]);
    assert!(both.forget_other_keys(at(NOW)).await.unwrap());
    assert_eq!(used_keys(&store).await, ["k2"]);
    store.close().await;
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn content_is_replaced_only_of_items_with_the_version(#[case] backend: Backend) {
    let Some(database) = Database::new(backend, "rekeying") else { return };
    let store = database.open().await;
    put_at(&*store, HERE, content("first", "a", 1)).await;
    let first: Item = get_at(&*store, HERE, false).await.unwrap();
    let new = |version| Content {
        key: key(HERE.2),
        version,
        value: "rewritten".into(),
        content_type: "b".to_owned(),
        compression: 2,
    };
    let rewrite =
        async |version| store.rewrite(&namespace(), &record(HERE.1), vec![new(version)]).await.unwrap();
    assert_eq!((rewrite(first.version + 1).await, rewrite(first.version).await), (0, 1));
    let rewritten = get_at(&*store, HERE, false).await.unwrap();
    let expected =
        Item { value: "rewritten".into(), content_type: "b".to_owned(), compression: 2, ..first.clone() };
    assert_eq!(rewritten, expected);
    put_at(&*store, HERE, content("second", "c", 3)).await;
    assert_eq!(rewrite(first.version).await, 0);
    assert_eq!(get_at(&*store, HERE, false).await.unwrap().value, "second");
    // In another record and another namespace neither.
    let version = get_at(&*store, HERE, false).await.unwrap().version;
    assert_eq!(store.rewrite(&namespace(), &record("other"), vec![new(version)]).await.unwrap(), 0);
    let other = Namespace::new("other").unwrap();
    assert_eq!(store.rewrite(&other, &record(HERE.1), vec![new(version)]).await.unwrap(), 0);
    store.close().await;
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn writes_go_on_meanwhile_and_none_is_lost(#[case] backend: Backend) {
    let Some(database) = Database::new(backend, "rekeying") else { return };
    let (store, gateway) = (database.open().await, database.open().await);
    // A gateway that still seals under the old key.
    let old = encrypt(&gateway, &[("k1", 1), ("k2", 2)]);
    fill(&old, 5, 100).await;
    let done = AtomicBool::new(false);
    let writing = async {
        let mut last = 0_u32;
        while !done.load(Ordering::Relaxed) {
            last += 1;
            let items = (0..100).map(|of| common::item(format!("k{of}"), format!("write {last}"))).collect();
            let put = Put {
                namespace: namespace(),
                id: record("r1"),
                now: at(NOW),
                token: i64::from(last) + 7,
                ..common::put_items(items)
            };
            old.put(put).await.unwrap();
        }
        last
    };
    let rekeying = async {
        let rekey = rekey(&store, &[("k2", 2), ("k1", 1)]);
        for _ in 0..20 {
            once(&rekey).await;
        }
        done.store(true, Ordering::Relaxed);
    };
    let (last, ()) = tokio::join!(writing, rekeying);
    assert!(last > 1, "{last} writes");
    let rekey = rekey(&store, &[("k2", 2), ("k1", 1)]);
    assert_eq!(once(&rekey).await.damaged, 0);
    assert_eq!(once(&rekey).await.sealed, 0);
    let entries = all(&encrypt(&store, &[("k2", 2)])).await;
    assert_eq!(entries.len(), 500);
    let written = entries.iter().filter(|entry| entry.id == record("r1"));
    assert!(
        written.clone().count() == 100
            && written.into_iter().all(|entry| entry.item.value == format!("write {last}"))
    );
    store.close().await;
    gateway.close().await;
}

#[rstest]
#[case::sqlite(Backend::Sqlite)]
#[case::postgres(Backend::Postgres)]
#[tokio::test]
async fn a_gateway_that_still_seals_under_another_key_is_noticed(#[case] backend: Backend) {
    let Some(database) = Database::new(backend, "rekeying") else { return };
    let (store, gateway) = (database.open().await, database.open().await);
    let old = encrypt(&gateway, &[("k1", 1), ("k2", 2)]);
    let rekey = rekey(&store, &[("k2", 2), ("k1", 1)]);
    fill(&old, 1, 3).await;
    assert_eq!(once(&rekey).await.sealed, 3);
    let done = AtomicBool::new(false);
    let writing = async {
        while !done.load(Ordering::Relaxed) {
            fill(&old, 1, 3).await;
            tokio::task::yield_now().await;
        }
    };
    let forgetting = async {
        let is_alone = rekey.forget_other_keys(at(NOW)).await;
        done.store(true, Ordering::Relaxed);
        is_alone.unwrap()
    };
    let ((), is_alone) = tokio::join!(writing, forgetting);
    assert!(!is_alone);
    // What it wrote is found by one more run, and then it may be forgotten.
    assert_eq!(once(&rekey).await.sealed, 3);
    assert!(rekey.forget_other_keys(at(NOW)).await.unwrap());
    assert_eq!(once(&rekey).await.sealed, 0);
    assert_eq!(used_keys(&store).await, ["k2"]);
    store.close().await;
    gateway.close().await;
}

#[tokio::test]
async fn a_damaged_item_is_left_and_counted_and_a_missing_key_stops_the_run() {
    let db = TestDb::new();
    let store: Arc<dyn Rewrite> = Arc::new(db.open().await);
    let old = encrypt(&store, &[("k1", 1)]);
    fill(&old, 2, 3).await;
    put_at(&*store, HERE, content("plain text", "", 0)).await;
    let progress = once(&rekey(&store, &[("k2", 2), ("k1", 1)])).await;
    assert_eq!((progress.items, progress.sealed, progress.damaged), (7, 6, 1));
    assert_eq!(get_at(&*store, HERE, false).await.unwrap().value, "plain text");
    let lacks = rekey(&store, &[("k3", 3)]).step(&mut Progress::default(), at(NOW)).await.unwrap_err();
    assert_eq!(lacks.code(), Code::Internal);
    assert!(lacks.cause().unwrap().chain().any(|why| why.contains("'k2'")), "{lacks:?}");
}

#[tokio::test]
async fn a_key_is_recorded_before_its_first_seal_and_another_one_with_its_id_is_refused() {
    let db = TestDb::new();
    let store: Arc<dyn Rewrite> = Arc::new(db.open().await);
    assert!(used_keys(&store).await.is_empty());
    put_at(&encrypt(&store, &[("k1", 1)]), HERE, content("value", "", 0)).await;
    let [used] = &KeyUse::all(Arc::clone(&store) as _, Timestamp::EPOCH).await.unwrap()[..] else {
        panic!("one use")
    };
    assert_eq!((used.namespace.as_str(), used.key_id.as_str()), (HERE.0, "k1"));
    used.verify(Some(&ring(&[("k2", 2), ("k1", 1)]))).unwrap();
    let (wrong, missing) = (KeyError::Wrong("k1".to_owned()), KeyError::Missing("k1".to_owned()));
    assert_eq!(used.verify(Some(&ring(&[("k1", 2)]))), Err(wrong));
    assert_eq!(used.verify(Some(&ring(&[("k2", 1)]))), Err(missing.clone()));
    assert_eq!(used.verify(None), Err(missing));
    // A gateway that was started before the first use, with another key under the id.
    let wrong = encrypt(&store, &[("k1", 2)]);
    let put = Put { namespace: namespace(), id: record(HERE.1), ..common::put(HERE.2, "value") };
    assert_eq!(wrong.put(put).await.unwrap_err().code(), Code::Unavailable);
    let row = get_at(&*store, HERE, false).await.unwrap();
    assert_eq!(metadata(&(row.value, row.content_type, row.compression)).0.len(), 68);
}
