//! WAL checkpoints during writes.
//!
//! SQLite would checkpoint within a commit, and all queued writes would wait for thousands of pages. Instead, a separate
//! connection runs several checkpoints while the writer adds pages, and the writer checkpoints the few pages that are left:
//! only when none is left does SQLite restart the WAL.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

use crate::observe::{Histogram, WalLoad};

/// WAL pages (32 MiB) that start a checkpoint: a page that is written often is then checkpointed once.
const PAGES: usize = 8_000;
/// Pages left for the writer's checkpoint, which takes a millisecond or two.
const FEW: i64 = 200;
/// Maximum checkpoints before the writer checkpoints the rest, however much that is.
const PASSES: usize = 4;
/// SQLite's page size.
const PAGE_BYTES: usize = 4_096;

/// The outcome of a checkpoint task: its connection, if still usable.
type Ended = Result<Result<SqliteConnection, sqlx::Error>, JoinError>;

/// The checkpoints so far, for metrics.
pub(in crate::sqlite) struct Checkpoints {
    micros: Histogram,
    failed: AtomicU64,
}

impl Checkpoints {
    pub(in crate::sqlite) fn new() -> Self {
        Self { micros: Histogram::new(Histogram::MICROS), failed: AtomicU64::default() }
    }

    /// Their load, and the size of the WAL of the database at `path`.
    pub(in crate::sqlite) fn load(&self, path: &Path) -> WalLoad {
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        WalLoad {
            // There is none before the first write.
            bytes: std::fs::metadata(wal).map_or(0, |wal| wal.len()),
            checkpoint_micros: self.micros.distribution(),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }

    fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}

/// The growth of the WAL, and the checkpoint task.
pub(in crate::sqlite) struct Checkpointing {
    checkpoints: Arc<Checkpoints>,
    connect: SqliteConnectOptions,
    /// The idle connection; none before the first checkpoint, and after a failure.
    connection: Option<SqliteConnection>,
    task: Option<JoinHandle<Result<SqliteConnection, sqlx::Error>>>,
    /// Approximate pages written since the last checkpoint.
    pages: usize,
}

impl Checkpointing {
    /// With the options of the checkpoint connection. Checkpoints are counted in `checkpoints`.
    pub(in crate::sqlite) fn new(connect: SqliteConnectOptions, checkpoints: Arc<Checkpoints>) -> Self {
        Self { checkpoints, connect, connection: None, task: None, pages: 0 }
    }

    /// Records a commit of so many rows and bytes.
    pub(in crate::sqlite) fn wrote(&mut self, rows: usize, bytes: usize) {
        self.pages += rows + bytes / PAGE_BYTES;
    }

    /// Starts a checkpoint task if the WAL is large enough; when the task has ended, the writer checkpoints the rest.
    pub(in crate::sqlite) async fn advance(&mut self, writer: &mut SqliteConnection) {
        match self.task.take_if(|task| task.is_finished()) {
            Some(task) => {
                let ended = task.await;
                self.finish(ended, writer).await;
            }
            None if self.task.is_none() && self.pages >= PAGES => {
                let connection = self.connection.take();
                let connect = self.connect.clone();
                let checkpoints = Arc::clone(&self.checkpoints);
                self.task = Some(tokio::spawn(checkpoint_most(connection, connect, checkpoints)));
            }
            None => {}
        }
    }

    /// The checkpoint task has ended: the writer checkpoints the rest.
    async fn finish(&mut self, ended: Ended, writer: &mut SqliteConnection) {
        self.take_back(ended);
        self.pages = 0;
        if let Err(error) = checkpoint(writer, &self.checkpoints).await {
            self.checkpoints.failed();
            tracing::warn!(%error, "WAL checkpoint of the rest failed; it is retried");
        }
    }

    /// Takes the connection back.
    fn take_back(&mut self, ended: Ended) {
        // A task that panicked returns no connection, like one that failed.
        match ended {
            Ok(Ok(connection)) => self.connection = Some(connection),
            Ok(Err(error)) => {
                self.checkpoints.failed();
                tracing::warn!(%error, "WAL checkpoint failed; it is retried");
            }
            Err(error) => {
                self.checkpoints.failed();
                tracing::error!(%error, "WAL checkpoint failed; it is retried");
            }
        }
    }

    /// Waits for the checkpoint task, and closes the connection.
    pub(in crate::sqlite) async fn close(mut self) {
        if let Some(task) = self.task.take() {
            let ended = task.await;
            self.take_back(ended);
        }
        if let Some(connection) = self.connection {
            // Checkpointed pages are on disk, and the others are in the WAL.
            let _ = connection.close().await;
        }
    }
}

/// Runs checkpoints until few pages are left.
async fn checkpoint_most(
    connection: Option<SqliteConnection>,
    connect: SqliteConnectOptions,
    checkpoints: Arc<Checkpoints>,
) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = match connection {
        Some(connection) => connection,
        None => connect.connect().await?,
    };
    let mut checkpointed = 0;
    for _ in 0..PASSES {
        let before = checkpointed;
        checkpointed = checkpoint(&mut connection, &checkpoints).await?;
        if checkpointed - before <= FEW {
            break;
        }
    }
    Ok(connection)
}

/// Checkpoints the WAL, up to the oldest snapshot in use, without waiting for readers; returns the number of WAL pages
/// checkpointed so far.
async fn checkpoint(
    connection: &mut SqliteConnection,
    checkpoints: &Checkpoints,
) -> Result<i64, sqlx::Error> {
    let began = Instant::now();
    let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(connection).await?;
    checkpoints.micros.record_time(began.elapsed());
    row.try_get(2)
}

#[cfg(test)]
mod tests {
    use sqlx::Executor;

    use super::*;
    use crate::sqlite::{Options, SCHEMA, open};

    /// Pages in the WAL, and how many of them are checkpointed.
    async fn log(connection: &mut SqliteConnection) -> (i64, i64) {
        let row = sqlx::query("PRAGMA wal_checkpoint(NOOP)").fetch_one(connection).await.unwrap();
        (row.get(1), row.get(2))
    }

    #[tokio::test]
    async fn pages_written_during_a_checkpoint_are_checkpointed_by_the_writer() {
        let folder = tempfile::tempdir().unwrap();
        let opened = open(&Options::new(folder.path().join("prism.db")), &SCHEMA).await.unwrap();
        let checkpoints = Arc::new(Checkpoints::new());
        let mut checkpointing = Checkpointing::new(opened.connect, Arc::clone(&checkpoints));
        let mut writer = opened.writer;
        let count = "UPDATE versions SET last = last + 1";
        writer.execute(count).await.unwrap();
        checkpointing.wrote(PAGES - 1, PAGE_BYTES - 1);
        checkpointing.advance(&mut writer).await;
        assert!(checkpointing.task.is_none(), "the checkpoint starts too early");
        checkpointing.wrote(1, 0);
        checkpointing.advance(&mut writer).await;
        let ended = checkpointing.task.take().expect("no checkpoint was started").await;
        let (pages, checkpointed) = log(&mut writer).await;
        assert_eq!(pages, checkpointed);
        // Nothing is being read, so the WAL restarts; two pages stand for those written during the checkpoint.
        writer.execute(count).await.unwrap();
        writer.execute(count).await.unwrap();
        assert_eq!(log(&mut writer).await, (2, 0));
        checkpointing.finish(ended, &mut writer).await;
        assert_eq!((log(&mut writer).await, checkpointing.pages), ((2, 2), 0));
        let load = checkpoints.load(&folder.path().join("prism.db"));
        // That of the task, and that of the writer.
        assert_eq!((load.checkpoint_micros.count(), load.failed), (2, 0));
        assert!(load.bytes > 2 * PAGE_BYTES as u64, "{load:?}");
        checkpointing.close().await;
    }
}
