//! Gets that are read together in Postgres.

use sqlx::Executor;

use crate::common::batched_reads;
use crate::place::place;

#[tokio::test]
async fn every_page_that_is_read_beside_others_is_whole() {
    let place = place!("every_page_that_is_read_beside_others_is_whole");
    batched_reads::every_page_is_whole(place.open().await).await;
}

#[tokio::test]
async fn every_predicate_is_read_beside_others() {
    let place = place!("every_predicate_is_read_beside_others");
    batched_reads::every_predicate_is_batched(place.open().await).await;
}

#[tokio::test]
async fn a_read_that_meets_a_damaged_item_fails_alone() {
    let place = place!("a_read_that_meets_a_damaged_item_fails_alone");
    let corrupt_row = async |id: &[u8], key: &[u8]| {
        let damaged = sqlx::query("UPDATE prism_items SET created_at = $3 WHERE id = $1 AND key = $2");
        let damaged = damaged.bind(id.to_vec()).bind(key.to_vec()).bind(i64::MIN);
        assert_eq!(place.stranger().await.execute(damaged).await.unwrap().rows_affected(), 1);
    };
    batched_reads::a_get_that_fails_fails_alone(place.open().await, corrupt_row).await;
}

#[tokio::test]
async fn a_statement_that_fails_leaves_nobody_with_an_empty_answer() {
    let place = place!("a_statement_that_fails_leaves_nobody_with_an_empty_answer");
    batched_reads::nobody_arrives_empty(place.open().await, async || {
        place.run("DROP TABLE prism_items").await;
    })
    .await;
}

#[tokio::test]
async fn every_page_beside_dead_rows_is_whole() {
    let place = place!("every_page_beside_dead_rows_is_whole");
    batched_reads::every_page_beside_dead_rows_is_whole(place.open().await).await;
}
