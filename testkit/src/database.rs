//! Makes databases whose order is a language's and not that of bytes, because C hides mistakes of ordering.

use sqlx::{AssertSqlSafe, PgConnection, Row as _};

/// What `CREATE DATABASE` takes for the collation that tests want, best first. A server that lacks one gets the next.
const COLLATIONS: [&str; 4] = [
    "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'",
    "LC_COLLATE 'en_US.UTF-8' LC_CTYPE 'en_US.UTF-8'",
    "LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'",
    "LC_COLLATE 'C' LC_CTYPE 'C'",
];

/// The first version that can have a database whose default collation is ICU's.
const ICU_SINCE: i32 = 150_000;

/// The statement that makes database `name` with the best collation that the server has. The database is there afterwards.
///
/// # Errors
/// The server refuses for a reason that no other collation would change.
pub(crate) async fn create(connection: &mut PgConnection, name: &str) -> Result<&'static str, sqlx::Error> {
    let version: i32 = sqlx::query("SELECT current_setting('server_version_num')::int")
        .fetch_one(&mut *connection)
        .await?
        .try_get(0)?;
    let mut refusal = None;
    for collation in COLLATIONS {
        if version < ICU_SINCE && collation.contains("icu") {
            continue;
        }
        match sqlx::raw_sql(AssertSqlSafe(statement(name, collation))).execute(&mut *connection).await {
            Ok(_) => return Ok(collation),
            Err(error) if lacks_collation(&error) => refusal = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(refusal.expect("at least one collation was tried"))
}

/// Makes database `name` like one that [`create`] made.
pub(crate) fn statement(name: &str, collation: &str) -> String {
    format!("CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8' {collation}")
}

/// The locale is unknown to the system (22023 since Postgres 16, 42809 before), or the server was built without ICU (0A000).
fn lacks_collation(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
    code.is_some_and(|code| ["22023", "42809", "0A000"].contains(&code.as_str()))
}
