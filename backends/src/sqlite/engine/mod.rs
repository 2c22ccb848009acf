//! A SQLite file: its connections, its one writer, its checkpoints, and the handling of outages. Reads and writes are the
//! abstraction's, through [`Commit`] and the statements that it runs on acquired connections.

mod backup;
mod callers;
mod checkpoint;
mod commit;
mod error;
mod files;
mod inspect;
mod large;
mod limit;
mod open;
mod open_error;
mod outcome;
mod reader;
mod schema;
mod settings;
mod transaction;
mod writer;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use prism_contract::{Error, Swept, Timestamp};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tracing::Span;

use crate::engine::{Queue, closed, queue};
use crate::observe::Load;
use crate::sqlite::Options;
use crate::trace;
use checkpoint::Checkpoints;
#[cfg(not(test))]
use files::Files;
use outcome::{Outcome, Verdict};
use writer::Writer;

pub use backup::{Backup, BackupError};
pub(in crate::sqlite) use backup::{Plan, Renew, back_up};
pub(in crate::sqlite) use commit::{Commit, Watched, Written};
pub(in crate::sqlite) use error::{Code, code, translate};
#[cfg(test)]
pub(in crate::sqlite) use files::Files;
pub(in crate::sqlite) use inspect::{Inspection, Since};
pub(in crate::sqlite) use limit::Limit;
pub(in crate::sqlite) use open::{Opened, open};
pub use open_error::OpenError;
pub(in crate::sqlite) use reader::{Connections, Reader, discard};
pub(in crate::sqlite) use schema::Schema;
#[cfg(test)]
pub(in crate::sqlite) use schema::migrate;
pub use settings::Settings;
#[cfg(test)]
pub(in crate::sqlite) use settings::number;
pub(in crate::sqlite) use transaction::Transaction;
pub(in crate::sqlite) use writer::Command;

/// The span of a statement, if its call or batch is traced.
pub(in crate::sqlite) fn statement_span(operation: &str) -> Span {
    trace::statement_span("sqlite", operation)
}

/// The write side of an open file. Dropping it abandons queued writes; [`Engine::close`] finishes them first.
pub(in crate::sqlite) struct Engine<C: Commit> {
    pub(in crate::sqlite) queue: Queue<C::Group, Command>,
    pub(in crate::sqlite) files: Arc<Files>,
    pub(in crate::sqlite) outcome: Arc<Outcome>,
    /// One permit: at most one check waits for the writer.
    probes: Arc<Semaphore>,
    checkpoints: Arc<Checkpoints>,
    path: PathBuf,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl<C: Commit> Engine<C> {
    /// Starts the writer. Must be called within a tokio runtime.
    pub(in crate::sqlite) fn start(opened: Opened, options: &Options, commit: C) -> Self {
        let Opened { writer, connect, files, .. } = opened;
        let (queue, intake) = queue(options.queue_length, options.queue_bytes, options.max_batch);
        let outcome = Arc::new(Outcome::opened());
        let checkpoints = Arc::new(Checkpoints::new());
        let writer = Writer::new(
            writer,
            connect,
            options.delete_time,
            Arc::clone(&files),
            Arc::clone(&outcome),
            Arc::clone(&checkpoints),
            commit,
        );
        let writer = Mutex::new(Some(tokio::spawn(writer.run(intake))));
        let (probes, path) = (Arc::new(Semaphore::new(1)), options.path.clone());
        Self { queue, files, outcome, probes, checkpoints, path, writer }
    }

    /// Adds the load of the writer and of the write-ahead log.
    pub(in crate::sqlite) fn load(&self, namespaces: usize, load: &mut Load) {
        self.queue.load("write", 1, namespaces, load);
        load.wal = Some(self.checkpoints.load(&self.path));
        load.file = Some(self.path.clone());
    }

    /// The settings that durability depends on (DUR-4), as reported by the database on the write connection.
    pub(in crate::sqlite) async fn settings(&self) -> Result<Settings, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_command(Command::Settings { answer })?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Checks that the path still names the opened file.
    pub(in crate::sqlite) async fn check_files(&self) -> Result<(), Error> {
        let files = Arc::clone(&self.files);
        // On a separate thread, since a hanging disk blocks it.
        tokio::task::spawn_blocking(move || files.recheck()).await.map_err(Error::internal)?
    }

    /// Whether the database accepts writes: the outcome of the writer's last transaction, or, if that is not conclusive, of
    /// a test transaction. One check at a time queues a probe; the others wait here, and not in the queue.
    pub(in crate::sqlite) async fn check_writer(&self) -> Result<(), Error> {
        if let Some(known) = self.last_write() {
            return known;
        }
        let one = Arc::clone(&self.probes).acquire_owned().await.map_err(|_| closed())?;
        // The previous check may have updated it.
        if let Some(known) = self.last_write() {
            return known;
        }
        let (answer, answered) = oneshot::channel();
        match self.queue.try_command(Command::Probe { answer, one }) {
            Ok(()) => answered.await.unwrap_or_else(|_| Err(closed())),
            // The queue is full: busy, but available.
            Err(Error::ResourceExhausted(_)) if !self.outcome.is_unavailable() => Ok(()),
            Err(Error::ResourceExhausted(_)) => Err(Error::unavailable("the last write failed")),
            Err(error) => Err(error),
        }
    }

    /// The availability shown by the writer's last transaction, if it is conclusive.
    fn last_write(&self) -> Option<Result<(), Error>> {
        match self.outcome.verdict() {
            Verdict::Healthy => Some(Ok(())),
            Verdict::Unhealthy => {
                Some(Err(Error::unavailable("the last write failed: the disk is full or failing")))
            }
            Verdict::Unknown => None,
        }
    }

    /// Removes some of the rows that are dead at `now`.
    pub(in crate::sqlite) async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_command(Command::Sweep { now, answer })?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Finishes queued writes, and closes the writer's connection.
    pub(in crate::sqlite) async fn close(&self) {
        self.queue.command(Command::Close).await;
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // After a panic there is nothing left to close.
            let _ = writer.await;
        }
    }
}
