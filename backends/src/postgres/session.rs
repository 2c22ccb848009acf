//! A connection to Postgres with the settings that every statement here relies on, and a bound on every wait for it.

use std::fmt::Write;
use std::time::Duration;

use futures::TryStreamExt;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgQueryResult, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use tokio::time::{Instant, timeout};

use super::Options;
use super::error::silence;

/// A statement and its parameters.
pub(super) type Query = sqlx::query::Query<'static, sqlx::Postgres, PgArguments>;

/// After this much rest a connection is asked whether it is still there before it is relied on.
const RESTED: Duration = Duration::from_secs(1);
/// How much longer than its own timeouts the server is waited for, before its silence counts as an outage.
const GRACE: Duration = Duration::from_secs(1);

/// How sessions are opened.
#[derive(Clone)]
pub(super) struct Connector {
    options: PgConnectOptions,
    settings: String,
    connect_timeout: Duration,
    /// Longest wait for one statement.
    patience: Duration,
}

impl Connector {
    pub(super) fn new(connect: PgConnectOptions, options: &Options) -> Self {
        let settings = settings(options.statement_timeout, options.lock_timeout);
        Self {
            // Formatting statements for a log costs time that each request would pay.
            options: connect.disable_statement_logging(),
            settings,
            connect_timeout: options.connect_timeout,
            patience: options.statement_timeout.saturating_add(GRACE),
        }
    }

    /// Opens a session.
    pub(super) async fn open(&self) -> Result<Session, sqlx::Error> {
        let opening = async {
            let mut connection = self.options.connect().await?;
            connection.execute(sqlx::raw_sql(AssertSqlSafe(self.settings.clone()))).await?;
            Ok(connection)
        };
        let connection = timeout(self.connect_timeout, opening).await.unwrap_or_else(|_| Err(silence()))?;
        Ok(Session { connection, patience: self.patience, used: Instant::now() })
    }

    /// The host, port, user and database that sessions are for.
    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.options
    }
}

/// What a session is told once.
///
/// - Each statement here is a walk along an index, and stays one whatever the statistics say: of a table that was empty
///   when a plan was made, or one that grew since.
/// - A statement sees what was committed before it began. The locks rely on that: a statement after a lock sees what its
///   last holder wrote.
/// - A commit that is acknowledged is on disk (DUR-4); what an operator set beyond that, such as `remote_apply`, stays.
fn settings(statement_timeout: Duration, lock_timeout: Duration) -> String {
    let mut text = String::new();
    for (name, value) in [
        ("plan_cache_mode", "force_generic_plan".to_owned()),
        ("enable_seqscan", "off".to_owned()),
        ("enable_bitmapscan", "off".to_owned()),
        ("enable_hashjoin", "off".to_owned()),
        ("enable_mergejoin", "off".to_owned()),
        ("jit", "off".to_owned()),
        ("default_transaction_isolation", "'read committed'".to_owned()),
        ("statement_timeout", millis(statement_timeout)),
        ("lock_timeout", millis(lock_timeout)),
        // A transaction here never waits for a client: one that rests belongs to a gateway that hangs, and its locks are
        // wanted by others.
        ("idle_in_transaction_session_timeout", millis(statement_timeout)),
    ] {
        let _ = write!(text, "SET {name} = {value}; ");
    }
    text.push_str(
        "SELECT set_config('synchronous_commit', 'on', false) \
         WHERE current_setting('synchronous_commit') = 'off'",
    );
    text
}

/// Whole milliseconds, at least 1: 0 would mean no timeout.
fn millis(time: Duration) -> String {
    time.as_millis().max(1).to_string()
}

/// A connection that is nobody else's. No wait for it is without end: a server that is silent is away.
pub(super) struct Session {
    connection: PgConnection,
    patience: Duration,
    used: Instant,
}

impl Session {
    /// Runs statements without parameters, and answers how many rows the last changed.
    pub(super) async fn run(&mut self, text: impl Into<String>) -> Result<(), sqlx::Error> {
        let text = sqlx::raw_sql(AssertSqlSafe(text.into()));
        let ran = timeout(self.patience, self.connection.execute(text)).await;
        self.used = Instant::now();
        ran.unwrap_or_else(|_| Err(silence())).map(drop)
    }

    /// Runs a statement, and answers how many rows it changed.
    pub(super) async fn execute(&mut self, query: Query) -> Result<u64, sqlx::Error> {
        let ran = timeout(self.patience, query.execute(&mut self.connection)).await;
        self.used = Instant::now();
        ran.unwrap_or_else(|_| Err(silence())).map(|done: PgQueryResult| done.rows_affected())
    }

    /// Runs a statement, and answers its rows.
    pub(super) async fn rows(&mut self, query: Query) -> Result<Vec<PgRow>, sqlx::Error> {
        let ran = timeout(self.patience, query.fetch_all(&mut self.connection)).await;
        self.used = Instant::now();
        ran.unwrap_or_else(|_| Err(silence()))
    }

    /// Runs a statement, and hands over its rows as they come, so that they are not all held at once.
    pub(super) async fn each(
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
        let taken = timeout(self.patience, taking).await;
        self.used = Instant::now();
        taken.unwrap_or_else(|_| Err(silence()))
    }

    /// The only row of a statement.
    pub(super) async fn row(&mut self, query: Query) -> Result<PgRow, sqlx::Error> {
        self.rows(query).await?.pop().ok_or(sqlx::Error::RowNotFound)
    }

    /// Waits until what was left unfinished on the connection has ended.
    pub(super) async fn settle(&mut self) -> Result<(), sqlx::Error> {
        let settled = timeout(self.patience, self.connection.ping()).await;
        self.used = Instant::now();
        settled.unwrap_or_else(|_| Err(silence()))
    }

    /// Whether the session can be relied on: one that has rested is asked.
    pub(super) async fn is_awake(&mut self) -> bool {
        self.used.elapsed() < RESTED || self.settle().await.is_ok()
    }

    /// Says goodbye.
    pub(super) async fn close(self) {
        // Whatever was to be kept has been committed.
        let _ = timeout(self.patience, self.connection.close()).await;
    }
}
