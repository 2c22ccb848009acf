//! Replacement of the content of items, on a connection of its own: the writer's transactions are those of clients.

use prism_contract::keyvalue::RecordId;
use prism_contract::{Error, Namespace};
use prism_mutants::seeded;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::Mutex;

use crate::rewrite::Content;
use crate::sqlite::engine::{Transaction, translate};

/// Replaces the content of a live item that still has a version.
pub(in crate::sqlite) const REWRITE: &str = "UPDATE items SET value = ?1, content_type = ?2, compression = ?3 \
     WHERE namespace = ?4 AND id = ?5 AND key = ?6 AND version = ?7 AND deleted_at IS NULL";

/// The statement, or one with a seeded fault.
fn statement() -> &'static str {
    if seeded("rekey/changes-the-version") {
        return "UPDATE items SET value = ?1, content_type = ?2, compression = ?3, version = version + 1 \
                WHERE namespace = ?4 AND id = ?5 AND key = ?6 AND version = ?7 AND deleted_at IS NULL";
    }
    if seeded("rekey/loses-the-ttl") {
        return "UPDATE items SET value = ?1, content_type = ?2, compression = ?3, expires_at = NULL \
                WHERE namespace = ?4 AND id = ?5 AND key = ?6 AND version = ?7 AND deleted_at IS NULL";
    }
    if seeded("rekey/rewrites-over-a-newer-write") {
        return "UPDATE items SET value = ?1, content_type = ?2, compression = ?3 \
                WHERE namespace = ?4 AND id = ?5 AND key = ?6 AND ?7 > 0 AND deleted_at IS NULL";
    }
    REWRITE
}

/// Replaces content, one transaction at a time.
pub(in crate::sqlite) struct Rewriter {
    connect: SqliteConnectOptions,
    /// `None` until it is used, and after it broke.
    connection: Mutex<Option<SqliteConnection>>,
}

impl Rewriter {
    pub(in crate::sqlite) fn new(connect: SqliteConnectOptions) -> Self {
        Self { connect, connection: Mutex::new(None) }
    }

    /// Replaces the contents in one transaction; returns how many.
    pub(in crate::sqlite) async fn rewrite(
        &self,
        namespace: &Namespace,
        id: &RecordId,
        contents: &[Content],
    ) -> Result<u64, Error> {
        let mut kept = self.connection.lock().await;
        let connection = match kept.take() {
            Some(connection) => connection,
            None => self.connect.connect().await.map_err(translate)?,
        };
        let mut transaction = Transaction::begin(connection).await.map_err(translate)?;
        let mut rewritten = 0;
        for content in contents {
            let update = sqlx::query(statement())
                .bind(content.value.as_ref())
                .bind(&content.content_type)
                .bind(content.compression)
                .bind(namespace.as_str().as_bytes())
                .bind(id.as_str().as_bytes())
                .bind(content.key.as_bytes())
                .bind(content.version);
            rewritten +=
                update.execute(&mut transaction.connection).await.map_err(translate)?.rows_affected();
        }
        *kept = Some(transaction.commit().await.map_err(translate)?);
        Ok(rewritten)
    }

    pub(in crate::sqlite) async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take() {
            // Everything has been committed.
            let _ = connection.close().await;
        }
    }
}
