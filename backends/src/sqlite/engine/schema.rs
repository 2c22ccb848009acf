//! The schema: its migrations, embedded in the binary, and how a file is migrated.
//!
//! `PRAGMA application_id` marks a database as Prism's, and `PRAGMA user_version` is the number of applied migrations. Both
//! are in the file's header, so they can be read before anything is changed, and they change in the same transaction as the
//! tables.

use sqlx::{AssertSqlSafe, Executor, SqliteConnection};

use super::settings::number;

/// `Prsm` in ASCII: marks a SQLite file as one of Prism's.
const APPLICATION_ID: i64 = 0x5072_736d;

/// The schema of an abstraction.
#[derive(Debug, Clone, Copy)]
pub(in crate::sqlite) struct Schema {
    /// Its migrations in order; the first takes an empty file to version 1.
    pub(in crate::sqlite) migrations: &'static [&'static str],
    /// A statement that writes without a visible change.
    pub(in crate::sqlite) touch: &'static str,
    /// A statement that reads a number from a row.
    pub(in crate::sqlite) read: &'static str,
}

impl Schema {
    /// Its version: the number of its migrations.
    #[expect(clippy::cast_possible_wrap, reason = "there are a handful of migrations")]
    pub(in crate::sqlite) const fn version(&self) -> i64 {
        self.migrations.len() as i64
    }
}

/// The kind of a file, determined without changing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sqlite) enum Found {
    /// No tables, no marks: a new file.
    Empty,
    /// Prism's, with a version up to the schema's.
    Prism { version: i64 },
    /// Prism's, with a later version.
    Newer { version: i64 },
    /// Another application's.
    Foreign,
}

/// Determines the kind of a database, in one snapshot: another process may be creating it.
pub(in crate::sqlite) async fn inspect(
    connection: &mut SqliteConnection,
    schema: &'static Schema,
) -> Result<Found, sqlx::Error> {
    connection.execute("BEGIN").await?;
    let found = find(connection, schema).await;
    connection.execute("ROLLBACK").await?;
    found
}

/// Determines the kind of a database within a transaction.
async fn find(connection: &mut SqliteConnection, schema: &'static Schema) -> Result<Found, sqlx::Error> {
    let application = number(connection, "PRAGMA application_id").await?;
    let version = number(connection, "PRAGMA user_version").await?;
    let tables = number(connection, "SELECT count(*) FROM sqlite_schema").await?;
    Ok(match (application, version) {
        (0, 0) if tables == 0 => Found::Empty,
        (APPLICATION_ID, 1..) if version <= schema.version() => Found::Prism { version },
        (APPLICATION_ID, 1..) => Found::Newer { version },
        _ => Found::Foreign,
    })
}

/// Applies the missing migrations, all or none, and returns the kind of the file before. If two processes do this at the
/// same time, the second waits for the first and finds nothing to do. A file of Prism's is written to in any case, which
/// shows whether it is writable.
pub(in crate::sqlite) async fn migrate(
    connection: &mut SqliteConnection,
    schema: &'static Schema,
) -> Result<Found, sqlx::Error> {
    connection.execute("BEGIN IMMEDIATE").await?;
    let found = match find(connection, schema).await {
        Ok(found) => apply(connection, schema, found).await.map(|()| found),
        Err(error) => Err(error),
    };
    let end = if found.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = connection.execute(end).await;
    let found = found?;
    ended?;
    Ok(found)
}

async fn apply(
    connection: &mut SqliteConnection,
    schema: &'static Schema,
    found: Found,
) -> Result<(), sqlx::Error> {
    let done = match found {
        Found::Empty => 0,
        Found::Prism { version } => version,
        Found::Newer { .. } | Found::Foreign => return Ok(()),
    };
    let missing =
        usize::try_from(done).ok().and_then(|done| schema.migrations.get(done..)).unwrap_or_default();
    if missing.is_empty() {
        // On a read-only file SQLite allows even BEGIN IMMEDIATE, and refuses only a change.
        connection.execute(schema.touch).await?;
        return Ok(());
    }
    for migration in missing {
        connection.execute(sqlx::raw_sql(*migration)).await?;
    }
    // A PRAGMA takes no parameters; both numbers are constants.
    let version = schema.version();
    let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(marks))).await?;
    Ok(())
}
