//! WAL checkpoints while writes go on.
//!
//! SQLite would checkpoint within a commit, and every waiting write would wait for thousands of pages. So a separate connection
//! checkpoints what there is, again and again while the writer adds to it, and the writer checkpoints the few pages that are left:
//! only once nothing is left does SQLite start the log again.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use tokio::task::{JoinError, JoinHandle};

/// The log is checkpointed after so many pages (32 MiB): a page that is written often is then checkpointed once.
const PAGES: usize = 8_000;
/// Pages that the writer checkpoints itself, in a millisecond or two.
const FEW: i64 = 200;
/// Most times that the log is checkpointed before the writer checkpoints the rest, however much that is.
const PASSES: usize = 4;
/// SQLite's pages.
const PAGE_BYTES: usize = 4_096;

/// What became of checkpointing: the connection, fit for more.
type Ended = Result<Result<SqliteConnection, sqlx::Error>, JoinError>;

/// How far the log has grown, and who checkpoints it.
pub(in crate::sqlite) struct Checkpointing {
    connect: SqliteConnectOptions,
    /// A connection that rests; none before the first time, and after a failure.
    connection: Option<SqliteConnection>,
    task: Option<JoinHandle<Result<SqliteConnection, sqlx::Error>>>,
    /// About how many pages were written since the log was checkpointed.
    pages: usize,
}

impl Checkpointing {
    /// By a connection that is opened so.
    pub(in crate::sqlite) fn new(connect: SqliteConnectOptions) -> Self {
        Self { connect, connection: None, task: None, pages: 0 }
    }

    /// Something was committed: so many rows, of so many bytes together.
    pub(in crate::sqlite) fn wrote(&mut self, rows: usize, bytes: usize) {
        self.pages += rows + bytes / PAGE_BYTES;
    }

    /// Begins to checkpoint if it is time, and has the writer checkpoint the rest if it has become little.
    pub(in crate::sqlite) async fn go_on(&mut self, writer: &mut SqliteConnection) {
        match self.task.take_if(|task| task.is_finished()) {
            Some(task) => {
                let ended = task.await;
                self.finish(ended, writer).await;
            }
            None if self.task.is_none() && self.pages >= PAGES => {
                let connection = self.connection.take();
                let connect = self.connect.clone();
                self.task = Some(tokio::spawn(checkpoint_most(connection, connect)));
            }
            None => {}
        }
    }

    /// Most of the log has been checkpointed, or could not be: has the writer checkpoint the rest.
    async fn finish(&mut self, ended: Ended, writer: &mut SqliteConnection) {
        self.rest(ended);
        self.pages = 0;
        if let Err(error) = checkpoint(writer).await {
            tracing::warn!(%error, "the rest of the log was not folded into the file; it is tried again");
        }
    }

    /// Takes the connection back.
    fn rest(&mut self, ended: Ended) {
        // One that panicked has no connection to give back, like one that failed.
        match ended {
            Ok(Ok(connection)) => self.connection = Some(connection),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the log was not folded into the file; it is tried again");
            }
            Err(error) => tracing::error!(%error, "the log was not folded into the file; it is tried again"),
        }
    }

    /// Waits for what is being checkpointed, and closes the connection.
    pub(in crate::sqlite) async fn close(mut self) {
        if let Some(task) = self.task.take() {
            let ended = task.await;
            self.rest(ended);
        }
        if let Some(connection) = self.connection {
            // What was checkpointed is on disk, and what was not is in the log.
            let _ = connection.close().await;
        }
    }
}

/// Folds until little is left.
async fn checkpoint_most(
    connection: Option<SqliteConnection>,
    connect: SqliteConnectOptions,
) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = match connection {
        Some(connection) => connection,
        None => connect.connect().await?,
    };
    let mut checkpointed = 0;
    for _ in 0..PASSES {
        let before = checkpointed;
        checkpointed = checkpoint(&mut connection).await?;
        if checkpointed - before <= FEW {
            break;
        }
    }
    Ok(connection)
}

/// Checkpoints what is in the log now, up to the oldest snapshot that is being read, without waiting for readers; answers how many of
/// the log's pages are checkpointed by then.
async fn checkpoint(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(connection).await?.try_get(2)
}

#[cfg(test)]
mod tests {
    use sqlx::Executor;

    use super::*;
    use crate::sqlite::keyvalue::SCHEMA;
    use crate::sqlite::{Options, open};

    /// Pages in the log, and how many of them are checkpointed.
    async fn log(connection: &mut SqliteConnection) -> (i64, i64) {
        let looked = sqlx::query("PRAGMA wal_checkpoint(NOOP)").fetch_one(connection).await.unwrap();
        (looked.get(1), looked.get(2))
    }

    #[tokio::test]
    async fn what_was_written_during_a_checkpoint_is_checkpointed_by_the_writer() {
        let folder = tempfile::tempdir().unwrap();
        let opened = open(&Options::new(folder.path().join("prism.db")), &SCHEMA).await.unwrap();
        let (mut writer, mut checkpointing) = (opened.writer, Checkpointing::new(opened.connect));
        let count = "UPDATE versions SET last = last + 1";
        writer.execute(count).await.unwrap();
        checkpointing.wrote(PAGES - 1, PAGE_BYTES - 1);
        checkpointing.go_on(&mut writer).await;
        assert!(checkpointing.task.is_none(), "it is not time yet");
        checkpointing.wrote(1, 0);
        checkpointing.go_on(&mut writer).await;
        let ended = checkpointing.task.take().expect("it is time").await;
        let (pages, checkpointed) = log(&mut writer).await;
        assert_eq!(pages, checkpointed);
        // Nothing is being read, so the log starts again; two pages stand for those that come while the log is checkpointed.
        writer.execute(count).await.unwrap();
        writer.execute(count).await.unwrap();
        assert_eq!(log(&mut writer).await, (2, 0));
        checkpointing.finish(ended, &mut writer).await;
        assert_eq!((log(&mut writer).await, checkpointing.pages), ((2, 2), 0));
        checkpointing.close().await;
    }
}
