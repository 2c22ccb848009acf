//! The database's settings, as it reports them (DUR-4).

use std::fmt;

use sqlx::Row;

use super::schema::{self, Schema};
use super::session::Session;

/// The settings that durability depends on, as Postgres reports them for a write connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Postgres' version, such as `17.2`.
    pub server_version: String,
    /// The schema's version.
    pub schema_version: i64,
    /// Whether the server syncs its writes to disk.
    pub fsync: String,
    /// What a commit waits for; all values but `off` wait at least for the server's disk.
    pub synchronous_commit: String,
    /// Whether torn pages are repaired after a crash.
    pub full_page_writes: String,
}

impl Settings {
    /// Whether an acknowledged write survives a power failure of the server, if the disk honours syncs.
    pub fn are_durable(&self) -> bool {
        self.fsync == "on"
            && self.full_page_writes == "on"
            && matches!(self.synchronous_commit.as_str(), "local" | "on" | "remote_write" | "remote_apply")
    }

    /// Queries a session of a database with this schema.
    pub(in crate::postgres) async fn of(session: &mut Session, schema: &Schema) -> Result<Self, sqlx::Error> {
        let query = "SELECT current_setting('server_version'), current_setting('fsync'), \
                     current_setting('synchronous_commit'), current_setting('full_page_writes')";
        let row = session.row(sqlx::query(query)).await?;
        Ok(Self {
            server_version: row.try_get(0)?,
            schema_version: schema::version(session, schema).await?,
            fsync: row.try_get(1)?,
            synchronous_commit: row.try_get(2)?,
            full_page_writes: row.try_get(3)?,
        })
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server_version, schema_version, fsync, synchronous_commit, full_page_writes } = self;
        write!(
            f,
            "PostgreSQL {server_version}, schema {schema_version}, fsync={fsync}, \
             synchronous_commit={synchronous_commit}, full_page_writes={full_page_writes}"
        )
    }
}
