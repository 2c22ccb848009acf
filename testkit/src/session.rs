//! One connection for the testkit's own statements: opened on demand, reopened if broken.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::sync::Mutex;
use url::Url;

/// Connect timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Lives on the testkit's runtime, because a connection cannot change runtimes.
#[derive(Debug)]
pub(crate) struct Session {
    url: Url,
    connection: Mutex<Option<PgConnection>>,
}

impl Session {
    pub(crate) fn new(url: Url) -> Self {
        Self { url, connection: Mutex::new(None) }
    }

    /// Executes one idempotent statement; retries once on a new connection if the current one is broken.
    pub(crate) async fn execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        let mut slot = self.connection.lock().await;
        if let Some(mut connection) = slot.take() {
            match sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await {
                Err(error) if error.as_database_error().is_none_or(|error| ends_session(error.code())) => {}
                result => {
                    *slot = Some(connection);
                    return result.map(drop);
                }
            }
        }
        let mut connection = connect(&self.url).await?;
        let result = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
        *slot = Some(connection);
        result.map(drop)
    }
}

/// Classes 57P (ended by the administrator) and 08 (connection exception).
fn ends_session(code: Option<std::borrow::Cow<'_, str>>) -> bool {
    code.is_some_and(|code| code.starts_with("57P") || code.starts_with("08"))
}

/// Opens a connection, within ten seconds.
pub(crate) async fn connect(url: &Url) -> Result<PgConnection, sqlx::Error> {
    tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect(url.as_str())).await.unwrap_or_else(|_| {
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer within 10 s")))
    })
}
