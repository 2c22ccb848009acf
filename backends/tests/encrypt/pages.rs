//! Pages of an encrypted store are those of a plain one, item by item.

use std::sync::Arc;

use prism_backends::Sqlite;
use prism_backends::wrap::Encrypt;
use prism_contract::keyvalue::{
    Direction, Entry, EntryPage, Get, Item, ItemPage, KeyValueBackend, Memory, NewItem, Predicate, Put, Scan,
    Selection,
};
use prism_contract::{Lifecycle, PageSize};
use prism_testkit::{Backend, LazySchema, skips};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::{self, TestDb, key, record};
use crate::fixture::ring;

/// Reads all pages of a Get and of a Scan from both stores, and asserts that each is the same.
async fn assert_same_pages(ours: &dyn KeyValueBackend, theirs: &dyn KeyValueBackend, selection: Selection) {
    let mut get = Get { selection, ..common::get(Predicate::All) };
    loop {
        let expected = theirs.get(&get).await.unwrap();
        same_items(ours.get(&get).await.unwrap(), &expected, selection);
        if !expected.more {
            break;
        }
        get.after = expected.items.last().map(|item| item.key.clone());
    }
    let mut scan = Scan { selection, ..common::scan(Predicate::All) };
    loop {
        let expected = theirs.scan(&scan).await.unwrap();
        same_entries(ours.scan(&scan).await.unwrap(), &expected, selection);
        if !expected.more {
            break;
        }
        scan.after = expected.entries.last().map(Entry::position);
    }
}

/// The lengths are compared first: a page of values is too long to be shown.
fn same_items(mut ours: ItemPage, expected: &ItemPage, selection: Selection) {
    assert_eq!((ours.items.len(), ours.more), (expected.items.len(), expected.more), "{selection:?}");
    renumber(ours.items.iter_mut().zip(&expected.items));
    assert!(ours == *expected, "{selection:?}");
}

fn same_entries(mut ours: EntryPage, expected: &EntryPage, selection: Selection) {
    assert_eq!((ours.entries.len(), ours.more), (expected.entries.len(), expected.more), "{selection:?}");
    renumber(
        ours.entries.iter_mut().map(|entry| &mut entry.item).zip(expected.entries.iter().map(|of| &of.item)),
    );
    assert!(ours == *expected, "{selection:?}");
}

/// Subtracts the versions that records of master keys have taken, which are as many for all items.
fn renumber<'a>(items: impl Iterator<Item = (&'a mut Item, &'a Item)>) {
    let mut taken = None;
    for (ours, expected) in items {
        ours.version -= *taken.get_or_insert(ours.version - expected.version);
    }
}

/// Lengths of a value and of a content type, and a compression.
type Shape = (usize, usize, i32);

/// Puts items of these shapes, in two records, into both stores.
async fn fill(stores: [&dyn KeyValueBackend; 2], shapes: &[Shape]) {
    for id in ["r", "s, whose id is longer"] {
        for (number, (value, content_type, compression)) in shapes.iter().enumerate() {
            let item = NewItem {
                key: key(format!("{number:04}")),
                value: vec![b'v'; *value].into(),
                content_type: "t".repeat(*content_type),
                compression: *compression,
            };
            for store in stores {
                let put = Put { id: record(id), ..common::put_items(vec![item.clone()]) };
                store.put(put).await.unwrap();
            }
        }
    }
}

fn shapes(most: usize) -> impl Strategy<Value = Vec<Shape>> {
    let value = prop_oneof![4 => 0_usize..200, 1 => 0_usize..3_000];
    vec((value, prop_oneof![Just(0_usize), Just(127), 0_usize..128], any::<i32>()), 0..most)
}

/// Includes sizes that a whole number of items fills exactly.
fn selections() -> impl Strategy<Value = Selection> {
    let bytes = prop_oneof![Just(0_u32), 1_u32..3_000, (1_u32..8).prop_map(|items| items * 100)];
    (0_u32..7, bytes, any::<bool>(), any::<bool>()).prop_map(|(items, bytes, keys_only, reverse)| Selection {
        page: PageSize::new(items, bytes),
        keys_only,
        direction: if reverse { Direction::Reverse } else { Direction::Forward },
    })
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn encrypted(store: impl KeyValueBackend + 'static) -> Encrypt {
    // Ids of other lengths: the allowance of a page is that of the longest.
    Encrypt::new(Arc::new(store), ring(&[("a", 1), ("a-longer-id-of-a-master-key", 2)]))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn pages_of_every_size_are_those_of_a_plain_store(
        shapes in shapes(20),
        selections in vec(selections(), 1..6),
    ) {
        block_on(async {
            let (ours, theirs) = (encrypted(Memory::default()), Memory::default());
            fill([&ours, &theirs], &shapes).await;
            for selection in selections {
                assert_same_pages(&ours, &theirs, selection).await;
            }
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn pages_of_an_encrypted_sqlite_are_those_of_a_plain_store(
        shapes in shapes(10),
        selections in vec(selections(), 8),
    ) {
        block_on(async {
            let db = TestDb::new();
            let sqlite: Arc<Sqlite> = Arc::new(db.open().await);
            let (ours, theirs) = (encrypted(Arc::clone(&sqlite)), Memory::default());
            fill([&ours, &theirs], &shapes).await;
            for selection in selections {
                assert_same_pages(&ours, &theirs, selection).await;
            }
            sqlite.close().await;
        });
    }
}

/// Postgres returns only the rows that begin within the page's bytes, so its statement has to know the allowance.
#[tokio::test]
async fn pages_of_an_encrypted_postgres_are_those_of_a_plain_store() {
    if skips(Backend::Postgres, "pages_of_an_encrypted_postgres_are_those_of_a_plain_store") {
        return;
    }
    let schema = LazySchema::new();
    let options = prism_backends::postgres::Options::new(schema.url().await.unwrap());
    let postgres = prism_backends::Postgres::open(options).await.unwrap();
    let (ours, theirs) = (encrypted(postgres), Memory::default());
    let shapes: Vec<Shape> = (0..60).map(|number| (number * 7 % 90, number * 13 % 128, 0)).collect();
    fill([&ours, &theirs], &shapes).await;
    for (items, bytes) in [(0, 0), (0, 1), (0, 400), (0, 2_000), (0, 6_000), (40, 6_000), (40, 0), (3, 0)] {
        for direction in [Direction::Forward, Direction::Reverse] {
            for keys_only in [false, true] {
                let selection = Selection { page: PageSize::new(items, bytes), keys_only, direction };
                assert_same_pages(&ours, &theirs, selection).await;
            }
        }
    }
    ours.close().await;
}

/// A page of 2 MiB whose values fill it to the byte, and a page of the most items.
#[tokio::test]
async fn the_largest_pages_are_those_of_a_plain_store() {
    let (ours, theirs) = (encrypted(Memory::default()), Memory::default());
    let weight = (2 << 20) / 32;
    let filling = vec![(weight - 100, 0, 0); 40];
    fill([&ours, &theirs], &filling).await;
    assert_same_pages(&ours, &theirs, Selection::default()).await;
    let page = ours.get(&common::get(Predicate::All)).await.unwrap();
    assert_eq!((page.items.len(), page.more), (32, true));
    let (ours, theirs) = (encrypted(Memory::default()), Memory::default());
    fill([&ours, &theirs], &vec![(0, 127, 0); 1_001]).await;
    assert_same_pages(&ours, &theirs, Selection::default()).await;
    let page = ours.get(&common::get(Predicate::All)).await.unwrap();
    assert_eq!((page.items.len(), page.more), (1_000, true));
}

#[tokio::test]
async fn an_encrypted_store_can_be_encrypted_again() {
    let (ours, theirs) = (encrypted(encrypted(Memory::default())), Memory::default());
    fill([&ours, &theirs], &[(100, 127, 0), (50, 0, 2), (0, 3, 1), (400, 9, 0)]).await;
    for (items, bytes) in [(0, 0), (0, 300), (2, 0), (0, 500), (0, 700)] {
        let selection = Selection { page: PageSize::new(items, bytes), ..Selection::default() };
        assert_same_pages(&ours, &theirs, selection).await;
    }
}
