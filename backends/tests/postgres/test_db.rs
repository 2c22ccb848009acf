//! A Postgres schema per test.

use prism_backends::Postgres;
use prism_backends::postgres::Options;
use prism_testkit::{Backend, Schema, skips};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

/// A schema that is dropped at the end.
pub(crate) struct TestDb {
    schema: Schema,
}

impl TestDb {
    /// A new schema; `None`, with a message, if `PRISM_TEST_BACKENDS` excludes Postgres.
    pub(crate) async fn new(test: &str) -> Option<Self> {
        if skips(Backend::Postgres, test) {
            return None;
        }
        let server = prism_testkit::Postgres::shared().await.unwrap_or_else(|error| panic!("{error}"));
        Some(Self { schema: server.schema().await.unwrap_or_else(|error| panic!("{error}")) })
    }

    pub(crate) fn url(&self) -> &str {
        self.schema.url()
    }

    pub(crate) fn options(&self) -> Options {
        Options::new(self.url())
    }

    pub(crate) async fn open(&self) -> Postgres {
        Postgres::open(self.options()).await.expect("the database opens")
    }

    /// A connection of another application.
    pub(crate) async fn other_client(&self) -> PgConnection {
        PgConnection::connect(self.url()).await.expect("a connection")
    }

    /// Number of sessions that wait for the schema's table, or for a row of it.
    pub(crate) async fn waiting(&self) -> i64 {
        let waiting = "SELECT count(DISTINCT pid) FROM pg_locks AS held JOIN pg_locks AS wanted USING (pid) \
                       WHERE held.relation = 'prism_items'::regclass AND NOT wanted.granted";
        self.other_client().await.fetch_one(waiting).await.expect("the locks are listed").get(0)
    }

    /// Number of sessions that wait for a row lock of another transaction.
    pub(crate) async fn waiting_for_rows(&self) -> i64 {
        let waiting = "SELECT count(DISTINCT pid) FROM pg_locks AS held JOIN pg_locks AS wanted USING (pid) \
                       WHERE held.relation = 'prism_items'::regclass AND wanted.locktype IN ('transactionid', 'tuple') \
                       AND NOT wanted.granted";
        self.other_client().await.fetch_one(waiting).await.expect("the locks are listed").get(0)
    }

    /// Number of sessions that wait for another transaction, and hold a lock on the table of events.
    pub(crate) async fn waiting_for_events(&self) -> i64 {
        self.waiting_with("prism_ts_events").await
    }

    /// Number of sessions that wait for another transaction, and hold a lock on the table of partitions and not yet on that
    /// of events.
    pub(crate) async fn waiting_for_partitions(&self) -> i64 {
        self.waiting_with("prism_ts_partitions").await - self.waiting_for_events().await
    }

    async fn waiting_with(&self, table: &'static str) -> i64 {
        let waiting = "SELECT count(DISTINCT pid) FROM pg_locks AS held JOIN pg_locks AS wanted USING (pid) \
                       WHERE held.relation = to_regclass($1) AND wanted.locktype IN ('transactionid', 'tuple') \
                       AND NOT wanted.granted";
        let row = sqlx::query(waiting).bind(table).fetch_one(&mut self.other_client().await).await;
        row.expect("the locks are listed").get(0)
    }

    /// Runs statements on another application's connection.
    pub(crate) async fn run(&self, statements: &str) {
        let statements = sqlx::raw_sql(AssertSqlSafe(statements.to_owned()));
        self.other_client().await.execute(statements).await.expect("the statements run");
    }
}

/// A test's schema; returns from the test if Postgres is excluded.
macro_rules! test_db {
    ($test:literal) => {
        match $crate::test_db::TestDb::new($test).await {
            Some(db) => db,
            None => return,
        }
    };
}

pub(crate) use test_db;
