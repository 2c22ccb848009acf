//! A connection to Postgres with the settings that every statement relies on, and a timeout for every wait.

use std::time::Duration;

use futures::TryStreamExt;
use sqlx::postgres::{PgArguments, PgQueryResult, PgRow};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::time::{Instant, timeout};
use tracing::{Instrument, Span};

use super::connector::Registration;
use super::error::{is_broken, no_response};
use crate::trace;

/// A statement and its parameters.
pub(in crate::postgres) type Query = sqlx::query::Query<'static, sqlx::Postgres, PgArguments>;

/// A connection that was idle for longer is pinged before use.
const PING_AFTER: Duration = Duration::from_secs(1);
/// Timeout of that ping: a new connection is made quickly, and a request waits meanwhile.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection, acquired by one request at a time. Every wait has a timeout: a server that does not respond is unavailable.
pub(in crate::postgres) struct Session {
    connection: PgConnection,
    registration: Registration,
    time_limit: Duration,
    used: Instant,
    /// Whether a statement ended in a way that makes the connection unusable.
    broken: bool,
}

impl Session {
    pub(in crate::postgres) fn new(
        connection: PgConnection,
        registration: Registration,
        time_limit: Duration,
    ) -> Self {
        Self { connection, registration, time_limit, used: Instant::now(), broken: false }
    }

    /// Runs statements without parameters.
    pub(in crate::postgres) async fn run(
        &mut self,
        statements: impl Into<String>,
    ) -> Result<(), sqlx::Error> {
        let statements = statements.into();
        let span = statement_span(keyword(&statements));
        let statements = sqlx::raw_sql(AssertSqlSafe(statements));
        let ran = timeout(self.time_limit, self.connection.execute(statements)).instrument(span).await;
        self.ended(ran.unwrap_or_else(|_| Err(no_response()))).map(drop)
    }

    /// Runs a statement; returns the number of rows changed.
    pub(in crate::postgres) async fn execute(&mut self, query: Query) -> Result<u64, sqlx::Error> {
        let ran = timeout(self.time_limit, query.execute(&mut self.connection))
            .instrument(statement_span("execute"))
            .await;
        self.ended(ran.unwrap_or_else(|_| Err(no_response()))).map(|done: PgQueryResult| done.rows_affected())
    }

    /// Runs a statement; returns its rows.
    pub(in crate::postgres) async fn rows(&mut self, query: Query) -> Result<Vec<PgRow>, sqlx::Error> {
        let ran = timeout(self.time_limit, query.fetch_all(&mut self.connection))
            .instrument(statement_span("query"))
            .await;
        self.ended(ran.unwrap_or_else(|_| Err(no_response())))
    }

    /// Runs a statement, and passes each row to `take` as it arrives, so that they are not all held at once.
    pub(in crate::postgres) async fn each(
        &mut self,
        query: Query,
        mut take: impl FnMut(&PgRow) -> Result<(), sqlx::Error>,
    ) -> Result<(), sqlx::Error> {
        let taking = async {
            let mut rows = query.fetch(&mut self.connection);
            while let Some(row) = rows.try_next().await? {
                take(&row)?;
            }
            Ok(())
        };
        let taken = timeout(self.time_limit, taking).instrument(statement_span("query")).await;
        self.ended(taken.unwrap_or_else(|_| Err(no_response())))
    }

    /// The only row of a statement.
    pub(in crate::postgres) async fn row(&mut self, query: Query) -> Result<PgRow, sqlx::Error> {
        self.rows(query).await?.pop().ok_or(sqlx::Error::RowNotFound)
    }

    /// Waits until a statement that was abandoned on the connection has ended.
    pub(in crate::postgres) async fn settle(&mut self) -> Result<(), sqlx::Error> {
        self.ping(self.time_limit).await
    }

    /// Whether the connection responds; it is pinged if it was idle.
    pub(in crate::postgres) async fn is_responsive(&mut self) -> bool {
        self.used.elapsed() < PING_AFTER || self.ping(PING_TIMEOUT.min(self.time_limit)).await.is_ok()
    }

    /// Whether the session may be used again: it is not broken, and of the current generation.
    pub(in crate::postgres) fn is_usable(&self) -> bool {
        !self.broken && self.registration.is_current()
    }

    /// Drops this session, and invalidates those opened before it or with it: if one broke or is read-only, so are the
    /// others.
    pub(in crate::postgres) fn invalidate(self) {
        self.registration.invalidate();
    }

    /// Marks the beginning of a write. If the session is dropped before [`end_write`](Self::end_write), its server process
    /// is terminated before any other write of this backend begins.
    pub(in crate::postgres) fn begin_write(&mut self) {
        self.registration.set_writing(true);
    }

    /// Marks the end of the write, whatever its outcome.
    pub(in crate::postgres) fn end_write(&mut self) {
        self.registration.set_writing(self.broken);
    }

    /// Closes the connection cleanly.
    pub(in crate::postgres) async fn close(self) {
        let Self { connection, registration, time_limit, .. } = self;
        // Everything of value has been committed.
        let _ = timeout(time_limit, connection.close()).await;
        drop(registration);
    }

    async fn ping(&mut self, time_limit: Duration) -> Result<(), sqlx::Error> {
        let answered = timeout(time_limit, self.connection.ping()).await;
        self.ended(answered.unwrap_or_else(|_| Err(no_response())))
    }

    /// Records the end of a statement.
    fn ended<T>(&mut self, ended: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        self.used = Instant::now();
        self.broken |= ended.as_ref().is_err_and(is_broken);
        ended
    }
}

/// The first word of statements, which may have lock ids behind it.
fn keyword(statements: &str) -> &str {
    statements.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default()
}

/// The span of a statement, if its call or batch is traced: `query` if it returns rows, which a write may too.
fn statement_span(operation: &str) -> Span {
    trace::statement_span("postgresql", operation)
}
