//! The Postgres backend: writers that commit in groups, and readers, for KeyValue and for TimeSeries. Any number of gateways
//! may share a database.
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
//! - `timeseries` has the statements of TimeSeries, on the same sessions.

mod engine;
mod keyvalue;
mod options;
#[cfg(test)]
mod plans;
mod timeseries;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use prism_contract::keyvalue::{
    Capabilities, Delete, EntryPage, Get, ItemPage, KeyValueBackend, Put, PutResult, RecordId, Scan,
};
use prism_contract::timeseries::{
    self as ts, Append, Bucket, DeleteEvents, EventPage, Expired, Histogram, ListSeries, Partitions,
    Position, Query, Series, SeriesPage, Start, Tail, TailPage, TimeSeriesBackend,
};
use prism_contract::{Error, Lifecycle, Namespace, Swept, Timestamp};

use crate::check::Report;
use crate::observe::{Load, Observe};
use crate::rewrite::{Content, Rewrite};
use engine::{Engine, Inspection, OfSchema, WriteQueue, open};
use keyvalue::{KeyValueCommit, Locks, Readers, SCHEMA, rewrite};
use timeseries::TimeSeries;

pub use engine::{OpenError, Settings};
pub use keyvalue::SCHEMA_VERSION;
pub use options::Options;

/// The checks of both abstractions.
const CHECKS: [OfSchema; 2] =
    [OfSchema(&SCHEMA, &keyvalue::CHECKS), OfSchema(&timeseries::SCHEMA, &timeseries::CHECKS)];

/// Checks a database without changing it, also while gateways serve it, and also a standby. Each statement may take
/// `time_limit`. A row is sweepable at `now`.
///
/// # Errors
/// If the database is unreachable, has no tables of this version of Prism, or does not answer in time. Damage is no error.
pub async fn check(options: &Options, now: Timestamp, time_limit: Duration) -> Result<Report, OpenError> {
    let mut database = Inspection::open(options, time_limit).await?;
    let checked = database.check(&CHECKS, now, options.retention).await;
    database.close().await;
    checked
}

/// Whether items or tombstones are left that a sweep at `now` would remove. A sweep itself does not know: it does nothing while
/// another gateway sweeps, and skips records that are being written.
///
/// # Errors
/// If the database is unreachable, or does not answer in time.
pub async fn is_sweepable(options: &Options, now: Timestamp) -> Result<bool, OpenError> {
    let mut database = Inspection::open(options, options.statement_timeout).await?;
    let forgotten = now.saturating_sub(options.retention).as_micros();
    let answer = database.is_true(keyvalue::IS_SWEEPABLE, [now.as_micros(), forgotten]).await;
    database.close().await;
    answer
}

/// A KeyValue and TimeSeries store in a Postgres database, with all capabilities of both.
///
/// Dropping it abandons queued writes; [`close`](Lifecycle::close) finishes them first.
pub struct Postgres {
    engine: Engine,
    writes: WriteQueue<KeyValueCommit>,
    readers: Arc<Readers>,
    timeseries: TimeSeries,
}

impl Postgres {
    /// Connects, and brings the schema up to date. Must be called within a tokio runtime.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let opened = open(&options, &SCHEMA).await?;
        let seed = opened.seed;
        let engine = Engine::new(opened, &options);
        let writes = engine.start_writers(&options, KeyValueCommit::new(Locks::new(seed), &options));
        let readers = Arc::new(Readers::new(engine.read_sessions(), &options));
        let timeseries = TimeSeries::start(&engine, &readers, &options, seed);
        Ok(Self { engine, writes, readers, timeseries })
    }

    /// Brings the schema of TimeSeries up to date, which the first request does otherwise: a gateway that serves TimeSeries
    /// learns at its start if it cannot.
    ///
    /// # Errors
    /// [`Error::Unavailable`], also without the right to create tables; [`Error::Internal`] if the schema is of a later version
    /// of Prism.
    pub async fn prepare_timeseries(&self) -> Result<(), Error> {
        self.timeseries.prepare().await
    }

    /// The settings that durability depends on (DUR-4), as reported by the database on a write connection.
    pub async fn settings(&self) -> Result<Settings, Error> {
        self.engine.settings(&SCHEMA).await
    }
}

#[async_trait]
impl Lifecycle for Postgres {
    /// Queries the database on a session reserved for checks.
    async fn check(&self) -> Result<(), Error> {
        self.engine.check().await
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        self.writes.sweep(now).await
    }

    /// Finishes queued writes, then closes every connection.
    async fn close(&self) {
        self.readers.close().await;
        self.timeseries.close().await;
        self.writes.close().await;
        self.engine.close().await;
    }
}

#[async_trait]
impl KeyValueBackend for Postgres {
    fn capabilities(&self, _: &Namespace) -> Capabilities {
        Capabilities::ALL
    }

    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error> {
        self.writes.queue.put(put).await
    }

    async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        self.readers.get(get).await
    }

    async fn delete(&self, delete: Delete) -> Result<u64, Error> {
        self.writes.queue.delete(delete).await
    }

    async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
        self.readers.scan(scan).await
    }
}

#[async_trait]
impl TimeSeriesBackend for Postgres {
    fn capabilities(&self, _: &Namespace) -> ts::Capabilities {
        ts::Capabilities::ALL
    }

    async fn append(&self, append: Append) -> Result<Vec<bool>, Error> {
        self.timeseries.append(append).await
    }

    async fn query(&self, query: &Query) -> Result<EventPage, Error> {
        self.timeseries.query(query).await
    }

    async fn position(
        &self,
        namespace: &Namespace,
        series: Option<&Series>,
        start: Start,
    ) -> Result<Position, Error> {
        self.timeseries.position(namespace, series, start).await
    }

    async fn tail(&self, tail: &Tail) -> Result<TailPage, Error> {
        self.timeseries.tail(tail).await
    }

    async fn appended(&self, tail: &Tail) {
        self.timeseries.appended(tail).await;
    }

    async fn list_series(&self, list: &ListSeries) -> Result<SeriesPage, Error> {
        self.timeseries.list_series(list).await
    }

    async fn histogram(&self, histogram: &Histogram) -> Result<Vec<Bucket>, Error> {
        self.timeseries.histogram(histogram).await
    }

    async fn delete_events(&self, delete: DeleteEvents) -> Result<u64, Error> {
        self.timeseries.delete_events(&delete).await
    }

    async fn expire(&self, expired: Expired<'_>) -> Result<Swept, Error> {
        self.timeseries.expire(expired).await
    }

    async fn repartitioned(&self, configured: Partitions<'_>) -> Result<Option<(Namespace, u32)>, Error> {
        self.timeseries.repartitioned(configured).await
    }
}

impl Observe for Postgres {
    fn load(&self, namespaces: usize) -> Load {
        let mut load = Load::default();
        self.writes.load("write", namespaces, &mut load);
        // An Append is not committed alone.
        self.writes.alone.load(&mut load);
        self.timeseries.load(namespaces, &mut load);
        self.readers.load(namespaces, &mut load);
        load
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
