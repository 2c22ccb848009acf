//! A Postgres schema of a test's own.

use prism_backends::Postgres;
use prism_backends::postgres::Options;
use prism_testkit::{Backend, Schema, skips};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};

/// A schema that goes in the end.
pub(crate) struct Place {
    schema: Schema,
}

impl Place {
    /// A fresh schema; `None`, with a word of it, where `PRISM_TEST_BACKENDS` leaves Postgres out.
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

    /// A connection that knows nothing of Prism.
    pub(crate) async fn stranger(&self) -> PgConnection {
        PgConnection::connect(self.url()).await.expect("a plain connection")
    }

    /// How many wait for this place's table, or for a row of it.
    pub(crate) async fn waiting(&self) -> i64 {
        let waiting = "SELECT count(DISTINCT pid) FROM pg_locks AS held JOIN pg_locks AS wanted USING (pid) \
                       WHERE held.relation = 'prism_items'::regclass AND NOT wanted.granted";
        self.stranger().await.fetch_one(waiting).await.expect("the locks are told").get(0)
    }

    /// How many wait for another's transaction to end, for a row that it holds.
    pub(crate) async fn waiting_for_rows(&self) -> i64 {
        let waiting = "SELECT count(DISTINCT pid) FROM pg_locks AS held JOIN pg_locks AS wanted USING (pid) \
                       WHERE held.relation = 'prism_items'::regclass AND wanted.locktype IN ('transactionid', 'tuple') \
                       AND NOT wanted.granted";
        self.stranger().await.fetch_one(waiting).await.expect("the locks are told").get(0)
    }

    /// Has a stranger run statements.
    pub(crate) async fn run(&self, statements: &str) {
        let statements = sqlx::raw_sql(AssertSqlSafe(statements.to_owned()));
        self.stranger().await.execute(statements).await.expect("the statements run");
    }
}

/// The place of a test, or the end of it.
macro_rules! place {
    ($test:literal) => {
        match $crate::place::Place::new($test).await {
            Some(place) => place,
            None => return,
        }
    };
}

pub(crate) use place;
