//! Tests of batched reads for all databases: concurrent Gets, which are read by one statement.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use futures::future::join_all;
use futures::join;
use prism_contract::keyvalue::{Delete, Get, Item, KeyValueBackend, Predicate, Put, Selection};
use prism_contract::{Error, Namespace, PageSize};

use super::{at, delete, get, item, key, put_items, record};

/// Sizes around the maximum rows of a span in a batched read, and far above.
const SIZES: [usize; 8] = [0, 1, 2, 15, 16, 17, 18, 100];

fn id(size: usize) -> String {
    format!("of {size}")
}

/// Writes a record of each size; its keys are `000`, `001` and so on.
async fn fill(store: &impl KeyValueBackend) {
    for size in SIZES.into_iter().filter(|size| *size > 0) {
        let items = (0..size).map(|number| item(format!("{number:03}"), format!("{number} of {size}")));
        let put = Put { id: record(&id(size)), ..put_items(items.collect()) };
        store.put(put).await.unwrap();
    }
}

fn keys(items: &[Item]) -> Vec<Bytes> {
    items.iter().map(|item| item.key.clone().into_bytes()).collect()
}

fn numbers(numbers: impl IntoIterator<Item = usize>) -> Vec<Bytes> {
    numbers.into_iter().map(|number| Bytes::from(format!("{number:03}"))).collect()
}

/// Concurrent reads of records of all sizes, from several positions and with several page sizes.
pub(crate) async fn every_page_is_complete(store: impl KeyValueBackend) {
    fill(&store).await;
    let mut gets = Vec::new();
    for size in SIZES {
        for after in [None, Some(0), Some(14), Some(98)] {
            for items in [0, 1, 16, 17] {
                let selection = Selection { page: PageSize::new(items, 0), ..Selection::default() };
                let after_key = after.map(|number| key(format!("{number:03}")));
                let get = Get { id: record(&id(size)), selection, after: after_key, ..get(Predicate::All) };
                let from = after.map_or(0, |number| number + 1);
                let page = if items == 0 { 1_000 } else { items as usize };
                gets.push((get, (from..size).take(page), size > from + page));
            }
        }
    }
    let pages = join_all(gets.iter().map(|(get, ..)| store.get(get))).await;
    for ((get, expected, more), page) in gets.into_iter().zip(pages) {
        let page = page.unwrap();
        assert_eq!((keys(&page.items), page.more), (numbers(expected), more), "{get:?}");
    }
}

/// Concurrent reads of ranges, prefixes and named keys of one record.
pub(crate) async fn every_predicate_is_batched(store: impl KeyValueBackend) {
    fill(&store).await;
    let named =
        |names: &[usize]| Predicate::keys(numbers(names.iter().copied()).into_iter().map(key)).unwrap();
    let many: Vec<_> = (0..40).collect();
    let prefix = |bytes: &'static str| Predicate::prefix(Bytes::from(bytes)).unwrap();
    let queries = [
        (Predicate::All, numbers(0..100)),
        (named(&[5]), numbers([5])),
        (named(&[99, 3, 5, 100]), numbers([3, 5, 99])),
        (named(&many), numbers(0..40)),
        (prefix("01"), numbers(10..20)),
        (prefix("1"), vec![]),
        (Predicate::range(Bytes::from("098"), Bytes::new()).unwrap(), numbers(98..100)),
        (Predicate::range(Bytes::from("001"), Bytes::from("003")).unwrap(), numbers(1..3)),
    ];
    let gets = queries.iter().map(|(predicate, _)| Get { id: record(&id(100)), ..get(predicate.clone()) });
    let gets: Vec<_> = gets.collect();
    let pages = join_all(gets.iter().map(|get| store.get(get))).await;
    for ((predicate, expected), page) in queries.into_iter().zip(pages) {
        assert_eq!(keys(&page.unwrap().items), expected, "{predicate:?}");
    }
}

/// Concurrent reads of records of all sizes, one of which has a corrupt row: only its read fails.
pub(crate) async fn a_get_that_fails_fails_alone(
    store: impl KeyValueBackend,
    corrupt_row: impl AsyncFnOnce(&[u8], &[u8]),
) {
    fill(&store).await;
    corrupt_row(id(2).as_bytes(), b"001").await;
    let gets = SIZES.map(|size| Get { id: record(&id(size)), ..get(Predicate::All) });
    // Twice, because the first Get is read alone.
    let pages = join_all(gets.iter().chain(&gets).map(|get| store.get(get))).await;
    for (size, page) in SIZES.into_iter().cycle().zip(pages) {
        match page {
            Ok(page) => assert_eq!(page.items.len(), size),
            Err(error) => assert!(matches!(error, Error::Internal(_)) && size == 2, "{size}: {error}"),
        }
    }
}

/// Concurrent reads from a destroyed store: none is answered as empty.
pub(crate) async fn a_failed_statement_is_never_an_empty_answer(
    store: impl KeyValueBackend,
    destroy: impl AsyncFnOnce(),
) {
    fill(&store).await;
    destroy().await;
    let gets = SIZES.map(|size| Get { id: record(&id(size)), ..get(Predicate::All) });
    for answer in join_all(gets.iter().map(|get| store.get(get))).await {
        assert!(matches!(answer, Err(Error::Internal(_))), "{answer:?}");
    }
}

/// Concurrent reads of records of tombstones and expired items, around the maximum that a batched read scans, with live
/// items before, between and after them.
pub(crate) async fn every_page_with_dead_rows_is_complete(store: impl KeyValueBackend) {
    const DEAD: [usize; 6] = [1, 254, 255, 256, 257, 600];
    let mut gets = Vec::new();
    for (dead, live) in DEAD.into_iter().flat_map(|dead| [0, 1, 3, 20].map(|live| (dead, live))) {
        let id = record(&format!("{dead} dead, {live} live"));
        let name = |number: usize| format!("{number:03}");
        let deleted: Vec<_> = (0..dead).filter(|number| number % 2 == 0).map(|n| key(name(2 * n))).collect();
        let delete = Delete { id: id.clone(), token: 1, ..delete(Predicate::keys(deleted).unwrap()) };
        store.delete(delete).await.unwrap();
        let expired: Vec<_> =
            (0..dead).filter(|number| number % 2 == 1).map(|n| item(name(2 * n), "gone")).collect();
        if !expired.is_empty() {
            let put = Put { id: id.clone(), expires_at: Some(at(1_500)), ..put_items(expired) };
            store.put(put).await.unwrap();
        }
        // Odd numbers, from the first dead row to beyond the last.
        let lives: Vec<_> = (0..live).map(|n| 2 * (n * dead / live.max(2) + n) + 1).collect();
        if live > 0 {
            let items = lives.iter().map(|number| item(name(*number), "here")).collect();
            store.put(Put { id: id.clone(), ..put_items(items) }).await.unwrap();
        }
        for items in [1, 2, 16, 1_000] {
            let selection = Selection { page: PageSize::new(items, 0), ..Selection::default() };
            let get = Get { id: id.clone(), selection, now: at(2_000), ..get(Predicate::All) };
            let mut names: Vec<_> = lives.iter().map(|number| Bytes::from(name(*number))).collect();
            names.sort();
            names.truncate(items as usize);
            gets.push((get, names, live > items as usize));
        }
    }
    let pages = join_all(gets.iter().map(|(get, ..)| store.get(get))).await;
    for ((get, expected, more), page) in gets.into_iter().zip(pages) {
        let page = page.unwrap();
        assert_eq!((keys(&page.items), page.more), (expected, more), "{get:?}");
    }
}

/// Fills a record with dead rows only: tombstones, or items that expire at 1,500.
async fn fill_with_dead_rows(store: &impl KeyValueBackend, id: &str, expired: bool) {
    let names = |round: usize| (0..1_000).map(move |number| format!("{round:03}{number:03}"));
    for round in 0..100 {
        if expired {
            let items = names(round).map(|name| item(name, "gone"));
            let put = Put { id: record(id), expires_at: Some(at(1_500)), ..put_items(items.collect()) };
            store.put(put).await.unwrap();
        } else {
            let keys = Predicate::keys(names(round).map(key)).unwrap();
            store.delete(Delete { id: record(id), token: 1, ..delete(keys) }).await.unwrap();
        }
    }
}

/// Two groups of callers read records of 100,000 dead rows repeatedly, and keep both batched reads busy: a caller of another
/// namespace is answered meanwhile, and rarely waits for them.
pub(crate) async fn other_namespaces_are_answered_during_reads_of_dead_records(store: impl KeyValueBackend) {
    const ANSWERS: usize = 32;
    let other_namespace = Namespace::new("other").unwrap();
    let few = Put { namespace: other_namespace.clone(), ..put_items(vec![item("a", "1"), item("b", "2")]) };
    store.put(few).await.unwrap();
    fill_with_dead_rows(&store, "tombstones", false).await;
    fill_with_dead_rows(&store, "expired", true).await;
    let now = at(2_000);
    let (done, theirs) = (AtomicBool::new(false), AtomicUsize::new(0));
    let group = async || {
        let callers = (0..32).map(async |caller| {
            let id = record(if caller % 2 == 0 { "tombstones" } else { "expired" });
            while !done.load(Ordering::Relaxed) {
                let page = store.get(&Get { id: id.clone(), now, ..get(Predicate::All) }).await.unwrap();
                assert_eq!((page.items.len(), page.more), (0, false));
                theirs.fetch_add(1, Ordering::Relaxed);
            }
        });
        join_all(callers).await;
    };
    let read_other = async || {
        let query = Get { namespace: other_namespace.clone(), now, ..get(Predicate::All) };
        assert_eq!(store.get(&query).await.unwrap().items.len(), 2);
    };
    let second = async {
        // Read by the batched-read connection that the first group leaves free, which the second group then occupies.
        read_other().await;
        group().await;
    };
    let counted = async {
        // Until both groups are busy.
        while theirs.load(Ordering::Relaxed) < 64 {
            read_other().await;
        }
        let before = theirs.load(Ordering::Relaxed);
        for _ in 0..ANSWERS {
            read_other().await;
        }
        done.store(true, Ordering::Relaxed);
        theirs.load(Ordering::Relaxed) - before
    };
    let ((), (), theirs) = join!(group(), second, counted);
    // In one statement with them there would be one answer per 32 of theirs.
    assert!(theirs < 8 * ANSWERS, "{theirs} answers of the groups during {ANSWERS}");
}
