//! Gets that are asked at once, and so ride together, whichever the database.

use bytes::Bytes;
use futures::future::join_all;
use prism_contract::keyvalue::{Error, Get, Item, KeyValueBackend, PageSize, Predicate, Put, Selection};

use super::{get, item, key, put_items, record};

/// Around the most rows that ride, and far above.
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
    let pages = join_all(gets.iter().map(|(get, ..)| store.get(get.clone()))).await;
    for ((get, expected, more), page) in gets.into_iter().zip(pages) {
        let page = page.unwrap();
        assert_eq!((keys(&page.items), page.more), (numbers(expected), more), "{get:?}");
    }
}

/// Ranges, prefixes and named keys of one record at once.
pub(crate) async fn every_predicate_rides(store: impl KeyValueBackend) {
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
    let pages = join_all(gets.map(|get| store.get(get))).await;
    for ((predicate, expected), page) in asked.into_iter().zip(pages) {
        assert_eq!(keys(&page.unwrap().items), expected, "{predicate:?}");
    }
}

/// What a record answers that is read beside those of [`every_page_is_whole`], after something was done to it.
pub(crate) async fn a_rider_that_fails_fails_alone(
    store: impl KeyValueBackend,
    damage: impl AsyncFnOnce(&[u8], &[u8]),
) {
    fill(&store).await;
    damage(id(2).as_bytes(), b"001").await;
    let gets = SIZES.map(|size| Get { id: record(&id(size)), ..get(Predicate::All) });
    // Twice, because the first of all is read by itself.
    let pages = join_all(gets.iter().chain(&gets).map(|get| store.get(get.clone()))).await;
    for (size, page) in SIZES.into_iter().cycle().zip(pages) {
        match page {
            Ok(page) => assert_eq!(page.items.len(), size),
            Err(error) => assert!(matches!(error, Error::Internal(_)) && size == 2, "{size}: {error}"),
        }
    }
}

/// What is read once the store cannot answer: nobody is told that there is nothing.
pub(crate) async fn nobody_arrives_empty(store: impl KeyValueBackend, destroy: impl AsyncFnOnce()) {
    fill(&store).await;
    destroy().await;
    let gets = SIZES.map(|size| store.get(Get { id: record(&id(size)), ..get(Predicate::All) }));
    for answer in join_all(gets).await {
        assert!(matches!(answer, Err(Error::Internal(_))), "{answer:?}");
    }
}
