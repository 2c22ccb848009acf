//! Whether a pooler stands on the way that changes the server connection between transactions, as PgBouncer does with
//! `pool_mode = transaction`: there neither settings nor prepared statements are a session's own.
//!
//! The number of the server process tells. A session keeps its process; behind such a pooler two connections that are asked in
//! turn are served by the same process, or one of them by another than before. Other clients of the pooler can hide that from
//! a single question, so several are asked, some within transactions that overlap.

use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

/// How often the questions are asked.
const ROUNDS: usize = 3;

/// Whether these two connections, which only this session uses, do not keep a server connection each.
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
        // Both hold a server connection, and let go of it in the order in which they took it.
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

/// The process that serves a connection now. No statement is prepared.
async fn process(connection: &mut PgConnection, before: &str) -> Result<i32, sqlx::Error> {
    let text = format!("{before}SELECT pg_backend_pid()");
    let rows = connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(text))).await?;
    rows.last().ok_or(sqlx::Error::RowNotFound)?.try_get(0)
}
