//! Batched reads in Postgres.

use sqlx::Executor;

use crate::common::batched_reads;
use crate::test_db::test_db;

#[tokio::test]
async fn every_page_of_a_batched_read_is_complete() {
    let db = test_db!("every_page_of_a_batched_read_is_complete");
    batched_reads::every_page_is_complete(db.open().await).await;
}

#[tokio::test]
async fn every_predicate_is_read_in_a_batch() {
    let db = test_db!("every_predicate_is_read_in_a_batch");
    batched_reads::every_predicate_is_batched(db.open().await).await;
}

#[tokio::test]
async fn a_read_of_a_corrupt_item_fails_alone() {
    let db = test_db!("a_read_of_a_corrupt_item_fails_alone");
    let corrupt_row = async |id: &[u8], key: &[u8]| {
        let corrupt = sqlx::query("UPDATE prism_items SET created_at = $3 WHERE id = $1 AND key = $2");
        let corrupt = corrupt.bind(id.to_vec()).bind(key.to_vec()).bind(i64::MIN);
        assert_eq!(db.other_client().await.execute(corrupt).await.unwrap().rows_affected(), 1);
    };
    batched_reads::a_get_that_fails_fails_alone(db.open().await, corrupt_row).await;
}

#[tokio::test]
async fn a_failed_statement_is_never_an_empty_answer() {
    let db = test_db!("a_failed_statement_is_never_an_empty_answer");
    batched_reads::a_failed_statement_is_never_an_empty_answer(db.open().await, async || {
        db.run("DROP TABLE prism_items").await;
    })
    .await;
}

#[tokio::test]
async fn every_page_with_dead_rows_is_complete() {
    let db = test_db!("every_page_with_dead_rows_is_complete");
    batched_reads::every_page_with_dead_rows_is_complete(db.open().await).await;
}
