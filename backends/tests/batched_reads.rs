//! Gets that are read together in SQLite.

mod common;

use common::{Place, batched_reads};
use sqlx::Executor;

#[tokio::test]
async fn every_page_that_is_read_beside_others_is_whole() {
    let place = Place::new();
    batched_reads::every_page_is_whole(place.open().await).await;
}

#[tokio::test]
async fn every_predicate_is_read_beside_others() {
    let place = Place::new();
    batched_reads::every_predicate_is_batched(place.open().await).await;
}

#[tokio::test]
async fn a_read_that_meets_a_damaged_item_fails_alone() {
    let place = Place::new();
    let corrupt_row = async |id: &[u8], key: &[u8]| {
        let damaged =
            sqlx::query("UPDATE items SET created_at = -1 WHERE id = ? AND key = ?").bind(id.to_vec());
        let done = place.stranger().await.execute(damaged.bind(key.to_vec())).await.unwrap();
        assert_eq!(done.rows_affected(), 1);
    };
    batched_reads::a_get_that_fails_fails_alone(place.open().await, corrupt_row).await;
}

#[tokio::test]
async fn a_statement_that_fails_leaves_nobody_with_an_empty_answer() {
    let place = Place::new();
    let destroy = async || {
        place.stranger().await.execute("DROP TABLE items").await.unwrap();
    };
    batched_reads::nobody_arrives_empty(place.open().await, destroy).await;
}

#[tokio::test]
async fn every_page_beside_dead_rows_is_whole() {
    let place = Place::new();
    batched_reads::every_page_beside_dead_rows_is_whole(place.open().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_is_answered_beside_callers_of_dead_records() {
    let place = Place::new();
    let mut options = place.options();
    options.read_wait = std::time::Duration::from_mins(1);
    let store = prism_backends::Sqlite::open(options).await.unwrap();
    batched_reads::a_neighbour_is_answered_beside_callers_of_dead_records(store).await;
}
