//! The plan of each statement: an index scan in index order, without a sort or a sequential scan.

use prism_testkit::Schema;
use sqlx::{AssertSqlSafe, Row};

use super::SCHEMA;
use super::page_sql::{self, Keys, PageShape, Scope, Values};
use super::sweep::{DROP_EXPIRED, DROP_FORGOTTEN, EXPIRED, EXPIRED_TO_TOMBSTONES, FORGOTTEN};
use super::write_sql::{self, LOOK_UP, REMOVE, UPSERT};
use crate::keyvalue::ROWS as ROWS_OF_A_SPAN;
use crate::postgres::engine::Session;
use crate::postgres::plans::{self, plan, searches};

/// A session of the backend, on an empty table, whose statistics favour a sequential scan.
async fn session(test: &str) -> Option<(Schema, Session)> {
    plans::session(test, &SCHEMA).await
}

#[tokio::test]
async fn every_span_of_a_batched_read_is_a_scan_of_the_primary_key() {
    let Some((_schema, mut session)) =
        session("every_span_of_a_batched_read_is_a_scan_of_the_primary_key").await
    else {
        return;
    };
    let span = "(namespace = wanted.namespace) AND (id = wanted.id) AND (key >= wanted.first) AND (key < wanted.beyond)";
    // The first counts the rows of a span with a dead row; Postgres numbers the columns of the span as parameters.
    let searched = searches(&mut session, page_sql::batched_read()).await;
    let count = "((namespace = $1) AND (id = $2) AND (key >= $3) AND (key < $4))";
    assert!(
        searched == [count.to_owned(), format!("({span})")]
            || searched == [(); 2].map(|()| format!("({span})")),
        "{searched:?}"
    );
    let plan = plan(&mut session, page_sql::batched_read(), 5).await;
    let once = plan.iter().any(|line| line.starts_with("InitPlan"));
    assert!(once && !plan.iter().any(|line| line.starts_with("SubPlan")), "{plan:#?}");
}

/// The rows that the index scans of an analyzed plan read, live or dead, and whether a step of the plan was never executed.
fn scanned(plan: &[String]) -> (usize, bool) {
    let number = |line: &str, before: &str| -> usize {
        let digits = line.split_once(before).map_or("0", |(_, rest)| rest);
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits[..end].parse().unwrap()
    };
    let rows = plan.iter().map(|line| {
        if line.contains("Index Scan") && !line.contains("never executed") {
            number(line, "rows=") * number(line, "loops=")
        } else {
            number(line, "Rows Removed by Filter: ")
        }
    });
    (rows.sum(), plan.iter().any(|line| line.contains("never executed")))
}

#[tokio::test]
async fn a_batched_read_scans_few_rows_of_a_dead_record_and_counts_none_of_a_live_one() {
    let test = "a_batched_read_scans_few_rows_of_a_dead_record_and_counts_none_of_a_live_one";
    let Some((_schema, mut session)) = session(test).await else { return };
    for (id, deleted_at) in [("dead", "1"), ("live", "NULL")] {
        session
            .run(format!(
                "INSERT INTO prism_items SELECT 'n', '{id}', convert_to(lpad(i::text, 8, '0'), 'UTF8'), '', 0, \
                 nextval('prism_versions'), 1, 1, 1, NULL, {deleted_at}, 'v' FROM generate_series(1, 5000) AS i"
            ))
            .await
            .unwrap();
    }
    session.run(format!("PREPARE planned AS {}", page_sql::batched_read())).await.unwrap();
    let mut analyzed = async |id: &str| {
        let explain = format!(
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE planned \
             (ARRAY['n'::bytea], ARRAY['{id}'::bytea], ARRAY[''::bytea], ARRAY['\\xff'::bytea], ARRAY[2])"
        );
        let rows = session.rows(sqlx::query(AssertSqlSafe(explain)).persistent(false)).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get::<String, _>(0).trim().to_owned()).collect();
        let (rows, skipped) = scanned(&plan);
        assert!(rows > ROWS_OF_A_SPAN, "{plan:#?}");
        (rows, skipped)
    };
    let (rows, skipped) = analyzed("dead").await;
    assert!(rows < 1_000 && !skipped, "{rows} rows of a dead record");
    let (rows, skipped) = analyzed("live").await;
    assert!(rows <= ROWS_OF_A_SPAN + 1 && skipped, "{rows} rows of a live record");
}

#[tokio::test]
async fn every_page_is_one_scan_of_the_primary_key_in_the_order_of_the_answer() {
    let test = "every_page_is_one_scan_of_the_primary_key_in_the_order_of_the_answer";
    let Some((_schema, mut session)) = session(test).await else { return };
    for shape in PageShape::all() {
        let record = "(namespace = $1) AND (id = $2)";
        let beyond = if shape.reverse { "<" } else { ">=" };
        let scope = match shape.scope {
            Scope::Record => record.to_owned(),
            Scope::Namespace => format!("(namespace = $1) AND (ROW(id, key) {beyond} ROW($2, $5))"),
        };
        let first = if shape.scope == Scope::Record { 5 } else { 6 };
        let expected = match (shape.scope, shape.keys) {
            (Scope::Record, Keys::Named) => format!("({record} AND (key = wanted.key))"),
            (Scope::Namespace, Keys::Named) => format!("({scope})"),
            (_, Keys::From) => format!("({scope} AND (key >= ${first}))"),
            (_, Keys::Between) => format!("({scope} AND (key >= ${first}) AND (key < ${}))", first + 1),
        };
        assert_eq!(searches(&mut session, shape.statement()).await, [expected], "{shape:?}");
    }
}

#[tokio::test]
async fn a_page_limited_by_bytes_reads_no_more_rows_than_its_item_limit() {
    let test = "a_page_limited_by_bytes_reads_no_more_rows_than_its_item_limit";
    let Some((_schema, mut session)) = session(test).await else { return };
    let shape = PageShape { scope: Scope::Record, keys: Keys::From, reverse: false, values: Values::Within };
    let plan = plan(&mut session, shape.statement(), 7).await;
    let steps: Vec<_> = plan.iter().map(|line| line.trim_start_matches("->  ")).collect();
    let step = |name: &str| {
        steps.iter().position(|step| step.starts_with(name)).unwrap_or_else(|| panic!("{plan:#?}"))
    };
    assert!(step("Limit") < step("WindowAgg") && step("WindowAgg") < step("Index Scan"), "{plan:#?}");
}

#[tokio::test]
async fn every_write_finds_its_rows_by_the_primary_key() {
    let test = "every_write_finds_its_rows_by_the_primary_key";
    let Some((_schema, mut session)) = session(test).await else { return };
    let by_key =
        |name: &str| format!("((namespace = {name}.namespace) AND (id = {name}.id) AND (key = {name}.key))");
    let span = "((namespace = $1) AND (id = $2) AND (key >= $5))".to_owned();
    let bounded = "((namespace = $1) AND (id = $2) AND (key >= $5) AND (key < $6))".to_owned();
    let counted = "((namespace = $1) AND (id = $2) AND (key >= $4))".to_owned();
    let counted_bounded = "((namespace = $1) AND (id = $2) AND (key >= $4) AND (key < $5))".to_owned();
    for (statement, search) in [
        (write_sql::count_span(false), counted),
        (write_sql::count_span(true), counted_bounded),
        (LOOK_UP, by_key("wanted")),
        (REMOVE, by_key("gone")),
        (write_sql::insert_tombstones(false), span.clone()),
        (write_sql::insert_tombstones(true), bounded.clone()),
        (write_sql::delete_without_tombstone(false), span),
        (write_sql::delete_without_tombstone(true), bounded),
        (DROP_EXPIRED, by_key("at")),
        (EXPIRED_TO_TOMBSTONES, by_key("at")),
        (DROP_FORGOTTEN, by_key("at")),
    ] {
        assert_eq!(searches(&mut session, statement).await, [search], "{statement}");
    }
    for statement in [UPSERT, write_sql::put_unconditional()] {
        assert_eq!(searches(&mut session, statement).await, [""; 0], "{statement}");
    }
}

#[tokio::test]
async fn a_sweep_reads_only_its_indexes() {
    let test = "a_sweep_reads_only_its_indexes";
    let Some((_schema, mut session)) = session(test).await else { return };
    for (statement, index, column) in [
        (EXPIRED, "prism_items_by_expiry", "expires_at"),
        (FORGOTTEN, "prism_items_by_deletion", "deleted_at"),
    ] {
        let plan = plan(&mut session, statement, 2).await;
        assert!(plan.iter().any(|line| line.contains(&format!("Index Scan using {index}"))), "{plan:#?}");
        let search = format!("({column} <= $1)");
        assert_eq!(searches(&mut session, statement).await, [search]);
    }
}

#[tokio::test]
async fn every_index_is_used_by_a_statement() {
    let test = "every_index_is_used_by_a_statement";
    let Some((schema, mut session)) = session(test).await else { return };
    let listed = "SELECT indexname::text FROM pg_indexes WHERE schemaname = $1 AND tablename = 'prism_items' ORDER BY 1";
    let rows = session.rows(sqlx::query(listed).bind(schema.name().to_owned())).await.unwrap();
    let indexes: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    // The two of the sweep, and the primary key: the tests above show that each is used.
    assert_eq!(indexes, ["prism_items_by_deletion", "prism_items_by_expiry", "prism_items_pkey"]);
}
