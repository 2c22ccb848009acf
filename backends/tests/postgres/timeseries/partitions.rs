//! The number of partitions of a namespace, fixed by its first Append.

use futures::{StreamExt, stream};
use prism_contract::Namespace;
use prism_contract::timeseries::{Append, TimeSeriesBackend};

use super::{append, event};
use crate::test_db::test_db;

/// More namespaces than are read at a time.
const MANY: usize = 1_001;

#[tokio::test]
async fn a_configured_number_that_is_not_that_of_the_first_append_is_found_among_many() {
    let db = test_db!("a_configured_number_that_is_not_that_of_the_first_append_is_found_among_many");
    let store = db.open().await;
    let named = |number| Namespace::new(format!("n{number:04}")).unwrap();
    let first = |number| {
        let partitions = if number + 1 == MANY { 3 } else { 1 };
        store.append(Append { namespace: named(number), partitions, ..append(vec![event("s", 1, "1")]) })
    };
    let answers: Vec<_> = stream::iter((0..MANY).map(first)).buffer_unordered(64).collect().await;
    assert_eq!(answers.into_iter().collect::<Result<Vec<_>, _>>().unwrap().len(), MANY);
    let last = named(MANY - 1);
    let found = store.repartitioned(&|_: &Namespace| Some(1)).await.unwrap();
    assert_eq!(found, Some((last.clone(), 3)));
    let of_last = |namespace: &Namespace| Some(if *namespace == last { 3 } else { 1 });
    assert_eq!(store.repartitioned(&of_last).await.unwrap(), None);
    assert_eq!(store.repartitioned(&|_: &Namespace| None).await.unwrap(), None);
}
