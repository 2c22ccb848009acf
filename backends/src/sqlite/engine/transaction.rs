//! A write transaction: it begins with the lock and ends with the disk.

use sqlx::SqliteConnection;

/// A transaction that holds SQLite's write lock: what it reads stays so until it ends, whichever process asks (LIN-1).
pub(in crate::sqlite) struct Transaction {
    pub(in crate::sqlite) connection: SqliteConnection,
    /// The number of the write without a bound that ran last.
    pub(in crate::sqlite) unbounded: usize,
}

impl Transaction {
    /// Waits for the write lock, as long as the connection's busy timeout. On failure the connection is given up.
    pub(in crate::sqlite) async fn begin(mut connection: SqliteConnection) -> Result<Self, sqlx::Error> {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await?;
        Ok(Self::of(connection))
    }

    /// One that may have been begun on this connection.
    pub(in crate::sqlite) fn of(connection: SqliteConnection) -> Self {
        Self { connection, unbounded: 0 }
    }

    /// Makes it durable, and gives the connection back. On failure the connection is given up, and SQLite rolls back.
    pub(in crate::sqlite) async fn commit(mut self) -> Result<SqliteConnection, sqlx::Error> {
        sqlx::query("COMMIT").execute(&mut self.connection).await?;
        Ok(self.connection)
    }

    /// Takes everything back; answers the connection if it is fit for more.
    pub(in crate::sqlite) async fn roll_back(mut self) -> Option<SqliteConnection> {
        if sqlx::query("ROLLBACK").execute(&mut self.connection).await.is_ok() {
            return Some(self.connection);
        }
        // SQLite may have rolled back by itself, as it does when a statement is interrupted, and then refuses to do it again.
        // That a transaction can be begun shows that none is open.
        for statement in ["BEGIN", "ROLLBACK"] {
            sqlx::query(statement).execute(&mut self.connection).await.ok()?;
        }
        Some(self.connection)
    }
}
