//! The plan of each statement: it reads by an index what it returns, and no more.

use super::SCHEMA;
use super::delete::DELETE;
use super::expire::{PARTITION, REMOVE_SERIES, VISIT};
use super::read_sql::QueryForm::{Counted, Short};
use super::read_sql::{self, LIST_SERIES};
use super::tails::GROWN;
use super::write_sql::{
    CREATE_NAMESPACES, CREATE_SERIES, DRAW, INSERT, LOCK_SWEPT, LOOK_UP, NAMESPACES, REMOVE, SERIES,
    SET_SWEPT,
};
use crate::postgres::plans::{plan, session};

/// Every statement.
fn statements() -> Vec<&'static str> {
    let written = [NAMESPACES, CREATE_NAMESPACES, DRAW, SERIES, CREATE_SERIES, LOOK_UP, INSERT, REMOVE];
    let swept = [LOCK_SWEPT, SET_SWEPT, PARTITION, VISIT, REMOVE_SERIES, DELETE];
    let read = [
        read_sql::query(false, Counted),
        read_sql::query(true, Counted),
        read_sql::query(false, Short),
        read_sql::query(true, Short),
        read_sql::tail_of_series(),
        read_sql::tail_of_namespace(),
    ];
    let other =
        [read_sql::end_of_series(), read_sql::ends_of_namespace(), read_sql::histogram(), LIST_SERIES, GROWN];
    [&written[..], &swept, &read, &other].concat()
}

fn parameters(statement: &str) -> usize {
    (1..=13).take_while(|number| statement.contains(&format!("${number}"))).count()
}

#[tokio::test]
async fn every_statement_finds_its_rows_by_an_index() {
    let Some((_schema, mut session)) = session("every_statement_finds_its_rows_by_an_index", &SCHEMA).await
    else {
        return;
    };
    for statement in statements() {
        let plan = plan(&mut session, statement, parameters(statement)).await;
        for line in &plan {
            for bad in ["Seq Scan", "Bitmap", "Hash Join", "Merge Join"] {
                assert!(!line.contains(bad), "{bad} in {plan:#?} of {statement}");
            }
        }
    }
}

#[tokio::test]
async fn every_page_is_read_in_the_order_of_its_index() {
    let Some((_schema, mut session)) = session("every_page_is_read_in_the_order_of_its_index", &SCHEMA).await
    else {
        return;
    };
    let by_time =
        ["(series = s.id) AND (ROW(\"time\", id) > ROW($5, $6)) AND (\"time\" < $7)", "prism_ts_events_pkey"];
    let by_time_reverse = [
        "(series = s.id) AND (ROW(\"time\", id) < ROW($5, $6)) AND (\"time\" >= $7)",
        "Backward using prism_ts_events_pkey",
    ];
    for (statement, expected, sorts) in [
        (read_sql::query(false, Counted), by_time, 0),
        (read_sql::query(true, Counted), by_time_reverse, 0),
        (read_sql::query(false, Short), by_time, 0),
        (read_sql::query(true, Short), by_time_reverse, 0),
        (
            read_sql::tail_of_series(),
            ["(series = s.id) AND (\"position\" > $4)", "prism_ts_events_by_series"],
            0,
        ),
        // Of the ends, and of the few rows of all partitions.
        (
            read_sql::tail_of_namespace(),
            ["(partition = head_1.partition) AND (\"position\" > ", "prism_ts_events_by_partition"],
            2,
        ),
        (VISIT, ["(series = s.id) AND (\"time\" <= $3)", "prism_ts_events_pkey"], 0),
        (
            LIST_SERIES,
            ["(namespace = n.id) AND (name >= $2) AND (name < $3) AND (name > $4)", "prism_ts_series"],
            0,
        ),
    ] {
        let plan = plan(&mut session, statement, parameters(statement)).await;
        for part in expected {
            assert!(plan.iter().any(|line| line.contains(part)), "no {part} in {plan:#?} of {statement}");
        }
        let sorted = plan.iter().filter(|line| line.contains("Sort") && !line.contains("Sort Key")).count();
        assert!(sorted <= sorts, "{plan:#?} of {statement}");
    }
}
