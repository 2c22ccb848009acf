//! A write transaction: it begins with the write lock and ends with a sync to disk.

use sqlx::SqliteConnection;
use tracing::Instrument;

use super::statement_span;

/// A transaction that holds SQLite's write lock: no process can change what it has read until it ends (LIN-1).
pub(in crate::sqlite) struct Transaction {
    pub(in crate::sqlite) connection: SqliteConnection,
    /// The index of the last unbounded write.
    pub(in crate::sqlite) unbounded: usize,
}

impl Transaction {
    /// Waits for the write lock, for at most the connection's busy timeout. On failure the connection is dropped.
    pub(in crate::sqlite) async fn begin(mut connection: SqliteConnection) -> Result<Self, sqlx::Error> {
        let begin = sqlx::query("BEGIN IMMEDIATE").execute(&mut connection);
        begin.instrument(statement_span("BEGIN")).await?;
        Ok(Self::of(connection))
    }

    /// A transaction that may be open on this connection.
    pub(in crate::sqlite) fn of(connection: SqliteConnection) -> Self {
        Self { connection, unbounded: 0 }
    }

    /// Commits, and returns the connection. On failure the connection is dropped, and SQLite rolls back.
    pub(in crate::sqlite) async fn commit(mut self) -> Result<SqliteConnection, sqlx::Error> {
        let commit = sqlx::query("COMMIT").execute(&mut self.connection);
        commit.instrument(statement_span("COMMIT")).await?;
        Ok(self.connection)
    }

    /// Rolls back; returns the connection if it is still usable.
    pub(in crate::sqlite) async fn roll_back(mut self) -> Option<SqliteConnection> {
        if sqlx::query("ROLLBACK").execute(&mut self.connection).await.is_ok() {
            return Some(self.connection);
        }
        // SQLite may have rolled back by itself, as after an interrupted statement, and then refuses another ROLLBACK. A
        // BEGIN that succeeds shows that no transaction is open.
        for statement in ["BEGIN", "ROLLBACK"] {
            sqlx::query(statement).execute(&mut self.connection).await.ok()?;
        }
        Some(self.connection)
    }
}
