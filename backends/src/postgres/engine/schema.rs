//! The schema: its versions, embedded in the binary, and how a database is brought up to date.
//!
//! The table `prism_schema` says how many migrations a database has had. Gateways that start at once take turns by an
//! advisory lock: the first migrates, the others find nothing to do.

use sqlx::Row;

use super::session::Session;

/// The schema of an abstraction.
#[derive(Debug, Clone, Copy)]
pub(in crate::postgres) struct Schema {
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

/// The lock of a migration, in any schema: `Prsm` in ASCII.
const MIGRATION_LOCK: i64 = 0x5072_736d;

/// Why a schema is not one to work with.
#[derive(Debug)]
pub(in crate::postgres) enum Unfit {
    /// A later version of Prism has changed it.
    Newer(i64),
    /// Postgres failed, or refused.
    Failed(sqlx::Error),
}

impl From<sqlx::Error> for Unfit {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error)
    }
}

/// Runs the migrations that the database still lacks, all or none, and answers the number by which its records are locked. A
/// schema that is newer is left as it is.
pub(in crate::postgres) async fn migrate(
    session: &mut Session,
    schema: &'static Schema,
) -> Result<i64, Unfit> {
    // A role that may not create tables can still use those that are there.
    if version(session).await? != schema.version() {
        bring_up(session, schema).await?;
    }
    let seed = session.row(sqlx::query("SELECT seed FROM prism_schema")).await?;
    Ok(seed.try_get(0)?)
}

async fn bring_up(session: &mut Session, schema: &'static Schema) -> Result<(), Unfit> {
    session.run(format!("BEGIN; SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
    let migrated = apply(session, schema).await;
    let end = if migrated.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = session.run(end).await;
    migrated?;
    Ok(ended?)
}

/// The version of the schema, 0 where there is none yet. The tables are those that the session's search path leads to.
pub(in crate::postgres) async fn version(session: &mut Session) -> Result<i64, sqlx::Error> {
    // Not to_regclass: it may answer from what the session knew before it waited for the lock.
    let there = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class \
                 WHERE relname = 'prism_schema' AND pg_catalog.pg_table_is_visible(oid))";
    if !session.row(sqlx::query(there)).await?.try_get::<bool, _>(0)? {
        return Ok(0);
    }
    session.row(sqlx::query("SELECT version FROM prism_schema")).await?.try_get(0)
}

/// Within a transaction, under the lock.
async fn apply(session: &mut Session, schema: &'static Schema) -> Result<(), Unfit> {
    let done = version(session).await?;
    if done > schema.version() {
        return Err(Unfit::Newer(done));
    }
    let done = usize::try_from(done).unwrap_or(0);
    for migration in schema.migrations.iter().skip(done) {
        session.run(*migration).await?;
    }
    if done == 0 {
        // One row for ever, with a number by which this schema's records are locked.
        let made = "CREATE TABLE prism_schema (one boolean PRIMARY KEY DEFAULT true CHECK (one), version bigint NOT NULL, \
                    seed bigint NOT NULL); \
                    INSERT INTO prism_schema (version, seed) \
                    VALUES (0, ('x' || substr(md5(random()::text || clock_timestamp()), 1, 16))::bit(64)::bigint)";
        session.run(made).await?;
    }
    session.execute(sqlx::query("UPDATE prism_schema SET version = $1").bind(schema.version())).await?;
    Ok(())
}
