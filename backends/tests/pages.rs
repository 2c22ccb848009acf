//! Pages of SQLite with small and large values: small rows are prefetched; a page with a large value is read without
//! prefetch.

mod common;

use std::collections::BTreeSet;

use common::{TestDb, get, item, put_items, record, scan};
use prism_contract::keyvalue::{Direction, Item, KeyValueBackend, Predicate, Selection};
use prism_contract::{Lifecycle, PageSize};

/// Number of items of the record.
const ITEMS: usize = 60;

/// Keys and sizes of the values that are not small; the first is the largest small one.
const SIZES: [(usize, usize); 3] = [(30, 16 << 10), (40, (16 << 10) + 1), (41, 200 << 10)];

fn size(number: usize) -> usize {
    SIZES.iter().find(|(at, _)| *at == number).map_or(10, |(_, size)| *size)
}

/// Asserts that these are the items with these numbers and their values.
fn assert_items<'a>(items: impl IntoIterator<Item = &'a Item>, numbers: impl IntoIterator<Item = usize>) {
    let found: Vec<_> =
        items.into_iter().map(|item| (item.key.as_bytes().to_vec(), item.value.to_vec())).collect();
    let expected: Vec<_> =
        numbers.into_iter().map(|n| (format!("{n:03}").into_bytes(), vec![b'v'; size(n)])).collect();
    let sizes = |items: &[(Vec<u8>, Vec<u8>)]| items.iter().map(|(_, value)| value.len()).collect::<Vec<_>>();
    assert_eq!(sizes(&found), sizes(&expected));
    assert_eq!(found, expected);
}

#[tokio::test]
async fn values_of_every_size_are_on_their_pages() {
    let db = TestDb::new();
    let store = db.open().await;
    let items = (0..ITEMS).map(|n| item(format!("{n:03}"), vec![b'v'; size(n)]));
    store.put(put_items(items.collect())).await.unwrap();
    let page =
        |items, direction| Selection { page: PageSize::new(items, 0), direction, ..Selection::default() };
    let mut seen = BTreeSet::new();
    // More pages than are read without prefetch after a large value, so that prefetch is tried again.
    for _ in 0..40 {
        for (limit, direction) in [
            (0, Direction::Forward),
            (45, Direction::Forward),
            (35, Direction::Forward),
            (0, Direction::Reverse),
        ] {
            let mut query = get(Predicate::All);
            query.selection = page(limit, direction);
            let read = store.get(&query).await.unwrap();
            let many = if limit == 0 { ITEMS } else { limit as usize };
            assert_eq!(read.more, many < ITEMS);
            match direction {
                Direction::Forward => assert_items(&read.items, 0..many),
                Direction::Reverse => assert_items(&read.items, (0..ITEMS).rev()),
            }
            let mut query = scan(Predicate::All);
            query.selection = page(limit, direction);
            let read = store.scan(&query).await.unwrap();
            assert_eq!(read.more, many < ITEMS);
            assert!(read.entries.iter().all(|entry| entry.id == record("r")));
            seen.extend(read.entries.iter().map(|entry| entry.item.value.len()));
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [10, 16 << 10, (16 << 10) + 1, 200 << 10]);
    store.close().await;
}
