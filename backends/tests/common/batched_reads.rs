//! Gets that are asked at once, and so are read together, whichever the database.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use futures::future::join_all;
use futures::join;
use prism_contract::keyvalue::{Delete, Get, Item, KeyValueBackend, Predicate, Put, Selection};
use prism_contract::{Error, Namespace, PageSize};

use super::{at, delete, get, item, key, put_items, record};

/// Around the most rows of a span in a batched read, and far above.
const SIZES: [usize; 8] = [0, 1, 2, 15, 16, 17, 18, 100];

fn id(size: usize) -> String {
    format!("of {size}")
}

/// A record of each size; the items are `000`, `001` and so on.
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

/// Records of every length, each from several places on and in pages of several lengths, all read at once.
pub(crate) async fn every_page_is_whole(store: impl KeyValueBackend) {
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

/// Ranges, prefixes and named keys of one record at once.
pub(crate) async fn every_predicate_is_batched(store: impl KeyValueBackend) {
    fill(&store).await;
    let named =
        |names: &[usize]| Predicate::keys(numbers(names.iter().copied()).into_iter().map(key)).unwrap();
    let many: Vec<_> = (0..40).collect();
    let prefix = |bytes: &'static str| Predicate::prefix(Bytes::from(bytes)).unwrap();
    let asked = [
        (Predicate::All, numbers(0..100)),
        (named(&[5]), numbers([5])),
        (named(&[99, 3, 5, 100]), numbers([3, 5, 99])),
        (named(&many), numbers(0..40)),
        (prefix("01"), numbers(10..20)),
        (prefix("1"), vec![]),
        (Predicate::range(Bytes::from("098"), Bytes::new()).unwrap(), numbers(98..100)),
        (Predicate::range(Bytes::from("001"), Bytes::from("003")).unwrap(), numbers(1..3)),
    ];
    let gets = asked.iter().map(|(predicate, _)| Get { id: record(&id(100)), ..get(predicate.clone()) });
    let gets: Vec<_> = gets.collect();
    let pages = join_all(gets.iter().map(|get| store.get(get))).await;
    for ((predicate, expected), page) in asked.into_iter().zip(pages) {
        assert_eq!(keys(&page.unwrap().items), expected, "{predicate:?}");
    }
}

/// What a record answers that is read beside those of [`every_page_is_whole`], after something was done to it.
pub(crate) async fn a_get_that_fails_fails_alone(
    store: impl KeyValueBackend,
    corrupt_row: impl AsyncFnOnce(&[u8], &[u8]),
) {
    fill(&store).await;
    corrupt_row(id(2).as_bytes(), b"001").await;
    let gets = SIZES.map(|size| Get { id: record(&id(size)), ..get(Predicate::All) });
    // Twice, because the first of all is read by itself.
    let pages = join_all(gets.iter().chain(&gets).map(|get| store.get(get))).await;
    for (size, page) in SIZES.into_iter().cycle().zip(pages) {
        match page {
            Ok(page) => assert_eq!(page.items.len(), size),
            Err(error) => assert!(matches!(error, Error::Internal(_)) && size == 2, "{size}: {error}"),
        }
    }
}

/// What is read once the store cannot answer: no read is answered as empty.
pub(crate) async fn nobody_arrives_empty(store: impl KeyValueBackend, destroy: impl AsyncFnOnce()) {
    fill(&store).await;
    destroy().await;
    let gets = SIZES.map(|size| Get { id: record(&id(size)), ..get(Predicate::All) });
    for answer in join_all(gets.iter().map(|get| store.get(get))).await {
        assert!(matches!(answer, Err(Error::Internal(_))), "{answer:?}");
    }
}

/// Records of tombstones and expired items, around the most that a batched read walks, with live items before, among and after
/// them, all read at once.
pub(crate) async fn every_page_beside_dead_rows_is_whole(store: impl KeyValueBackend) {
    const DEAD: [usize; 6] = [1, 254, 255, 256, 257, 600];
    let mut gets = Vec::new();
    for (dead, live) in DEAD.into_iter().flat_map(|dead| [0, 1, 3, 20].map(|live| (dead, live))) {
        let id = record(&format!("{dead} dead, {live} live"));
        let name = |number: usize| format!("{number:03}");
        let buried: Vec<_> = (0..dead).filter(|number| number % 2 == 0).map(|n| key(name(2 * n))).collect();
        let delete = Delete { id: id.clone(), token: 1, ..delete(Predicate::keys(buried).unwrap()) };
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

/// Whose keys are all dead: tombstones, or items that are expired at the moment of [`dead`].
async fn insert_tombstones(store: &impl KeyValueBackend, id: &str, expired: bool) {
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

/// Two groups of callers read records of 100,000 dead rows again and again, and keep both batched reads busy: a neighbour in
/// another namespace gets its answers meanwhile, and seldom waits for theirs.
pub(crate) async fn a_neighbour_is_answered_beside_callers_of_dead_records(store: impl KeyValueBackend) {
    const ANSWERS: usize = 32;
    let neighbours = Namespace::new("neighbour").unwrap();
    let few = Put { namespace: neighbours.clone(), ..put_items(vec![item("a", "1"), item("b", "2")]) };
    store.put(few).await.unwrap();
    insert_tombstones(&store, "tombstones", false).await;
    insert_tombstones(&store, "expired", true).await;
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
    let neighbour = async || {
        let asked = Get { namespace: neighbours.clone(), now, ..get(Predicate::All) };
        assert_eq!(store.get(&asked).await.unwrap().items.len(), 2);
    };
    let second = async {
        // Answered by the batched read that the first group leaves free, which the second group then takes.
        neighbour().await;
        group().await;
    };
    let counted = async {
        // Both groups are at it.
        while theirs.load(Ordering::Relaxed) < 64 {
            neighbour().await;
        }
        let before = theirs.load(Ordering::Relaxed);
        for _ in 0..ANSWERS {
            neighbour().await;
        }
        done.store(true, Ordering::Relaxed);
        theirs.load(Ordering::Relaxed) - before
    };
    let ((), (), theirs) = join!(group(), second, counted);
    // In a statement with them it would have one answer for some 32 of theirs.
    assert!(theirs < 8 * ANSWERS, "{theirs} answers beside {ANSWERS}");
}
