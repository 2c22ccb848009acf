//! The databases themselves, without a gateway before them: a table with the same primary key.

use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection};
use tempfile::TempDir;

use super::kind::postgres_folders;
use super::{Kind, Target};
use crate::client::{Sqlite, TABLE};
use crate::failure::Failure;
use crate::process::{find, first_line};

/// pgbench writes values of its own making, so it has a table of its own.
pub(crate) const PGBENCH_TABLE: &str = "prism_bench_pgbench";

pub(super) async fn sqlite(folder: TempDir) -> Result<Target, Failure> {
    let endpoint = folder.path().join("direct.db").to_string_lossy().into_owned();
    let failed = |why: sqlx::Error| Failure::of("sqlite", &why);
    let mut connection = options(&endpoint).create_if_missing(true).connect().await.map_err(failed)?;
    connection.execute(TABLE).await.map_err(failed)?;
    let version: String =
        sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut connection).await.map_err(failed)?;
    Ok(Target {
        kind: Kind::SqliteDirect,
        version: format!("SQLite {version}, WAL, synchronous=FULL, a connection for each client"),
        endpoint,
        database: String::new(),
        server: None,
        behind: Box::new((connection, folder)),
    })
}

/// A client of the file.
pub(super) async fn open(path: &str) -> Result<Sqlite, Failure> {
    options(path).connect().await.map(Sqlite::new).map_err(|why| Failure::of("sqlite", &why))
}

fn options(path: &str) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(10))
}

pub(super) async fn postgres(url: &str) -> Result<Target, Failure> {
    let version = tables(url, &TABLE.replace("blob", "bytea"), "prism_bench").await?;
    Ok(Target {
        kind: Kind::PostgresDirect,
        version: format!("Postgres {version}, a session for each client"),
        endpoint: url.to_owned(),
        database: String::new(),
        server: None,
        behind: Box::new(()),
    })
}

pub(super) async fn pgbench(url: &str) -> Result<Target, Failure> {
    let table = TABLE.replace("blob", "bytea").replace("prism_bench", PGBENCH_TABLE);
    // Its values could be compressed, which the others' cannot.
    let table = format!("{table}; ALTER TABLE {PGBENCH_TABLE} ALTER COLUMN value SET STORAGE EXTERNAL");
    tables(url, &table, PGBENCH_TABLE).await?;
    let program = find("pgbench", &postgres_folders()).unwrap_or_default();
    Ok(Target {
        kind: Kind::Pgbench,
        version: first_line(program, "--version").unwrap_or_default(),
        endpoint: url.to_owned(),
        database: String::new(),
        server: None,
        behind: Box::new(()),
    })
}

/// Makes a table anew; the server's version.
async fn tables(url: &str, create: &str, name: &str) -> Result<String, Failure> {
    let failed = |why: sqlx::Error| Failure::of("postgres", &why);
    let mut connection = PgConnection::connect(url).await.map_err(failed)?;
    let sql = format!("DROP TABLE IF EXISTS {name}; {create}");
    connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.map_err(failed)?;
    sqlx::query_scalar("SELECT current_setting('server_version')")
        .fetch_one(&mut connection)
        .await
        .map_err(failed)
}
