//! Batched reads in SQLite.

mod common;

use common::{TestDb, batched_reads};
use sqlx::Executor;

#[tokio::test]
async fn every_page_of_a_batched_read_is_complete() {
    let db = TestDb::new();
    batched_reads::every_page_is_complete(db.open().await).await;
}

#[tokio::test]
async fn every_predicate_is_read_in_a_batch() {
    let db = TestDb::new();
    batched_reads::every_predicate_is_batched(db.open().await).await;
}

#[tokio::test]
async fn a_read_of_a_corrupt_item_fails_alone() {
    let db = TestDb::new();
    let corrupt_row = async |id: &[u8], key: &[u8]| {
        let corrupt =
            sqlx::query("UPDATE items SET created_at = -1 WHERE id = ? AND key = ?").bind(id.to_vec());
        let done = db.other_client().await.execute(corrupt.bind(key.to_vec())).await.unwrap();
        assert_eq!(done.rows_affected(), 1);
    };
    batched_reads::a_get_that_fails_fails_alone(db.open().await, corrupt_row).await;
}

#[tokio::test]
async fn a_failed_statement_is_never_an_empty_answer() {
    let db = TestDb::new();
    let destroy = async || {
        db.other_client().await.execute("DROP TABLE items").await.unwrap();
    };
    batched_reads::a_failed_statement_is_never_an_empty_answer(db.open().await, destroy).await;
}

#[tokio::test]
async fn every_page_with_dead_rows_is_complete() {
    let db = TestDb::new();
    batched_reads::every_page_with_dead_rows_is_complete(db.open().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_namespaces_are_answered_during_reads_of_dead_records() {
    let db = TestDb::new();
    let mut options = db.options();
    options.read_wait = std::time::Duration::from_mins(1);
    let store = prism_backends::Sqlite::open(options).await.unwrap();
    batched_reads::other_namespaces_are_answered_during_reads_of_dead_records(store).await;
}
