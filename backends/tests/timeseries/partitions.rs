//! The number of partitions of a namespace, fixed by its first Append.

use prism_contract::Namespace;
use prism_contract::timeseries::{Append, Memory, TimeSeriesBackend};

use crate::common::TestDb;
use crate::events::{append_in, event};

fn named(name: &str) -> Namespace {
    Namespace::new(name).unwrap()
}

/// The numbers that namespaces are configured with, by how their names begin, must be those of the first Appends.
pub(crate) async fn are_those_of_the_first_append(store: &impl TimeSeriesBackend) {
    let fixed = [("a-1", 4), ("a-2", 4), ("b-1", 8)];
    for (name, partitions) in fixed {
        for partitions in [partitions, 9] {
            let append = append_in(named(name), vec![event("s", 1, &partitions.to_string(), "x")]);
            store.append(Append { partitions, ..append }).await.unwrap();
        }
    }
    let repartitioned = async |a, b| {
        let configured = |namespace: &Namespace| if namespace.as_str().starts_with("a-") { a } else { b };
        store.repartitioned(&configured).await.unwrap()
    };
    for served in [(Some(4), Some(8)), (None, Some(8)), (Some(4), None), (None, None)] {
        assert_eq!(repartitioned(served.0, served.1).await, None, "{served:?}");
    }
    assert_eq!(repartitioned(Some(4), Some(4)).await, Some((named("b-1"), 8)));
    assert_eq!(repartitioned(Some(8), Some(8)).await, Some((named("a-1"), 4)));
}

#[tokio::test]
async fn a_configured_number_that_is_not_that_of_the_first_append_is_found() {
    are_those_of_the_first_append(&Memory::default()).await;
    let db = TestDb::new();
    are_those_of_the_first_append(&db.open().await).await;
}

#[tokio::test]
async fn a_number_of_partitions_outlasts_a_restart() {
    let db = TestDb::new();
    let append = append_in(named("a"), vec![event("s", 1, "1", "x")]);
    db.open().await.append(Append { partitions: 3, ..append }).await.unwrap();
    let found = db.open().await.repartitioned(&|_: &Namespace| Some(4)).await.unwrap();
    assert_eq!(found, Some((named("a"), 3)));
}
