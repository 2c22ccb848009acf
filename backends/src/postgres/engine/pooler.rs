//! Detects a pooler that changes the server connection between transactions, as PgBouncer does with `pool_mode =
//! transaction`: with it, settings and prepared statements do not belong to a session.
//!
//! Detection is by the pid of the server process. A session keeps its process; behind such a pooler, two alternating
//! connections are served by the same process, or one of them by changing processes. Other clients of the pooler can hide
//! that from a single query, so several are run, some within overlapping transactions.

use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

/// Number of rounds of queries.
const ROUNDS: usize = 3;

/// Whether these two connections do not each keep one server connection. No other task uses them.
pub(in crate::postgres) async fn is_shared(
    one: &mut PgConnection,
    other: &mut PgConnection,
) -> Result<bool, sqlx::Error> {
    let (first, again, second) =
        (process(one, "").await?, process(one, "").await?, process(other, "").await?);
    if first != again || first == second {
        return Ok(true);
    }
    for _ in 0..ROUNDS {
        // Both hold a server connection, and release it in the order in which they took it.
        let within = (process(one, "BEGIN; ").await?, process(other, "BEGIN; ").await?);
        one.execute("COMMIT").await?;
        other.execute("COMMIT").await?;
        let after = (process(one, "").await?, process(other, "").await?);
        if within != (first, second) || after != (first, second) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The server process of a connection. No statement is prepared.
async fn process(connection: &mut PgConnection, before: &str) -> Result<i32, sqlx::Error> {
    let statements = format!("{before}SELECT pg_backend_pid()");
    let rows = connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(statements))).await?;
    rows.last().ok_or(sqlx::Error::RowNotFound)?.try_get(0)
}
