//! Description of the test server, for reports.

use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, Row as _};

use crate::Way;

/// How the server was found, its version, collation and durability settings. `Display` prints one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// How it was found.
    pub way: Way,
    /// Exact origin: an address without credentials, an image, or a folder of programs.
    pub origin: String,
    /// `server_version`, such as `17.2`.
    pub version: String,
    /// The default collation of the test database, such as `ICU en-US`.
    pub collation: String,
    /// `fsync`: `on` or `off`.
    pub fsync: String,
    /// `synchronous_commit` of a new session.
    pub synchronous_commit: String,
    /// `full_page_writes`: `on` or `off`.
    pub full_page_writes: String,
    /// Further notes, such as ways that were tried before without success. May be empty.
    pub notes: Vec<String>,
}

impl Description {
    /// Queries a server.
    pub(crate) async fn read(
        connection: &mut PgConnection,
        way: Way,
        origin: String,
    ) -> Result<Self, sqlx::Error> {
        let row = sqlx::query(
            "SELECT current_setting('server_version'), current_setting('server_version_num')::int, \
             current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes')",
        )
        .fetch_one(&mut *connection)
        .await?;
        Ok(Self {
            way,
            origin,
            version: row.try_get(0)?,
            collation: collation(connection, row.try_get(1)?).await?,
            fsync: row.try_get(2)?,
            synchronous_commit: row.try_get(3)?,
            full_page_writes: row.try_get(4)?,
            notes: Vec::new(),
        })
    }
}

/// Default collation of the connected database. The catalog's columns differ by version.
async fn collation(connection: &mut PgConnection, version: i32) -> Result<String, sqlx::Error> {
    let sql = match version {
        170_000.. => "SELECT datlocprovider::text, coalesce(datlocale, datcollate) FROM pg_database",
        150_000.. => "SELECT datlocprovider::text, coalesce(daticulocale, datcollate) FROM pg_database",
        _ => "SELECT 'c', datcollate FROM pg_database",
    };
    let sql = format!("{sql} WHERE datname = current_database()");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(connection).await?;
    let (provider, locale): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let provider = match provider.as_str() {
        "i" => "ICU",
        "b" => "builtin",
        _ => "libc",
    };
    Ok(format!("{provider} {locale}"))
}

impl std::fmt::Display for Description {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Postgres {} by {} ({}), collation {}, fsync={} synchronous_commit={} full_page_writes={}",
            self.version,
            self.way.name(),
            self.origin,
            self.collation,
            self.fsync,
            self.synchronous_commit,
            self.full_page_writes
        )?;
        self.notes.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}
