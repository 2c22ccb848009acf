//! Checks of a file: read-only connections, which neither create, migrate nor change it, also while gateways serve it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use prism_contract::Timestamp;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use super::OpenError;
use super::error::{Code, code};
use super::schema::{self, Found, Schema};
use super::settings::{number, text};
use crate::check::{Checks, Count, Damage, LARGEST, NamespaceSize, Part, Report, named};

/// Findings of SQLite that are reported, of which it stops after so many.
const FINDINGS: &str = "PRAGMA integrity_check(100)";

/// The checks of an abstraction, and the schema version that first has its tables.
pub(in crate::sqlite) struct Since(pub(in crate::sqlite) i64, pub(in crate::sqlite) &'static Checks);

/// A connection that only reads a file of Prism's.
pub(in crate::sqlite) struct Inspection {
    pub(in crate::sqlite) path: PathBuf,
    pub(in crate::sqlite) connection: SqliteConnection,
    pub(in crate::sqlite) version: i64,
}

impl Inspection {
    /// Opens a file that exists and is Prism's.
    pub(in crate::sqlite) async fn open(
        path: &Path,
        busy_timeout: Duration,
        schema: &'static Schema,
    ) -> Result<Self, OpenError> {
        let path = std::path::absolute(path)
            .map_err(|error| OpenError::Inaccessible { path: path.to_owned(), source: error.into() })?;
        match tokio::fs::metadata(&path).await {
            Ok(found) if !found.is_file() => return Err(OpenError::NotAFile { path }),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(OpenError::NoFile { path });
            }
            Err(error) => return Err(OpenError::Inaccessible { path, source: error.into() }),
        }
        let failed = |error| OpenError::of(&path, error);
        let mut connection = options(&path, busy_timeout).connect().await.map_err(failed)?;
        let found = schema::inspect(&mut connection, schema).await;
        let version = match found.map_err(failed)? {
            Found::Prism { version } => version,
            Found::Newer { version } => return Err(OpenError::Newer { path, found: version }),
            Found::Empty | Found::Foreign => return Err(OpenError::NotPrism { path }),
        };
        Ok(Self { path, connection, version })
    }

    /// Checks everything. Damage is no error; an error says that the check could not be made.
    pub(in crate::sqlite) async fn check(
        &mut self,
        parts: &[Since],
        now: Timestamp,
        retention: Duration,
    ) -> Result<Report, sqlx::Error> {
        let engine = format!("SQLite {}", text(&mut self.connection, "SELECT sqlite_version()").await?);
        let mut report = Report::new(engine, self.version);
        report.sizes = self.sizes();
        report.damage = self.integrity().await?;
        let forgotten = now.saturating_sub(retention);
        for Since(_, checks) in parts.iter().filter(|part| part.0 <= self.version) {
            match part(&mut self.connection, checks, (now, forgotten), &mut report.damage).await {
                Ok(part) => report.parts.push(part),
                Err(error) => report.damage.push(unreadable(error)?),
            }
        }
        Ok(report)
    }

    /// What SQLite itself finds: pages, indexes, rows out of order, values of a wrong type.
    pub(in crate::sqlite) async fn integrity(&mut self) -> Result<Vec<Damage>, sqlx::Error> {
        let rows = match sqlx::query(FINDINGS).fetch_all(&mut self.connection).await {
            Ok(rows) => rows,
            Err(error) => return Ok(vec![unreadable(error)?]),
        };
        let mut damage = Vec::new();
        for row in rows {
            let what: String = row.try_get(0)?;
            if what != "ok" {
                damage.push(Damage { name: "integrity", what, rows: None });
            }
        }
        Ok(damage)
    }

    fn sizes(&self) -> Vec<Count> {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
        // The log is beside the file itself, not beside a symbolic link to it.
        let resolved = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let mut log = resolved.clone().into_os_string();
        log.push("-wal");
        vec![
            Count { name: "file_bytes", number: size(&resolved) },
            Count { name: "wal_bytes", number: size(Path::new(&log)) },
        ]
    }

    /// Closes the connection, which has changed nothing.
    pub(in crate::sqlite) async fn close(self) {
        let _ = self.connection.close().await;
    }
}

/// Counts, and looks for faults. Each statement is a snapshot for itself, so that the log does not grow for the time of all.
async fn part(
    connection: &mut SqliteConnection,
    checks: &'static Checks,
    (now, forgotten): (Timestamp, Timestamp),
    damage: &mut Vec<Damage>,
) -> Result<Part, sqlx::Error> {
    for fault in checks.faults {
        damage.extend(fault.found(number(connection, fault.sql).await?));
    }
    let mut counts = Vec::new();
    for wanted in checks.counts {
        let mut query = sqlx::query(wanted.sql);
        if wanted.by_time {
            query = query.bind(now.as_micros()).bind(forgotten.as_micros());
        }
        let row = query.fetch_one(&mut *connection).await?;
        let numbers = (0..wanted.names.len()).map(|column| row.try_get(column));
        counts.extend(named(wanted.names, numbers.collect::<Result<Vec<i64>, _>>()?));
    }
    let mut namespaces = Vec::new();
    for row in sqlx::query(checks.namespaces).bind(LARGEST).fetch_all(&mut *connection).await? {
        let name = String::from_utf8_lossy(row.try_get(0)?).into_owned();
        let [rows, bytes] = [row.try_get::<i64, _>(1)?, row.try_get(2)?].map(i64::cast_unsigned);
        namespaces.push(NamespaceSize { name, rows, bytes });
    }
    Ok(Part { name: checks.name, counts, namespaces })
}

/// The damage of a statement that could not read a page or a row; any other error is passed on.
pub(super) fn unreadable(error: sqlx::Error) -> Result<Damage, sqlx::Error> {
    match code(&error) {
        Some(Code::Corrupt | Code::NotADatabase) => {
            Ok(Damage { name: "unreadable", what: error.to_string(), rows: None })
        }
        _ => Err(error),
    }
}

fn options(path: &Path, busy_timeout: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(busy_timeout)
        // A disk error then fails a statement instead of killing the process.
        .pragma("mmap_size", "0")
        // 8 MiB of pages; larger sorts go to temporary files.
        .pragma("cache_size", "-8192")
        .foreign_keys(false)
        .disable_statement_logging()
        .thread_name(|_| "prism-sqlite-inspection".to_owned())
}
