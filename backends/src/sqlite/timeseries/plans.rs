//! The plan of each statement: searches of the primary key or of a log's index, in its order, without a sort.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Row, SqliteConnection};

use super::sql::{self, Payloads};
use crate::sqlite::SCHEMA;
use crate::sqlite::engine::migrate;

async fn database() -> SqliteConnection {
    let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
    migrate(&mut connection, &SCHEMA).await.unwrap();
    connection
}

/// The lines of `EXPLAIN QUERY PLAN` that name a table of TimeSeries, or sort.
async fn plan(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let rows =
        sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"))).fetch_all(connection).await;
    let lines = rows.unwrap().into_iter().map(|row| row.get::<String, _>("detail"));
    let of_tables = [" events", " ts_events", " series", " ts_series", " namespaces", " ts_", "TEMP B-TREE"];
    lines.filter(|line| of_tables.iter().any(|table| line.contains(table))).collect()
}

const BY_KEY: &str = "SEARCH ts_events USING PRIMARY KEY (series=? AND time=? AND id=?)";
const BETWEEN: &str = "SEARCH ts_events USING PRIMARY KEY (series=? AND (time,id)>(?,?) AND (time,id)<(?,?))";

#[tokio::test]
async fn every_page_is_one_search_in_its_order_without_a_sort() {
    let mut connection = database().await;
    for payloads in Payloads::EACH {
        for reverse in [false, true] {
            let plan = plan(&mut connection, sql::page(payloads, reverse)).await;
            assert_eq!(plan, [BETWEEN.replace("ts_events", "events")]);
        }
        let log = plan(&mut connection, sql::log_of_series(payloads)).await;
        assert_eq!(
            log,
            ["SEARCH events USING INDEX ts_events_by_series (series=? AND position>? AND position<?)"]
        );
        let log = plan(&mut connection, sql::log_of_namespace(payloads)).await;
        let by_namespace =
            "SEARCH events USING INDEX ts_events_by_namespace (namespace=? AND position>? AND position<?)";
        assert_eq!(log, [by_namespace, "SEARCH series USING INTEGER PRIMARY KEY (rowid=?)"]);
    }
    for statement in [sql::LENGTHS, sql::LENGTHS_AND_TAGS] {
        let plan = plan(&mut connection, statement).await;
        assert_eq!(plan, ["SEARCH ts_events USING PRIMARY KEY (series=? AND time>? AND time<?)"]);
    }
}

#[tokio::test]
async fn a_list_of_series_and_a_sweep_look_at_one_event_of_each() {
    let mut connection = database().await;
    for (statement, bound) in [(sql::SERIES, "time>?"), (sql::OLD_SERIES, "time<?")] {
        let plan = plan(&mut connection, statement).await;
        let by_name =
            "SEARCH series USING COVERING INDEX sqlite_autoindex_ts_series_1 (namespace=? AND name>?)";
        assert_eq!(plan, [by_name, &format!("SEARCH events USING PRIMARY KEY (series=? AND {bound})")]);
    }
}

#[tokio::test]
async fn every_write_finds_its_rows_by_a_key() {
    let mut connection = database().await;
    let statements = [
        (sql::find_events(1), BY_KEY),
        (sql::find_events(256), BY_KEY),
        (sql::REMOVE, BY_KEY),
        (sql::LAST_OF, BETWEEN),
        (sql::DELETE, BETWEEN),
        (sql::OLDEST, "SEARCH ts_events USING PRIMARY KEY (series=? AND time<?)"),
        (sql::REMOVE_BEFORE, "SEARCH ts_events USING PRIMARY KEY (series=? AND (time,id)<(?,?))"),
        (
            sql::find_series(256),
            "SEARCH ts_series USING COVERING INDEX sqlite_autoindex_ts_series_1 (namespace=? AND name=?)",
        ),
        (
            sql::HAS_GROWN,
            "SEARCH ts_events USING COVERING INDEX ts_events_by_series (series=? AND position>?)",
        ),
        (sql::SWEPT, "SEARCH ts_swept USING PRIMARY KEY (namespace=? AND partition=?)"),
        (sql::ends(), "SEARCH ts_namespaces USING INDEX sqlite_autoindex_ts_namespaces_1 (name=?)"),
    ];
    for (statement, search) in statements {
        assert_eq!(plan(&mut connection, statement).await, [search], "{statement}");
    }
    for statement in [sql::insert_events(256), sql::insert_series(256), sql::DRAW] {
        assert!(plan(&mut connection, statement).await.is_empty(), "{statement}");
    }
}
