//! The Postgres backend: one table, writers that commit in groups, and readers. Any number of gateways may share a
//! database.
//!
//! - `engine` opens sessions with a server that takes writes and with no other; where one breaks or is refused a write, all that
//!   were opened before it are given up. It keeps those that rest, and runs the writers.
//! - `keyvalue` has the statements. Each record is guarded by its own advisory lock, held until the transaction ends (`locks`):
//!   Puts that need nothing read first share it; conditional writes, Deletes and sweeps hold it alone (LIN-1, LIN-4, COND-3).
//! - `unconditional` does a batch of such Puts in one statement and one round trip; `transaction` locks, loads, decides and writes
//!   any other batch.
//! - Versions come from one sequence, drawn only under the record's lock: so they rise in the order of the writes, through
//!   whichever gateway these come (VER-1).
//! - `select` answers each page from one statement, which is one moment (LIN-3).

mod engine;
mod keyvalue;

use async_trait::async_trait;
use prism_contract::keyvalue::{
    Capabilities, Delete, EntryPage, Get, ItemPage, KeyValueBackend, Put, PutResult, Scan,
};
use prism_contract::{Error, Lifecycle, Namespace, Swept, Timestamp};

use engine::{Engine, open};
use keyvalue::{KeyValueCommit, Locks, Readers, SCHEMA};

pub use engine::{OpenError, Options, Settings};
pub use keyvalue::SCHEMA_VERSION;

/// A KeyValue store in a Postgres database. It claims every capability.
///
/// Dropping it abandons what is queued; [`close`](Lifecycle::close) finishes it first.
pub struct Postgres {
    engine: Engine<KeyValueCommit>,
    readers: Readers,
}

impl Postgres {
    /// Connects, and brings the schema up to date. Must be called within a tokio runtime.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let opened = open(&options, &SCHEMA).await?;
        let commit = KeyValueCommit::new(Locks::new(opened.seed), &options);
        let engine = Engine::start(opened, &options, commit);
        let readers = Readers::new(engine.read_sessions(), &options);
        Ok(Self { engine, readers })
    }

    /// What the database itself says of the settings that durability rests on (DUR-4), asked of a connection that writes.
    pub async fn settings(&self) -> Result<Settings, Error> {
        self.engine.settings().await
    }
}

#[async_trait]
impl Lifecycle for Postgres {
    /// Asks the database, on a session that neither reads nor writes wait for.
    async fn check(&self) -> Result<(), Error> {
        self.engine.check().await
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        self.engine.sweep(now).await
    }

    /// Finishes the writes that wait, then closes every connection.
    async fn close(&self) {
        self.readers.close().await;
        self.engine.close().await;
    }
}

#[async_trait]
impl KeyValueBackend for Postgres {
    fn capabilities(&self, _: &Namespace) -> Capabilities {
        Capabilities::ALL
    }

    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error> {
        self.engine.queue.put(put).await
    }

    async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        self.readers.get(get).await
    }

    async fn delete(&self, delete: Delete) -> Result<u64, Error> {
        self.engine.queue.delete(delete).await
    }

    async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
        self.readers.scan(scan).await
    }
}
