//! The database's settings, as it reports them (DUR-4).

use std::fmt;

use sqlx::{Row, SqliteConnection};

/// The settings that durability depends on, as SQLite reports them for the write connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// SQLite's version, such as `3.51.3`.
    pub sqlite_version: String,
    /// The schema's version.
    pub schema_version: i64,
    /// The journal mode; `wal` is expected.
    pub journal_mode: String,
    /// How strictly SQLite syncs to disk: `OFF`, `NORMAL`, `FULL` or `EXTRA`.
    pub synchronous: &'static str,
}

impl Settings {
    /// Whether an acknowledged write survives a power failure, if the disk honours syncs: the WAL is synced at each commit.
    pub fn are_durable(&self) -> bool {
        self.journal_mode == "wal" && matches!(self.synchronous, "FULL" | "EXTRA")
    }

    /// Queries a connection.
    pub(in crate::sqlite) async fn of(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let sqlite_version = text(connection, "SELECT sqlite_version()").await?;
        let schema_version = number(connection, "PRAGMA user_version").await?;
        let journal_mode = text(connection, "PRAGMA journal_mode").await?;
        let synchronous = match number(connection, "PRAGMA synchronous").await? {
            0 => "OFF",
            1 => "NORMAL",
            2 => "FULL",
            3 => "EXTRA",
            _ => "unknown",
        };
        Ok(Self { sqlite_version, schema_version, journal_mode, synchronous })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sqlite_version, schema_version, journal_mode, synchronous } = self;
        write!(
            f,
            "SQLite {sqlite_version}, schema {schema_version}, journal_mode={journal_mode}, \
             synchronous={synchronous}"
        )
    }
}

/// The single number returned by a statement.
pub(in crate::sqlite) async fn number(
    connection: &mut SqliteConnection,
    sql: &'static str,
) -> Result<i64, sqlx::Error> {
    sqlx::query(sql).fetch_one(connection).await?.try_get(0)
}

/// The single text returned by a statement.
pub(in crate::sqlite) async fn text(
    connection: &mut SqliteConnection,
    sql: &'static str,
) -> Result<String, sqlx::Error> {
    sqlx::query(sql).fetch_one(connection).await?.try_get(0)
}
