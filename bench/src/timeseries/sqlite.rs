//! A SQLite file without a gateway, with the tables of the backend: one connection that writes, a transaction per batch.

use std::path::Path;
use std::sync::Arc;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, Row as _, SqliteConnection};
use tokio::sync::Mutex;

use super::events::{Batch, FULL, Layout};
use crate::failure::Failure;
use crate::target::sqlite_options;

const TABLES: &str = include_str!("../../../migrations/sqlite/timeseries/0001_events.sql");

const SELECT: &str =
    "SELECT time, id, payload FROM ts_events WHERE series = ? ORDER BY time DESC, id DESC LIMIT ?";

/// The connection that writes, which the clients share.
#[derive(Debug, Clone)]
pub(super) struct Writer(Arc<Mutex<SqliteConnection>>);

/// A connection that reads.
#[derive(Debug)]
pub(super) struct Reader(SqliteConnection);

/// Creates the file.
pub(super) async fn create(path: &Path) -> Result<Writer, Failure> {
    let mut connection = options(path).create_if_missing(true).connect().await.map_err(failed)?;
    connection.execute(sqlx::raw_sql(TABLES)).await.map_err(failed)?;
    Ok(Writer(Arc::new(Mutex::new(connection))))
}

/// Opens a connection that reads.
pub(super) async fn open(path: &Path) -> Result<Reader, Failure> {
    options(path).connect().await.map(Reader).map_err(failed)
}

fn options(path: &Path) -> SqliteConnectOptions {
    // As many pages as the backend's connections.
    sqlite_options(path).pragma("cache_size", "-32768").row_buffer_size(256)
}

impl Writer {
    pub(super) async fn append(&self, layout: &Layout, batch: Batch) -> Result<(), Failure> {
        let rows =
            vec!["(?, ?, ?, 1, ?, '', x'', ?)"; usize::try_from(batch.count).unwrap_or_default()].join(", ");
        let statement = format!(
            "INSERT INTO ts_events (series, time, id, namespace, position, content_type, tags, payload) VALUES {rows}"
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for number in batch.first..batch.first + batch.count {
            query = query
                .bind(layout.series_of(number).cast_signed())
                .bind(Layout::time_of(number))
                .bind(Layout::id_of(number).to_vec())
                .bind(number.cast_signed())
                .bind(layout.payload_of(number).to_vec());
        }
        // One statement is a transaction.
        query.execute(&mut *self.0.lock().await).await.map(drop).map_err(failed)
    }
}

impl Reader {
    pub(super) async fn last(&mut self, layout: &Layout, series: u64) -> Result<Vec<u64>, Failure> {
        let query = sqlx::query(SELECT).bind(series.cast_signed()).bind(FULL.cast_signed());
        let rows = query.fetch_all(&mut self.0).await.map_err(failed)?;
        let number = |row: &sqlx::sqlite::SqliteRow| layout.check(row.get(0), row.get(1), row.get(2));
        rows.iter().map(number).collect::<Result<_, _>>().map_err(Failure::Failed)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "passed to map_err")]
fn failed(why: sqlx::Error) -> Failure {
    Failure::of("sqlite", &why)
}
