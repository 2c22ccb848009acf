//! The server that the tests of a run share: a schema or database per test, in the order of a language.

use prism_testkit::{Backend, Postgres, skips};
use sqlx::{Connection as _, PgConnection};

async fn one(url: &str, sql: &'static str) -> String {
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
    assert_eq!(one(one_schema.url(), "SELECT current_schema()::text").await, one_schema.name());
    let mut connection = PgConnection::connect(one_schema.url()).await.unwrap();
    sqlx::query("CREATE TABLE t (a int)").execute(&mut connection).await.unwrap();
    assert_eq!(
        one(one_schema.url(), "SELECT count(*)::text FROM pg_class WHERE oid = to_regclass('t')").await,
        "1"
    );
    assert_eq!(
        one(other.url(), "SELECT count(*)::text FROM pg_class WHERE oid = to_regclass('t')").await,
        "0"
    );
}

#[tokio::test]
async fn a_database_is_a_test_s_own_and_has_the_collation_of_the_run() {
    if skips(Backend::Postgres, "a_database_is_a_test_s_own_and_has_the_collation_of_the_run") {
        return;
    }
    let server = Postgres::shared().await.unwrap();
    let database = server.database().await.unwrap();
    assert_eq!(one(database.url(), "SELECT current_database()::text").await, database.name());
    let sorted = "SELECT string_agg(k, '' ORDER BY k) FROM unnest(ARRAY['B', 'a', 'b', 'A', '_']) AS k";
    assert_eq!(one(database.url(), sorted).await, one(server.url(), sorted).await);
}

#[tokio::test]
async fn the_description_says_what_the_server_says() {
    if skips(Backend::Postgres, "the_description_says_what_the_server_says") {
        return;
    }
    let server = Postgres::shared().await.unwrap();
    let said = server.describe();
    assert_eq!(one(server.url(), "SHOW server_version").await, said.version);
    assert_eq!(one(server.url(), "SHOW fsync").await, said.fsync);
    assert_eq!(one(server.url(), "SHOW synchronous_commit").await, said.synchronous_commit);
    assert_eq!(one(server.url(), "SHOW full_page_writes").await, said.full_page_writes);
    for part in [&said.version, &said.collation, &said.origin] {
        assert!(said.to_string().contains(part.as_str()), "{said} lacks {part}");
    }
}
