//! The Postgres backend: one table, writers that commit in groups, and readers. Any number of gateways may share a
//! database.
//!
//! - `engine` opens sessions only with a server that accepts writes. If a session breaks or its write is refused as
//!   read-only, all sessions opened before it are invalidated. It also keeps idle sessions, and runs the writers.
//! - `keyvalue` has the statements. Each record has an advisory lock, held until the transaction ends (`locks`):
//!   unconditional Puts take it shared; conditional writes, Deletes and sweeps take it exclusive (LIN-1, LIN-4, COND-3).
//! - `unconditional` executes a batch of unconditional Puts in one statement and one round trip; `transaction` locks, loads,
//!   decides and writes any other batch.
//! - Versions come from one sequence, drawn only under the record's lock, so they rise in the order of the writes through
//!   all gateways (VER-1).
//! - `select` reads each page by one statement, which is one snapshot (LIN-3).

mod engine;
mod keyvalue;
mod options;

use async_trait::async_trait;
use prism_contract::keyvalue::{
    Capabilities, Delete, EntryPage, Get, ItemPage, KeyValueBackend, Put, PutResult, RecordId, Scan,
};
use prism_contract::{Error, Lifecycle, Namespace, Swept, Timestamp};

use crate::rewrite::{Content, Rewrite};
use engine::{Engine, open};
use keyvalue::{KeyValueCommit, Locks, Readers, SCHEMA, rewrite};

pub use engine::{OpenError, Settings};
pub use keyvalue::SCHEMA_VERSION;
pub use options::Options;

/// A KeyValue store in a Postgres database, with all capabilities.
///
/// Dropping it abandons queued writes; [`close`](Lifecycle::close) finishes them first.
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

    /// The settings that durability depends on (DUR-4), as reported by the database on a write connection.
    pub async fn settings(&self) -> Result<Settings, Error> {
        self.engine.settings().await
    }
}

#[async_trait]
impl Lifecycle for Postgres {
    /// Queries the database on a session reserved for checks.
    async fn check(&self) -> Result<(), Error> {
        self.engine.check().await
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        self.engine.sweep(now).await
    }

    /// Finishes queued writes, then closes every connection.
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

#[async_trait]
impl Rewrite for Postgres {
    async fn rewrite(
        &self,
        namespace: &Namespace,
        id: &RecordId,
        contents: Vec<Content>,
    ) -> Result<u64, Error> {
        self.engine.execute(rewrite(namespace, id, &contents)).await
    }
}
