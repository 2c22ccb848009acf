//! The schema: its migrations, embedded in the binary, and how a database is migrated.
//!
//! Each abstraction has a schema, with a table that has the number of its applied migrations. Gateways that start at the same time are serialized by an
//! advisory lock: the first migrates, the others find nothing to do.

use sqlx::{AssertSqlSafe, Row};

use super::session::Session;

/// The schema of an abstraction.
#[derive(Debug, Clone, Copy)]
pub(in crate::postgres) struct Schema {
    /// The table with its version.
    pub(in crate::postgres) table: &'static str,
    /// Its migrations in order; the first takes an empty schema to version 1.
    pub(in crate::postgres) migrations: &'static [&'static str],
}

impl Schema {
    /// Its version: the number of its migrations.
    #[expect(clippy::cast_possible_wrap, reason = "there are a handful of migrations")]
    pub(in crate::postgres) const fn version(&self) -> i64 {
        self.migrations.len() as i64
    }
}

/// The advisory lock of migrations, for all schemas: `Prsm` in ASCII.
const MIGRATION_LOCK: i64 = 0x5072_736d;

/// Whether a table is in the search path. Parameter: its name. Not to_regclass: it may use the session's cache from before it
/// waited for the lock.
pub(super) const TABLE_EXISTS: &str = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class \
                                       WHERE relname = $1 AND pg_catalog.pg_table_is_visible(oid))";

/// The error of a migration.
#[derive(Debug)]
pub(in crate::postgres) enum MigrateError {
    /// The schema is of a later version of Prism.
    Newer(i64),
    /// Postgres failed, or rejected the migration.
    Failed(sqlx::Error),
}

impl From<sqlx::Error> for MigrateError {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error)
    }
}

/// Applies the missing migrations, all or none, and returns the schema's random seed. A newer schema is left unchanged.
pub(in crate::postgres) async fn migrate(
    session: &mut Session,
    schema: &'static Schema,
) -> Result<i64, MigrateError> {
    // A role without the right to create tables can still use existing ones.
    if version(session, schema).await? != schema.version() {
        upgrade(session, schema).await?;
    }
    let seed = format!("SELECT seed FROM {}", schema.table);
    let seed = session.row(sqlx::query(AssertSqlSafe(seed))).await?;
    Ok(seed.try_get(0)?)
}

async fn upgrade(session: &mut Session, schema: &'static Schema) -> Result<(), MigrateError> {
    session.run(format!("BEGIN; SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
    let migrated = apply(session, schema).await;
    let end = if migrated.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = session.run(end).await;
    migrated?;
    Ok(ended?)
}

/// The version of the schema, 0 if there is none yet. The session's search path determines the schema.
pub(in crate::postgres) async fn version(session: &mut Session, schema: &Schema) -> Result<i64, sqlx::Error> {
    if !session.row(sqlx::query(TABLE_EXISTS).bind(schema.table)).await?.try_get::<bool, _>(0)? {
        return Ok(0);
    }
    let version = format!("SELECT version FROM {}", schema.table);
    session.row(sqlx::query(AssertSqlSafe(version))).await?.try_get(0)
}

/// Within a transaction, under the lock.
async fn apply(session: &mut Session, schema: &'static Schema) -> Result<(), MigrateError> {
    let done = version(session, schema).await?;
    if done > schema.version() {
        return Err(MigrateError::Newer(done));
    }
    let done = usize::try_from(done).unwrap_or(0);
    for migration in schema.migrations.iter().skip(done) {
        session.run(*migration).await?;
    }
    if done == 0 {
        // A single row, with the schema's random seed.
        let table = schema.table;
        let create = format!(
            "CREATE TABLE {table} (one boolean PRIMARY KEY DEFAULT true CHECK (one), version bigint NOT NULL, \
             seed bigint NOT NULL); INSERT INTO {table} (version, seed) \
             VALUES (0, ('x' || substr(md5(random()::text || clock_timestamp()), 1, 16))::bit(64)::bigint)"
        );
        session.run(create).await?;
    }
    let update = format!("UPDATE {} SET version = $1", schema.table);
    session.execute(sqlx::query(AssertSqlSafe(update)).bind(schema.version())).await?;
    Ok(())
}
