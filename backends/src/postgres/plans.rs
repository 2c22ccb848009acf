//! Plans of statements, for tests.

use prism_testkit::{Backend, skips};
use sqlx::{AssertSqlSafe, Row};

use super::Options;
use super::engine::{Opened, Schema, Session, migrate, open};
use super::keyvalue::SCHEMA;

/// A session of the backend, on empty tables, whose statistics favour a sequential scan.
pub(in crate::postgres) async fn session(
    test: &str,
    schema: &'static Schema,
) -> Option<(prism_testkit::Schema, Session)> {
    if skips(Backend::Postgres, test) {
        return None;
    }
    let server = prism_testkit::Postgres::shared().await.unwrap_or_else(|error| panic!("{error}"));
    let database = server.schema().await.unwrap();
    let Opened { connector, .. } = open(&Options::new(database.url()), &SCHEMA).await.unwrap();
    let mut session = connector.open().await.unwrap();
    migrate(&mut session, schema).await.unwrap();
    Some((database, session))
}

/// The lines of a statement's generic plan.
pub(in crate::postgres) async fn plan(
    session: &mut Session,
    statement: &str,
    parameters: usize,
) -> Vec<String> {
    session.run(format!("PREPARE planned AS {statement}")).await.unwrap();
    let nulls = vec!["NULL"; parameters].join(", ");
    let explain = format!("EXPLAIN (COSTS OFF) EXECUTE planned ({nulls})");
    let rows = session.rows(sqlx::query(AssertSqlSafe(explain)).persistent(false)).await.unwrap();
    session.run("DEALLOCATE planned").await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(0).trim().to_owned()).collect()
}

/// Number of parameters of a statement, at most the number of columns.
fn parameters(statement: &str) -> usize {
    (1..=12).take_while(|number| statement.contains(&format!("${number}"))).count()
}

/// The index conditions of a plan. Asserts that it has no sort and no sequential scan.
pub(in crate::postgres) async fn searches(session: &mut Session, statement: &str) -> Vec<String> {
    let plan = plan(session, statement, parameters(statement)).await;
    for line in &plan {
        for bad in ["Sort", "Seq Scan", "Bitmap", "Hash Join", "Merge Join"] {
            assert!(!line.contains(bad), "{bad} in {plan:#?} of {statement}");
        }
    }
    plan.into_iter().filter_map(|line| line.strip_prefix("Index Cond: ").map(str::to_owned)).collect()
}
