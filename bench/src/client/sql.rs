//! Direct database clients: one connection each, one prepared statement per call.

use bytes::Bytes;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use super::{CallFailure, KEY, NAMESPACE, id_of};
use crate::failure::Failure;

/// The direct clients' table, for SQLite; for Postgres replace `blob` with `bytea`.
pub const TABLE: &str = "CREATE TABLE IF NOT EXISTS prism_bench (namespace blob NOT NULL, id blob NOT NULL, \
    key blob NOT NULL, value blob NOT NULL, PRIMARY KEY (namespace, id, key))";
const UPSERT: &str = "INSERT INTO prism_bench (namespace, id, key, value) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (namespace, id, key) DO UPDATE SET value = excluded.value";
const SELECT: &str = "SELECT value FROM prism_bench WHERE namespace = $1 AND id = $2 AND key = $3";

/// A client of Postgres.
#[derive(Debug)]
pub struct Postgres(PgConnection);

/// A client of SQLite.
#[derive(Debug)]
pub struct Sqlite(SqliteConnection);

impl Postgres {
    /// Connects.
    ///
    /// # Errors
    /// The server is unreachable, or at its connection limit.
    pub async fn connect(url: &str) -> Result<Self, Failure> {
        PgConnection::connect(url).await.map(Self).map_err(|why| Failure::of("postgres", &why))
    }

    pub(super) async fn put(&mut self, record: u64, value: &[u8]) -> Result<(), CallFailure> {
        let id = id_of(record);
        let query = sqlx::query(UPSERT).bind(NAMESPACE.as_bytes()).bind(id.as_bytes()).bind(KEY).bind(value);
        query.execute(&mut self.0).await.map(|_| ()).map_err(|why| failed(&why))
    }

    pub(super) async fn get(&mut self, record: u64) -> Result<Option<Bytes>, CallFailure> {
        let id = id_of(record);
        let query = sqlx::query_scalar(SELECT).bind(NAMESPACE.as_bytes()).bind(id.as_bytes()).bind(KEY);
        let value: Result<Option<Vec<u8>>, _> = query.fetch_optional(&mut self.0).await;
        value.map(|value| value.map(Bytes::from)).map_err(|why| failed(&why))
    }
}

impl Sqlite {
    /// A client on an open connection.
    pub fn new(connection: SqliteConnection) -> Self {
        Self(connection)
    }

    /// Executes a statement that begins or ends a transaction: preloading then syncs once per transaction.
    ///
    /// # Errors
    /// See [`CallFailure`].
    pub async fn execute(&mut self, statement: &'static str) -> Result<(), CallFailure> {
        sqlx::query(statement).execute(&mut self.0).await.map(|_| ()).map_err(|why| failed(&why))
    }

    pub(super) async fn put(&mut self, record: u64, value: &[u8]) -> Result<(), CallFailure> {
        let id = id_of(record);
        let query = sqlx::query(UPSERT).bind(NAMESPACE.as_bytes()).bind(id.as_bytes()).bind(KEY).bind(value);
        query.execute(&mut self.0).await.map(|_| ()).map_err(|why| failed(&why))
    }

    pub(super) async fn get(&mut self, record: u64) -> Result<Option<Bytes>, CallFailure> {
        let id = id_of(record);
        let query = sqlx::query_scalar(SELECT).bind(NAMESPACE.as_bytes()).bind(id.as_bytes()).bind(KEY);
        let value: Result<Option<Vec<u8>>, _> = query.fetch_optional(&mut self.0).await;
        value.map(|value| value.map(Bytes::from)).map_err(|why| failed(&why))
    }
}

fn failed(why: &sqlx::Error) -> CallFailure {
    CallFailure::Error(why.to_string())
}
