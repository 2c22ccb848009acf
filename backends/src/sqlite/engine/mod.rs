//! A SQLite file: its connections, its one writer, its checkpoints, and what becomes of it in an outage. What is read and
//! written is the abstraction's, by [`Commit`] and by the statements it runs on acquired connections.

mod callers;
mod checkpoint;
mod commit;
mod error;
mod files;
mod large;
mod limit;
mod open;
mod open_error;
mod options;
mod outcome;
mod reader;
mod schema;
mod settings;
mod transaction;
mod writer;

use std::sync::{Arc, Mutex, PoisonError};

use prism_contract::{Error, Swept, Timestamp};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use crate::engine::{Queue, closed, queue};
#[cfg(not(test))]
use files::Files;
use outcome::{Outcome, Verdict};
use writer::Writer;

pub(in crate::sqlite) use commit::{Commit, Watched, Written};
pub(in crate::sqlite) use error::{Code, code, translate};
#[cfg(test)]
pub(in crate::sqlite) use files::Files;
pub(in crate::sqlite) use limit::Limit;
pub(in crate::sqlite) use open::{Opened, open};
pub use open_error::OpenError;
pub use options::Options;
pub(in crate::sqlite) use reader::{Connections, Reader, discard};
pub(in crate::sqlite) use schema::Schema;
#[cfg(test)]
pub(in crate::sqlite) use schema::migrate;
pub use settings::Settings;
#[cfg(test)]
pub(in crate::sqlite) use settings::number;
pub(in crate::sqlite) use transaction::Transaction;
pub(in crate::sqlite) use writer::Command;

/// The writing side of an open file. Dropping it abandons what is queued; [`Engine::close`] finishes it first.
pub(in crate::sqlite) struct Engine<C: Commit> {
    pub(in crate::sqlite) queue: Queue<C::Group, Command>,
    pub(in crate::sqlite) files: Arc<Files>,
    pub(in crate::sqlite) outcome: Arc<Outcome>,
    /// One permit: for the only check that waits for the writer.
    probes: Arc<Semaphore>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl<C: Commit> Engine<C> {
    /// Starts the writer. Must be called within a tokio runtime.
    pub(in crate::sqlite) fn start(opened: Opened, options: &Options, commit: C) -> Self {
        let Opened { writer, connect, files, .. } = opened;
        let (queue, intake) = queue(options.queue_length, options.queue_bytes, options.max_batch);
        let outcome = Arc::new(Outcome::opened());
        let files_of_writer = Arc::clone(&files);
        let writer =
            Writer::new(writer, connect, options.delete_time, files_of_writer, Arc::clone(&outcome), commit);
        let writer = Mutex::new(Some(tokio::spawn(writer.run(intake))));
        Self { queue, files, outcome, probes: Arc::new(Semaphore::new(1)), writer }
    }

    /// What the database itself says of the settings that durability rests on (DUR-4), asked of the connection that
    /// writes.
    pub(in crate::sqlite) async fn settings(&self) -> Result<Settings, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_command(Command::Settings { answer })?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Whether the path still names the file that was opened.
    pub(in crate::sqlite) async fn check_files(&self) -> Result<(), Error> {
        let files = Arc::clone(&self.files);
        // A disk that hangs holds up a thread that nothing else waits for.
        tokio::task::spawn_blocking(move || files.look()).await.map_err(Error::internal)?
    }

    /// Whether the database takes writes: what became of the writer's last transaction, or, where that says too little, what
    /// becomes of one that is made for it. One check at a time asks the writer; the others wait here, and not in its queue.
    pub(in crate::sqlite) async fn check_writer(&self) -> Result<(), Error> {
        if let Some(known) = self.last_write() {
            return known;
        }
        let one = Arc::clone(&self.probes).acquire_owned().await.map_err(|_| closed())?;
        // The check before this one may have shown it.
        if let Some(known) = self.last_write() {
            return known;
        }
        let (answer, answered) = oneshot::channel();
        match self.queue.try_command(Command::Probe { answer, one }) {
            Ok(()) => answered.await.unwrap_or_else(|_| Err(closed())),
            // Busy is not away.
            Err(Error::ResourceExhausted(_)) if !self.outcome.is_away() => Ok(()),
            Err(Error::ResourceExhausted(_)) => Err(Error::unavailable("the last write failed")),
            Err(error) => Err(error),
        }
    }

    /// What the writer's last transaction shows of the database, if that is enough.
    fn last_write(&self) -> Option<Result<(), Error>> {
        match self.outcome.verdict() {
            Verdict::Well => Some(Ok(())),
            Verdict::Ill => {
                Some(Err(Error::unavailable("the last write failed: the disk is full, or failing")))
            }
            Verdict::Unknown => None,
        }
    }

    /// Drops some of what is dead at `now`.
    pub(in crate::sqlite) async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_command(Command::Sweep { now, answer })?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Finishes the writes that wait, and closes the writer's connection.
    pub(in crate::sqlite) async fn close(&self) {
        self.queue.command(Command::Close).await;
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // A writer that panicked has nothing left to close.
            let _ = writer.await;
        }
    }
}
