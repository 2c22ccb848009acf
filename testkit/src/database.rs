//! Creates databases with a linguistic collation: the C collation (byte order) would hide ordering bugs.

use sqlx::{AssertSqlSafe, PgConnection, Row as _};

/// `CREATE DATABASE` collation clauses in order of preference, with fallback to the next if the server lacks one.
const COLLATIONS: [&str; 4] = [
    "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'",
    "LC_COLLATE 'en_US.UTF-8' LC_CTYPE 'en_US.UTF-8'",
    "LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'",
    "LC_COLLATE 'C' LC_CTYPE 'C'",
];

/// First server version that supports ICU as a database's default collation.
const ICU_SINCE: i32 = 150_000;

/// Creates database `name` with the most preferred available collation, and returns the collation clause.
///
/// # Errors
/// Any error of the server other than an unavailable collation.
pub(crate) async fn create(connection: &mut PgConnection, name: &str) -> Result<&'static str, sqlx::Error> {
    let version: i32 = sqlx::query("SELECT current_setting('server_version_num')::int")
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    let mut last_error = None;
    for collation in COLLATIONS {
        if version < ICU_SINCE && collation.contains("icu") {
            continue;
        }
        match sqlx::raw_sql(AssertSqlSafe(statement(name, collation))).execute(&mut *connection).await {
            Ok(_) => return Ok(collation),
            Err(error) if lacks_collation(&error) => last_error = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(last_error.expect("at least one collation was tried"))
}

/// The `CREATE DATABASE` statement for `name` with a collation clause from [`create`].
pub(crate) fn statement(name: &str, collation: &str) -> String {
    format!("CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8' {collation}")
}

/// Locale unknown to the system (22023 since Postgres 16, 42809 before), or server built without ICU (0A000).
fn lacks_collation(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
    code.is_some_and(|code| ["22023", "42809", "0A000"].contains(&code.as_str()))
}
