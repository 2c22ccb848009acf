//! The Postgres backend: one table, writers that commit in groups, and a pool of readers. Any number of gateways may share a
//! database.
//!
//! - Each record is guarded by an advisory lock of its own, held until the transaction ends (`locks`). Puts that need
//!   nothing read first share it; conditional writes, Deletes and sweeps hold it alone (LIN-1, LIN-4, COND-3).
//! - `plain` does a batch of such Puts in one statement and one round trip; `transaction` locks, loads, decides and writes
//!   any other batch.
//! - Versions come from one sequence, drawn only under the record's lock: so they rise in the order of the writes, through
//!   whichever gateway these come (VER-1).
//! - `select` answers each page from one statement, which is one moment (LIN-3).

mod decode;
mod error;
mod locks;
mod open;
mod open_error;
mod options;
mod page_sql;
mod plain;
#[cfg(test)]
mod plans;
mod reader;
mod schema;
mod select;
mod session;
mod settings;
mod sweep;
mod transaction;
mod write_sql;
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

use crate::batch::{Write, Written};
use crate::queue::{Queue, closed, queue};
use reader::Readers;
use writer::{Errand, Writers};

pub use open_error::OpenError;
pub use options::Options;
pub use schema::SCHEMA_VERSION;
pub use settings::Settings;

/// A KeyValue store in a Postgres database. It claims every capability.
///
/// Dropping it abandons what is queued; [`close`](KeyValueBackend::close) finishes it first.
pub struct Postgres {
    queue: Queue<Errand>,
    readers: Readers,
    /// Whether the last write transaction failed because the database was away.
    away: Arc<AtomicBool>,
    writers: Mutex<Option<JoinHandle<()>>>,
}

impl Postgres {
    /// Connects, and brings the schema up to date. Must be called within a tokio runtime.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let (connector, locks, session) = open::open(&options).await?;
        let (queue, intake) = queue(options.queue_length, options.queue_bytes, options.max_batch);
        let away = Arc::new(AtomicBool::new(false));
        let writers = Writers::new(connector.clone(), locks, &options, Arc::clone(&away));
        let writers = tokio::spawn(writers.run(intake));
        let readers = Readers::new(connector, session, &options);
        Ok(Self { queue, readers, away, writers: Mutex::new(Some(writers)) })
    }

    /// What the database itself says of the settings that durability rests on (DUR-4), asked of a connection that writes.
    pub async fn settings(&self) -> Result<Settings, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_errand(Errand::Settings { answer })?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Whether the database takes writes, as far as an empty transaction can tell. A queue too full for the question does
    /// not mean that the database is away, so then the last transaction's fate is the answer.
    async fn check_writers(&self) -> Result<(), Error> {
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
impl KeyValueBackend for Postgres {
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

    /// Asks a reader whether the database takes writes, and has a writer run an empty statement.
    async fn check(&self) -> Result<(), Error> {
        match self.readers.check().await {
            // Busy is not away.
            Ok(()) | Err(Error::ResourceExhausted(_)) => self.check_writers().await,
            Err(error) => Err(error),
        }
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_errand(Errand::Sweep { now, answer })?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Finishes the writes that wait, then closes every connection.
    async fn close(&self) {
        self.readers.close().await;
        self.queue.errand(Errand::Close).await;
        let writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writers) = writers {
            // If they panicked, there is nothing left to close.
            let _ = writers.await;
        }
    }
}
