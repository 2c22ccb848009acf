//! The schema: its versions, embedded in the binary, and how a file is brought up to date.
//!
//! `PRAGMA application_id` says that a database is Prism's, and `PRAGMA user_version` how many migrations it has had. Both
//! live in the file's header, so they can be read before anything in the file is touched, and they change in the same
//! transaction as the tables.

use sqlx::{AssertSqlSafe, Executor, SqliteConnection};

use super::settings::number;

/// `Prsm` in ASCII: marks a SQLite file as one of Prism's.
const APPLICATION_ID: i64 = 0x5072_736d;

/// The schema of an abstraction.
#[derive(Debug, Clone, Copy)]
pub(in crate::sqlite) struct Schema {
    /// Its migrations in order; the first takes an empty file to version 1.
    pub(in crate::sqlite) migrations: &'static [&'static str],
    /// A statement that changes something, and nothing that anyone can see.
    pub(in crate::sqlite) touch: &'static str,
    /// A statement that reads a number of a row.
    pub(in crate::sqlite) read: &'static str,
}

impl Schema {
    /// Its version: the number of its migrations.
    #[expect(clippy::cast_possible_wrap, reason = "there are a handful of migrations")]
    pub(in crate::sqlite) const fn version(&self) -> i64 {
        self.migrations.len() as i64
    }
}

/// What a file is, told without touching it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sqlite) enum Found {
    /// No table, no marks: a new file.
    Empty,
    /// Prism's, at a version up to the schema's.
    Prism { version: i64 },
    /// Prism's, at a version this crate does not know.
    Newer { version: i64 },
    /// Another application's.
    Foreign,
}

/// Looks at a database, as of one moment: another process may be making it just now.
pub(in crate::sqlite) async fn look(
    connection: &mut SqliteConnection,
    schema: &'static Schema,
) -> Result<Found, sqlx::Error> {
    connection.execute("BEGIN").await?;
    let found = find(connection, schema).await;
    connection.execute("ROLLBACK").await?;
    found
}

/// Looks at a database within a transaction.
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

/// Runs the migrations that a file still lacks, all or none, and answers what the file was before. Two processes may do
/// this at once: the second waits for the first and finds nothing to do. A file of Prism's is written to in any case, which
/// shows at once whether it can be.
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
    let lacking =
        usize::try_from(done).ok().and_then(|done| schema.migrations.get(done..)).unwrap_or_default();
    if lacking.is_empty() {
        // SQLite begins even a write transaction on a file that is read-only, and refuses only a change.
        connection.execute(schema.touch).await?;
        return Ok(());
    }
    for migration in lacking {
        connection.execute(sqlx::raw_sql(*migration)).await?;
    }
    // A PRAGMA takes no parameters; both numbers are constants.
    let version = schema.version();
    let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(marks))).await?;
    Ok(())
}
