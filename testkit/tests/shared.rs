//! The shared server of a run: a schema or database per test, with a linguistic collation.

use prism_testkit::{Backend, Postgres, skips};
use sqlx::{Connection as _, PgConnection};

async fn fetch_one(url: &str, sql: &'static str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn a_session_of_a_schema_sees_that_schema_alone() {
    if skips(Backend::Postgres, "a_session_of_a_schema_sees_that_schema_alone") {
        return;
    }
    let server = Postgres::shared().await.unwrap();
    let (one_schema, other) = (server.schema().await.unwrap(), server.schema().await.unwrap());
    assert_ne!(one_schema.name(), other.name());
    assert_eq!(fetch_one(one_schema.url(), "SELECT current_schema()::text").await, one_schema.name());
    let mut connection = PgConnection::connect(one_schema.url()).await.unwrap();
    sqlx::query("CREATE TABLE t (a int)").execute(&mut connection).await.unwrap();
    assert_eq!(
        fetch_one(one_schema.url(), "SELECT count(*)::text FROM pg_class WHERE oid = to_regclass('t')").await,
        "1"
    );
    assert_eq!(
        fetch_one(other.url(), "SELECT count(*)::text FROM pg_class WHERE oid = to_regclass('t')").await,
        "0"
    );
}

#[tokio::test]
async fn a_per_test_database_has_the_collation_of_the_run() {
    if skips(Backend::Postgres, "a_per_test_database_has_the_collation_of_the_run") {
        return;
    }
    let server = Postgres::shared().await.unwrap();
    let database = server.database().await.unwrap();
    assert_eq!(fetch_one(database.url(), "SELECT current_database()::text").await, database.name());
    let sorted = "SELECT string_agg(k, '' ORDER BY k) FROM unnest(ARRAY['B', 'a', 'b', 'A', '_']) AS k";
    assert_eq!(fetch_one(database.url(), sorted).await, fetch_one(server.url(), sorted).await);
}

#[tokio::test]
async fn the_description_matches_the_server() {
    if skips(Backend::Postgres, "the_description_matches_the_server") {
        return;
    }
    let server = Postgres::shared().await.unwrap();
    let description = server.describe();
    assert_eq!(fetch_one(server.url(), "SHOW server_version").await, description.version);
    assert_eq!(fetch_one(server.url(), "SHOW fsync").await, description.fsync);
    assert_eq!(fetch_one(server.url(), "SHOW synchronous_commit").await, description.synchronous_commit);
    assert_eq!(fetch_one(server.url(), "SHOW full_page_writes").await, description.full_page_writes);
    for part in [&description.version, &description.collation, &description.origin] {
        assert!(description.to_string().contains(part.as_str()), "{description} lacks {part}");
    }
}
