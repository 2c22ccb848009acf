//! The Postgres backend: one table, writers that commit in groups, and readers. Any number of gateways may share a
//! database.
//!
//! - Each record is guarded by its own advisory lock, held until the transaction ends (`locks`). Puts that need
//!   nothing read first share it; conditional writes, Deletes and sweeps hold it alone (LIN-1, LIN-4, COND-3).
//! - `unconditional` does a batch of such Puts in one statement and one round trip; `transaction` locks, loads, decides and writes
//!   any other batch.
//! - Versions come from one sequence, drawn only under the record's lock: so they rise in the order of the writes, through
//!   whichever gateway these come (VER-1).
//! - `select` answers each page from one statement, which is one moment (LIN-3).
//! - `connector` opens sessions with a server that takes writes and with no other; where one breaks or is refused a write, all
//!   that were opened before it are given up. `pool` keeps those that rest.

mod check;
mod connector;
mod decode;
mod error;
mod locks;
mod open;
mod open_error;
mod options;
mod page_sql;
#[cfg(test)]
mod plans;
mod pool;
mod pooler;
mod reader;
mod running;
mod schema;
mod select;
mod session;
mod settings;
mod sweep;
mod transaction;
mod unconditional;
mod write_sql;
mod writer;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use prism_contract::keyvalue::{
    Capabilities, Delete, EntryPage, Get, ItemPage, KeyValueBackend, Put, PutResult, Scan,
};
use prism_contract::{Error, Lifecycle, Namespace, Swept, Timestamp};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::batch::{Write, Written};
use crate::queue::{Queue, closed, queue};
use check::Check;
use pool::{Pool, Use};
use reader::Readers;
use writer::{Command, Writers};

pub use open_error::OpenError;
pub use options::Options;
pub use schema::SCHEMA_VERSION;
pub use settings::Settings;

/// A KeyValue store in a Postgres database. It claims every capability.
///
/// Dropping it abandons what is queued; [`close`](Lifecycle::close) finishes it first.
pub struct Postgres {
    queue: Queue<Command>,
    readers: Readers,
    check: Check,
    pool: Arc<Pool>,
    writers: Mutex<Option<JoinHandle<()>>>,
}

impl Postgres {
    /// Connects, and brings the schema up to date. Must be called within a tokio runtime.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let open::Opened { connector, locks, first, second } = open::open(&options).await?;
        let pool = Arc::new(Pool::new(connector, options.read_wait));
        pool.give_back(first, Use::Read);
        if let Some(second) = second {
            pool.give_back(second, Use::Write);
        }
        let (queue, intake) = queue(options.queue_length, options.queue_bytes, options.max_batch);
        let away = Arc::new(AtomicBool::new(false));
        let writers = Writers::new(Arc::clone(&pool), locks, &options, Arc::clone(&away));
        let writers = tokio::spawn(writers.run(intake));
        let readers = Readers::new(Arc::clone(&pool), &options);
        let check = Check::new(Arc::clone(&pool), away);
        Ok(Self { queue, readers, check, pool, writers: Mutex::new(Some(writers)) })
    }

    /// What the database itself says of the settings that durability rests on (DUR-4), asked of a connection that writes.
    pub async fn settings(&self) -> Result<Settings, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_command(Command::Settings { answer })?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }
}

#[async_trait]
impl Lifecycle for Postgres {
    /// Asks the database, on a session that neither reads nor writes wait for.
    async fn check(&self) -> Result<(), Error> {
        self.check.run().await
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_command(Command::Sweep { now, answer })?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Finishes the writes that wait, then closes every connection.
    async fn close(&self) {
        self.readers.close().await;
        self.queue.command(Command::Close).await;
        let writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writers) = writers {
            // If they panicked, there is nothing left to close.
            let _ = writers.await;
        }
        self.pool.close().await;
    }
}

#[async_trait]
impl KeyValueBackend for Postgres {
    fn capabilities(&self, _: &Namespace) -> Capabilities {
        Capabilities::ALL
    }

    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error> {
        match self.queue.write(Write::Put(put)).await? {
            Written::Put(results) => Ok(results),
            Written::Deleted(_) => Err(Error::internal("a Put was answered as a Delete")),
        }
    }

    async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        self.readers.get(get).await
    }

    async fn delete(&self, delete: Delete) -> Result<u64, Error> {
        match self.queue.write(Write::Delete(delete)).await? {
            Written::Deleted(count) => Ok(count),
            Written::Put(_) => Err(Error::internal("a Delete was answered as a Put")),
        }
    }

    async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
        self.readers.scan(scan).await
    }
}
