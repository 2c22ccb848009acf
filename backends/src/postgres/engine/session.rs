//! A connection to Postgres with the settings that every statement here relies on, and a bound on every wait for it.

use std::time::Duration;

use futures::TryStreamExt;
use sqlx::postgres::{PgArguments, PgQueryResult, PgRow};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::time::{Instant, timeout};

use super::connector::Registration;
use super::error::{is_broken, silence};

/// A statement and its parameters.
pub(in crate::postgres) type Query = sqlx::query::Query<'static, sqlx::Postgres, PgArguments>;

/// After this much rest a connection is asked whether it is still there before it is relied on.
const RESTED: Duration = Duration::from_secs(1);
/// How long a connection that has rested has to answer. A new one is soon made, and a request waits meanwhile.
const AWAKENING: Duration = Duration::from_secs(1);

/// A connection that one request at a time has acquired. No wait for it is without end: a server that is silent is away.
pub(in crate::postgres) struct Session {
    connection: PgConnection,
    registration: Registration,
    time_limit: Duration,
    used: Instant,
    /// Whether a statement ended in a way that leaves the connection unfit for another one.
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
    pub(in crate::postgres) async fn run(&mut self, text: impl Into<String>) -> Result<(), sqlx::Error> {
        let text = sqlx::raw_sql(AssertSqlSafe(text.into()));
        let ran = timeout(self.time_limit, self.connection.execute(text)).await;
        self.ended(ran.unwrap_or_else(|_| Err(silence()))).map(drop)
    }

    /// Runs a statement, and answers how many rows it changed.
    pub(in crate::postgres) async fn execute(&mut self, query: Query) -> Result<u64, sqlx::Error> {
        let ran = timeout(self.time_limit, query.execute(&mut self.connection)).await;
        self.ended(ran.unwrap_or_else(|_| Err(silence()))).map(|done: PgQueryResult| done.rows_affected())
    }

    /// Runs a statement, and answers its rows.
    pub(in crate::postgres) async fn rows(&mut self, query: Query) -> Result<Vec<PgRow>, sqlx::Error> {
        let ran = timeout(self.time_limit, query.fetch_all(&mut self.connection)).await;
        self.ended(ran.unwrap_or_else(|_| Err(silence())))
    }

    /// Runs a statement, and hands over its rows as they come, so that they are not all held at once.
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
        let taken = timeout(self.time_limit, taking).await;
        self.ended(taken.unwrap_or_else(|_| Err(silence())))
    }

    /// The only row of a statement.
    pub(in crate::postgres) async fn row(&mut self, query: Query) -> Result<PgRow, sqlx::Error> {
        self.rows(query).await?.pop().ok_or(sqlx::Error::RowNotFound)
    }

    /// Waits until what was left unfinished on the connection has ended.
    pub(in crate::postgres) async fn settle(&mut self) -> Result<(), sqlx::Error> {
        self.ping(self.time_limit).await
    }

    /// Whether the connection answers: one that has rested is asked.
    pub(in crate::postgres) async fn is_awake(&mut self) -> bool {
        self.used.elapsed() < RESTED || self.ping(AWAKENING.min(self.time_limit)).await.is_ok()
    }

    /// Whether the session may be used once more: it is whole, and with the server that is meant.
    pub(in crate::postgres) fn is_fit(&self) -> bool {
        !self.broken && self.registration.is_current()
    }

    /// Gives up this session and those opened before it, or with it: where one broke or was refused a write, the others are
    /// no better.
    pub(in crate::postgres) fn give_up(self) {
        self.registration.give_up();
    }

    /// A write begins. If the session goes before [`end_write`](Self::end_write), its server process is ended before any
    /// other write of this backend begins.
    pub(in crate::postgres) fn begin_write(&mut self) {
        self.registration.set_writing(true);
    }

    /// The write has ended, whatever became of it.
    pub(in crate::postgres) fn end_write(&mut self) {
        self.registration.set_writing(self.broken);
    }

    /// Says goodbye.
    pub(in crate::postgres) async fn close(self) {
        let Self { connection, registration, time_limit, .. } = self;
        // Whatever was to be kept has been committed.
        let _ = timeout(time_limit, connection.close()).await;
        drop(registration);
    }

    async fn ping(&mut self, time_limit: Duration) -> Result<(), sqlx::Error> {
        let answered = timeout(time_limit, self.connection.ping()).await;
        self.ended(answered.unwrap_or_else(|_| Err(silence())))
    }

    /// Remembers how a statement ended.
    fn ended<T>(&mut self, ended: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        self.used = Instant::now();
        self.broken |= ended.as_ref().is_err_and(is_broken);
        ended
    }
}
