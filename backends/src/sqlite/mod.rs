//! The SQLite backend: one file, one writer that commits in groups, and a few readers.
//!
//! - The file is in WAL mode with `synchronous=FULL`: an answered write has reached the disk (DUR-1, DUR-4). Several
//!   processes may share a file on one machine; each write holds SQLite's write lock while it reads what it decides on.
//! - `writer` drains the queue into one transaction; `transaction` loads, decides and writes a batch in few statements;
//!   `plain` has those that need nothing read first done by one text; `fold` brings the log back into the file meanwhile.
//! - `reader` lends out connections; `select` answers each page from one statement, which is one moment (LIN-3).

mod decode;
mod error;
mod fold;
mod open;
mod open_error;
mod options;
mod plain;
#[cfg(test)]
mod plans;
mod reader;
mod schema;
mod select;
mod settings;
mod sql;
mod stock;
mod sweep;
mod transaction;
mod writer;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use prism_contract::keyvalue::{
    Capabilities, Delete, EntryPage, Error, Get, ItemPage, KeyValueBackend, Put, PutResult, Scan, Swept,
    Timestamp,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::batch::{Write, Written, whole_micros};
use crate::queue::{Queue, closed, queue};
use open::Identity;
use reader::Readers;
use writer::{Errand, Writer};

pub use open_error::OpenError;
pub use options::Options;
pub use schema::SCHEMA_VERSION;
pub use settings::Settings;

/// A KeyValue store in one SQLite file. It claims every capability.
///
/// Dropping it abandons what is queued; [`close`](KeyValueBackend::close) finishes it first.
pub struct Sqlite {
    queue: Queue<Errand>,
    readers: Readers,
    identity: Identity,
    /// Whether the writer's last transaction failed because the database was away.
    away: Arc<AtomicBool>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Sqlite {
    /// Opens the file, makes it if there is none, and brings its schema up to date. Must be called within a tokio runtime.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let opened = open::open(&options).await?;
        let (queue, intake) = queue(options.queue_length, options.queue_bytes, options.max_batch);
        let away = Arc::new(AtomicBool::new(false));
        let writer =
            Writer::new(opened.writer, opened.connect, whole_micros(options.retention), Arc::clone(&away));
        let writer = tokio::spawn(writer.run(intake));
        let readers = opened.readers;
        Ok(Self { queue, readers, identity: opened.identity, away, writer: Mutex::new(Some(writer)) })
    }

    /// What the database itself says of the settings that durability rests on (DUR-4), asked of the connection that
    /// writes.
    pub async fn settings(&self) -> Result<Settings, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_errand(Errand::Settings { answer })?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Whether the database takes writes, as far as an empty transaction can tell. A queue too full for the question does
    /// not mean that the database is away, so then the last transaction's fate is the answer.
    async fn check_writer(&self) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        match self.queue.try_errand(Errand::Probe { answer }) {
            Ok(()) => answered.await.unwrap_or_else(|_| Err(closed())),
            Err(Error::ResourceExhausted(_)) if self.away.load(Ordering::Relaxed) => {
                Err(Error::unavailable("the last transaction failed"))
            }
            Err(Error::ResourceExhausted(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl KeyValueBackend for Sqlite {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error> {
        match self.queue.write(Write::Put(put)).await? {
            Written::Put(results) => Ok(results),
            Written::Deleted(_) => Err(Error::internal("a Put was answered as a Delete")),
        }
    }

    async fn get(&self, get: Get) -> Result<ItemPage, Error> {
        self.readers.get(get).await
    }

    async fn delete(&self, delete: Delete) -> Result<u64, Error> {
        match self.queue.write(Write::Delete(delete)).await? {
            Written::Deleted(count) => Ok(count),
            Written::Put(_) => Err(Error::internal("a Delete was answered as a Put")),
        }
    }

    async fn scan(&self, scan: Scan) -> Result<EntryPage, Error> {
        self.readers.scan(&scan).await
    }

    /// Reads a row, begins and ends a write transaction, and looks whether the path still names the file that was
    /// opened: SQLite itself would go on writing to a file that was deleted.
    async fn check(&self) -> Result<(), Error> {
        self.identity.check().await?;
        match self.readers.check().await {
            // Busy is not away.
            Ok(()) | Err(Error::ResourceExhausted(_)) => self.check_writer().await,
            Err(error) => Err(error),
        }
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_errand(Errand::Sweep { now, answer })?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Finishes the writes that wait, then closes every connection. The last process to close a file also folds its log
    /// into it.
    async fn close(&self) {
        self.readers.close().await;
        self.queue.errand(Errand::Close).await;
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // A writer that panicked has nothing left to close.
            let _ = writer.await;
        }
    }
}
