//! The plan of each statement: a search of the primary key, in its order, without a sort.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Row, SqliteConnection, ValueRef};

use super::sql::{self, Keys, PageShape, Scope, Values};
use super::{decode, sweep};
use crate::sqlite::SCHEMA;
use crate::sqlite::engine::migrate;

async fn database() -> SqliteConnection {
    let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
    migrate(&mut connection, &SCHEMA).await.unwrap();
    connection
}

/// The lines of `EXPLAIN QUERY PLAN`.
async fn plan(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let rows =
        sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"))).fetch_all(connection).await;
    rows.unwrap().iter().map(|row| row.get::<String, _>("detail")).collect()
}

#[tokio::test]
async fn every_page_is_one_search_of_the_primary_key_without_a_sort() {
    let mut connection = database().await;
    for shape in PageShape::all() {
        let bounds = match (shape.scope, shape.keys) {
            (Scope::Record, Keys::From) => "namespace=? AND id=? AND key>?",
            (Scope::Record, Keys::Between) => "namespace=? AND id=? AND key>? AND key<?",
            (Scope::Record, Keys::Named(_)) => "namespace=? AND id=? AND key=?",
            (Scope::Namespace, _) if shape.reverse => "namespace=? AND (id,key)<(?,?)",
            (Scope::Namespace, _) => "namespace=? AND (id,key)>(?,?)",
        };
        let plan = plan(&mut connection, shape.statement()).await;
        assert_eq!(plan, [format!("SEARCH items USING PRIMARY KEY ({bounds})")], "{shape:?}");
    }
}

#[tokio::test]
async fn a_prefetched_page_has_no_large_value() {
    let mut connection = database().await;
    let row = |key, bytes| format!("(x'6e', x'72', x'{key}', '', 0, 1, 0, 0, 0, zeroblob({bytes}))");
    let rows = [row("61", sql::SMALL), row("62", sql::SMALL + 1)].join(", ");
    let insert = format!(
        "INSERT INTO items (namespace, id, key, content_type, compression, version, token, created_at, updated_at, value) \
         VALUES {rows}"
    );
    sqlx::query(AssertSqlSafe(insert)).execute(&mut connection).await.unwrap();
    for (values, expected) in [(Values::Small, [true, false]), (Values::All, [true, true])] {
        let shape = PageShape { scope: Scope::Record, keys: Keys::From, reverse: false, values };
        let query =
            sqlx::query(shape.statement()).bind(&b"n"[..]).bind(&b"r"[..]).bind(1).bind(10).bind(&b""[..]);
        let rows = query.fetch_all(&mut connection).await.unwrap();
        let present = rows.iter().map(|row| !row.try_get_raw(decode::VALUE).unwrap().is_null());
        assert_eq!(present.collect::<Vec<_>>(), expected, "{values:?}");
    }
}

#[tokio::test]
async fn every_span_of_a_batched_read_is_a_search_of_the_primary_key_without_a_sort() {
    let mut connection = database().await;
    let search = "SEARCH items USING PRIMARY KEY (namespace=? AND id=? AND key>? AND key<?)";
    for spans in [1, 64] {
        let plan = plan(&mut connection, sql::batched_read(spans)).await;
        assert_eq!(plan.iter().filter(|line| *line == search).count(), spans, "{plan:?}");
        assert!(!plan.iter().any(|line| line.contains("TEMP B-TREE") || line.contains("SCAN items")));
    }
}

#[tokio::test]
async fn every_write_finds_its_rows_by_the_primary_key() {
    let mut connection = database().await;
    let by_key = "SEARCH items USING PRIMARY KEY (namespace=? AND id=? AND key=?)";
    let from = "SEARCH items USING PRIMARY KEY (namespace=? AND id=? AND key>?)";
    let between = "SEARCH items USING PRIMARY KEY (namespace=? AND id=? AND key>? AND key<?)";
    let statements = [
        (sql::lookup(1), by_key),
        (sql::lookup(256), by_key),
        (sql::remove(1), by_key),
        (sql::remove(256), by_key),
        (sql::insert_tombstones(false), from),
        (sql::insert_tombstones(true), between),
        (sql::delete_without_tombstone(false), from),
        (sql::delete_without_tombstone(true), between),
    ];
    for (statement, search) in statements {
        let plan = plan(&mut connection, statement).await;
        let of_items: Vec<_> = plan.iter().filter(|line| line.contains(" items")).collect();
        assert_eq!(of_items, [search], "{statement}");
    }
}

#[tokio::test]
async fn unconditional_puts_read_nothing_but_the_counter() {
    let mut connection = database().await;
    for size in [1, 256] {
        let drawing = sql::put_drawing(size, 1);
        let (_, insert) = drawing.split_once("; ").unwrap();
        let mut plan_of = async |statement| plan(&mut connection, statement).await;
        let plan = [plan_of(insert).await, plan_of(&sql::put_reserved(size, 1)).await].concat();
        assert!(!plan.iter().any(|line| line.contains(" items") || line.contains("TEMP B-TREE")), "{plan:?}");
    }
}

#[tokio::test]
async fn a_sweep_reads_only_its_indexes() {
    let mut connection = database().await;
    for statement in sweep::STATEMENTS {
        for line in plan(&mut connection, statement).await {
            let allowed = [
                "SEARCH items USING PRIMARY KEY (namespace=? AND id=? AND key=?)",
                "SEARCH items USING COVERING INDEX items_by_expiry (expires_at>? AND expires_at<?)",
                "SEARCH items USING COVERING INDEX items_by_deletion (deleted_at>? AND deleted_at<?)",
            ];
            assert!(!line.contains(" items") || allowed.contains(&line.as_str()), "{line}: {statement}");
            assert!(!line.contains("TEMP B-TREE"), "{line}: {statement}");
        }
    }
}
