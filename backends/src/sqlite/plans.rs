//! How SQLite runs each statement: by the primary key, in its order, without sorting.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Row, SqliteConnection};

use super::sql::{self, Keys, Of, PageShape};
use super::{schema, sweep};

async fn database() -> SqliteConnection {
    let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
    schema::migrate(&mut connection).await.unwrap();
    connection
}

/// The lines of `EXPLAIN QUERY PLAN`, without the rows of a VALUES list, which are as many as the statement has.
async fn plan(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"))).fetch_all(connection).await;
    rows.unwrap().iter().map(|row| row.get::<String, _>("detail")).collect()
}

#[tokio::test]
async fn every_page_is_one_search_of_the_primary_key_without_a_sort() {
    let mut connection = database().await;
    for shape in PageShape::all() {
        let bounds = match (shape.of, shape.keys) {
            (Of::Record, Keys::From) => "namespace=? AND id=? AND key>?",
            (Of::Record, Keys::Between) => "namespace=? AND id=? AND key>? AND key<?",
            (Of::Record, Keys::Named(_)) => "namespace=? AND id=? AND key=?",
            (Of::Namespace, _) if shape.reverse => "namespace=? AND (id,key)<(?,?)",
            (Of::Namespace, _) => "namespace=? AND (id,key)>(?,?)",
        };
        let plan = plan(&mut connection, shape.text()).await;
        assert_eq!(plan, [format!("SEARCH items USING PRIMARY KEY ({bounds})")], "{shape:?}");
    }
}

#[tokio::test]
async fn dump() {
    let mut connection = database().await;
    for text in [sql::lookup(4), sql::upsert(4), sql::remove(1), sql::remove(4), sql::bury(true), sql::remove_untold(false), sql::bury(false)].into_iter().chain(sweep::STATEMENTS) {
        eprintln!("{text}\n{:#?}", plan(&mut connection, text).await);
    }
}
