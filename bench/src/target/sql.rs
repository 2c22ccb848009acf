//! The databases without a gateway: a table with the same primary key.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;

use super::kind::postgres_folders;
use super::{Kind, Target};
use crate::client::{Sqlite, TABLE};
use crate::failure::Failure;
use crate::process::{find, first_line};

/// A separate table for pgbench, which writes other values.
pub(crate) const PGBENCH_TABLE: &str = "prism_bench_pgbench";

pub(super) async fn sqlite(folder: TempDir) -> Result<Target, Failure> {
    let endpoint = folder.path().join("direct.db").to_string_lossy().into_owned();
    let failed = |why: sqlx::Error| Failure::of("sqlite", &why);
    let mut connection =
        sqlite_options(endpoint.as_ref()).create_if_missing(true).connect().await.map_err(failed)?;
    connection.execute(TABLE).await.map_err(failed)?;
    let version: String =
        sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut connection).await.map_err(failed)?;
    Ok(Target {
        kind: Kind::SqliteDirect,
        version: format!("SQLite {version}, WAL, synchronous=FULL, one connection per client"),
        endpoint,
        database: String::new(),
        server: None,
        data: Box::new((connection, folder)),
    })
}

/// Opens a client of the file.
pub(super) async fn open(path: &str) -> Result<Sqlite, Failure> {
    sqlite_options(path.as_ref()).connect().await.map(Sqlite::new).map_err(|why| Failure::of("sqlite", &why))
}

/// Options of the direct clients: as durable as the gateway.
pub(crate) fn sqlite_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(10))
}

pub(super) async fn postgres(url: &str) -> Result<Target, Failure> {
    let version = recreate_table(url, &TABLE.replace("blob", "bytea"), "prism_bench").await?;
    Ok(Target {
        kind: Kind::PostgresDirect,
        version: format!("Postgres {version}, one session per client"),
        endpoint: url.to_owned(),
        database: String::new(),
        server: None,
        data: Box::new(()),
    })
}

pub(super) async fn pgbench(url: &str) -> Result<Target, Failure> {
    let table = TABLE.replace("blob", "bytea").replace("prism_bench", PGBENCH_TABLE);
    // No compression: pgbench's values are compressible, those of the other targets are not.
    let table = format!("{table}; ALTER TABLE {PGBENCH_TABLE} ALTER COLUMN value SET STORAGE EXTERNAL");
    recreate_table(url, &table, PGBENCH_TABLE).await?;
    let program = find("pgbench", &postgres_folders()).unwrap_or_default();
    Ok(Target {
        kind: Kind::Pgbench,
        version: first_line(program, "--version").unwrap_or_default(),
        endpoint: url.to_owned(),
        database: String::new(),
        server: None,
        data: Box::new(()),
    })
}

/// Recreates a table; returns the server's version.
async fn recreate_table(url: &str, create: &str, name: &str) -> Result<String, Failure> {
    let failed = |why: sqlx::Error| Failure::of("postgres", &why);
    let mut connection = PgConnection::connect(url).await.map_err(failed)?;
    let sql = format!("DROP TABLE IF EXISTS {name}; {create}");
    connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.map_err(failed)?;
    sqlx::query_scalar("SELECT current_setting('server_version')")
        .fetch_one(&mut connection)
        .await
        .map_err(failed)
}
