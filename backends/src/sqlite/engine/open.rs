//! Opens a file: checks what it is and that it can be written, and opens its connections.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};
use tokio::time::{Instant, sleep};

use super::OpenError;
use super::error::{Code, code};
use super::files::{self, Files};
use super::reader::Connections;
use super::schema::{self, Found, Schema};
use super::settings::text;
use crate::sqlite::Options;

/// An opened file.
pub(in crate::sqlite) struct Opened {
    pub(in crate::sqlite) writer: SqliteConnection,
    /// The writer's options, to reconnect.
    pub(in crate::sqlite) connect: SqliteConnectOptions,
    pub(in crate::sqlite) connections: Arc<Connections>,
    pub(in crate::sqlite) files: Arc<Files>,
}

/// Opens the file of `options`, and migrates it to this schema.
pub(in crate::sqlite) async fn open(options: &Options, schema: &'static Schema) -> Result<Opened, OpenError> {
    if let Some((option, allowed)) = options.fault() {
        return Err(OpenError::Option { option, allowed });
    }
    // SQLite reads a name that starts with `file:` as a URI; an absolute path never does.
    let path = std::path::absolute(&options.path)
        .map_err(|error| OpenError::Inaccessible { path: options.path.clone(), source: error.into() })?;
    check_path(&path).await?;
    files::create(&path);
    let failed = |error| OpenError::of(&path, error);
    let connect = writer_options(&path, options.busy_timeout);
    let mut writer = connect.clone().create_if_missing(true).connect().await.map_err(failed)?;
    refuse_foreign(&path, schema::inspect(&mut writer, schema).await.map_err(failed)?)?;
    let mode = enable_wal(&mut writer, options.busy_timeout).await.map_err(failed)?;
    if mode != "wal" {
        return Err(OpenError::NoLog { path, mode });
    }
    // Again, under the lock: another process may have changed the file meanwhile.
    refuse_foreign(&path, schema::migrate(&mut writer, schema).await.map_err(failed)?)?;
    let files = Files::of(&path)
        .map_err(|error| OpenError::Inaccessible { path: path.clone(), source: error.into() })?;
    let files = Arc::new(files);
    let connect_reader = reader_options(&path, options.busy_timeout);
    let connections = Connections::open(connect_reader, schema.read, Arc::clone(&files)).await;
    Ok(Opened { writer, connect, connections: Arc::new(connections.map_err(failed)?), files })
}

/// Refuses paths for which SQLite's error would be less clear.
async fn check_path(path: &Path) -> Result<(), OpenError> {
    match tokio::fs::metadata(path).await {
        Ok(found) if !found.is_file() => return Err(OpenError::NotAFile { path: path.to_owned() }),
        Ok(found) => files::warn_if_others_may_read(path, &found),
        // A missing file is created; an inaccessible one is reported by SQLite.
        Err(_) => {}
    }
    let directory = path.parent().unwrap_or(path);
    match tokio::fs::try_exists(directory).await {
        Ok(false) => Err(OpenError::NoDirectory { path: path.to_owned() }),
        Ok(true) => Ok(()),
        Err(error) => Err(OpenError::Inaccessible { path: path.to_owned(), source: error.into() }),
    }
}

fn refuse_foreign(path: &Path, found: Found) -> Result<(), OpenError> {
    match found {
        Found::Empty | Found::Prism { .. } => Ok(()),
        Found::Newer { version } => Err(OpenError::Newer { path: path.to_owned(), found: version }),
        Found::Foreign => Err(OpenError::NotPrism { path: path.to_owned() }),
    }
}

/// Puts the file in WAL mode, which is persistent, and returns its mode. The switch reads before it locks, and a connection
/// that already reads gets SQLITE_BUSY at once, whatever the busy timeout, because two such connections could deadlock. So
/// the retries are here.
async fn enable_wal(writer: &mut SqliteConnection, time_limit: Duration) -> Result<String, sqlx::Error> {
    let mode = text(writer, "PRAGMA journal_mode").await?;
    if mode == "wal" {
        return Ok(mode);
    }
    let deadline = Instant::now() + time_limit;
    loop {
        match text(writer, "PRAGMA journal_mode = WAL").await {
            Err(error) if code(&error) == Some(Code::Busy) && Instant::now() < deadline => {
                sleep(Duration::from_millis(10)).await;
            }
            answered => return answered,
        }
    }
}

/// Options of both kinds of connections. Memory-mapped I/O is off: with it, a disk error, or another process that truncates
/// the file, would kill this process instead of failing a request.
fn common_options(path: &Path, busy_timeout: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(busy_timeout)
        .pragma("mmap_size", "0")
        // There are no foreign keys to check.
        .foreign_keys(false)
        // Formatting statements for a log would cost time in each request.
        .disable_statement_logging()
}

fn writer_options(path: &Path, busy_timeout: Duration) -> SqliteConnectOptions {
    common_options(path, busy_timeout)
        // Each commit syncs the WAL before it is acknowledged (DUR-1, DUR-4); on macOS only fullfsync reaches the disk.
        .synchronous(SqliteSynchronous::Full)
        .pragma("fullfsync", "ON")
        // A commit checkpoints the WAL if it has grown to 64 MiB despite `checkpoint`, and shrinks it to that size after a
        // huge transaction.
        .pragma("wal_autocheckpoint", "16000")
        .pragma("journal_size_limit", "67108864")
        // 32 MiB of pages.
        .pragma("cache_size", "-32768")
        // The statement journal of a statement over many rows is in memory, not in a temporary file.
        .pragma("temp_store", "MEMORY")
        // All rows of a batch fit, so the worker thread does not block at every fiftieth.
        .row_buffer_size(256)
        .thread_name(|_| "prism-sqlite-writer".to_owned())
}

fn reader_options(path: &Path, busy_timeout: Duration) -> SqliteConnectOptions {
    common_options(path, busy_timeout)
        .read_only(true)
        .pragma("query_only", "ON")
        // 8 MiB of pages.
        .pragma("cache_size", "-8192")
        // Row prefetch beyond a full page, where values may be large: at most 16 rows of 1 MiB (SCAN-3).
        .row_buffer_size(16)
        .statement_cache_capacity(128)
        .thread_name(|n| format!("prism-sqlite-reader-{n}"))
}

impl OpenError {
    /// The open error for a driver error.
    pub(in crate::sqlite) fn of(path: &Path, error: sqlx::Error) -> Self {
        let path = path.to_owned();
        match code(&error) {
            Some(Code::Busy | Code::Locked | Code::LockProtocol) => Self::Locked { path },
            Some(Code::ReadOnly) => Self::ReadOnly { path },
            Some(Code::NotADatabase) => Self::NotADatabase { path },
            Some(Code::CannotOpen) => Self::Inaccessible { path, source: error.into() },
            Some(
                Code::NoMemory
                | Code::InputOutput
                | Code::Corrupt
                | Code::Full
                | Code::Interrupted
                | Code::Other,
            )
            | None => Self::Failed { path, source: error.into() },
        }
    }
}
