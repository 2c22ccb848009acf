//! The SQLite backend: one file, one writer that commits in groups, and a few readers.
//!
//! - The file is in WAL mode with `synchronous=FULL`: an acknowledged write is on disk (DUR-1, DUR-4). Several processes on
//!   one machine may share a file; each write holds SQLite's write lock while it reads the rows that it depends on.
//! - `engine` has the connections, the writer, which commits all queued writes in one transaction, the WAL checkpoints, and
//!   the handling of outages.
//! - `commit` joins the writes of both abstractions into the writer's transactions.
//! - `keyvalue` has the statements: `commit` loads, decides and writes a group with few of them, `unconditional` writes a
//!   group that needs no read first, `select` reads each page by one statement, which is one snapshot (LIN-3).
//! - `timeseries` has those of TimeSeries: a namespace is one log, and an Append draws its positions in its transaction.

mod commit;
mod engine;
mod keyvalue;
mod options;
mod sized;
mod timeseries;

use async_trait::async_trait;
use prism_contract::keyvalue::{
    Capabilities, Delete, EntryPage, Get, ItemPage, KeyValueBackend, Put, PutResult, RecordId, Scan,
};
use prism_contract::{Error, Lifecycle, Namespace, Swept, Timestamp};

use crate::check::Report;
use crate::keyvalue::whole_micros;
use crate::observe::{Load, Observe};
use crate::rewrite::{Content, Rewrite};
use commit::StoreCommit;
use engine::{Engine, Inspection, Opened, Plan, Renew, Schema, Since, open};
use keyvalue::{KeyValueCommit, Readers, Rewriter};
use timeseries::TimeSeries;

pub use engine::{Backup, BackupError, OpenError, Settings};
pub use options::Options;

/// The schema version this crate works with: the number of its migrations.
pub const SCHEMA_VERSION: i64 = SCHEMA.version();

/// The schema of both abstractions.
const SCHEMA: Schema = Schema {
    migrations: &[keyvalue::ITEMS, timeseries::EVENTS],
    touch: "UPDATE versions SET last = last",
    read: "SELECT last FROM versions",
};

/// The checks of both abstractions, with the schema version of their first migration.
const CHECKS: [Since; 2] = [Since(1, &keyvalue::CHECKS), Since(2, &timeseries::CHECKS)];

/// Checks a file without changing it, also while gateways serve it. Memory is bounded; sorts larger than some MiB go to
/// temporary files. A row is sweepable at `now`.
///
/// # Errors
/// If the file is missing, is not one of this version of Prism, or cannot be read. Damage is no error.
pub async fn check(options: &Options, now: Timestamp) -> Result<Report, OpenError> {
    let mut file = Inspection::open(&options.path, options.busy_timeout, &SCHEMA).await?;
    let checked = file.check(&CHECKS, now, options.retention).await;
    let path = file.path.clone();
    file.close().await;
    checked.map_err(|error| OpenError::of(&path, error))
}

/// Copies a database to `file`, also while gateways serve it: everything that was acknowledged before, in one snapshot. The
/// copy is checked, is a store of another incarnation (TAIL-6), and has its name only once it is whole and on disk. Dropping
/// the future removes what it has written; a process that is killed leaves a file with `.partial-` in its name.
///
/// # Errors
/// [`BackupError`]; there is no file of that name then, unless it was there before.
pub async fn back_up(
    options: &Options,
    file: &std::path::Path,
    now: Timestamp,
) -> Result<Backup, BackupError> {
    let plan = Plan {
        database: &options.path,
        busy_timeout: options.busy_timeout,
        schema: &SCHEMA,
        renew: Renew(2, timeseries::RENEW),
        parts: &CHECKS,
        now,
        retention: options.retention,
    };
    engine::back_up(plan, file).await
}

/// A KeyValue and TimeSeries store in one SQLite file, with all capabilities.
///
/// Dropping it abandons queued writes; [`close`](Lifecycle::close) finishes them first.
pub struct Sqlite {
    engine: Engine<StoreCommit>,
    readers: Readers,
    rewriter: Rewriter,
    timeseries: TimeSeries,
}

impl Sqlite {
    /// Opens the file, creates it if it does not exist, and migrates its schema. Must be called within a tokio runtime.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let mut opened = open(&options, &SCHEMA).await?;
        let incarnation = timeseries::incarnation(&mut opened.writer).await;
        let incarnation = incarnation.map_err(|error| OpenError::of(&options.path, error))?;
        Ok(Self::start(opened, incarnation, &options))
    }

    /// Starts the writer.
    fn start(opened: Opened, incarnation: [u8; 16], options: &Options) -> Self {
        let readers = Readers::new(opened.connections.clone(), options);
        let timeseries = TimeSeries::new(incarnation, opened.connections.clone());
        let keyvalue = KeyValueCommit::new(whole_micros(options.retention));
        let commit = StoreCommit { keyvalue, timeseries: timeseries.commit() };
        let rewriter = Rewriter::new(opened.connect.clone());
        Self { engine: Engine::start(opened, options, commit), readers, rewriter, timeseries }
    }

    /// The settings that durability depends on (DUR-4), as reported by the database on the write connection.
    pub async fn settings(&self) -> Result<Settings, Error> {
        self.engine.settings().await
    }
}

#[async_trait]
impl Lifecycle for Sqlite {
    /// Checks that the path still names the opened file, reads a row on a reserved connection, and uses the outcome of the
    /// last write. Only if that is old, or failed, a test transaction is made. Load does not make the database unavailable:
    /// the check does not wait for other reads or writes.
    async fn check(&self) -> Result<(), Error> {
        self.engine.check_files().await?;
        self.readers.check().await?;
        self.engine.check_writer().await
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        self.engine.sweep(now).await
    }

    /// Finishes queued writes, then closes every connection. The last process to close a file also checkpoints its WAL.
    async fn close(&self) {
        self.timeseries.close().await;
        self.readers.close().await;
        self.rewriter.close().await;
        self.engine.close().await;
    }
}

#[async_trait]
impl KeyValueBackend for Sqlite {
    fn capabilities(&self, _: &Namespace) -> Capabilities {
        Capabilities::ALL
    }

    async fn put(&self, put: Put) -> Result<Vec<PutResult>, Error> {
        self.engine.queue.put(put).await
    }

    async fn get(&self, get: &Get) -> Result<ItemPage, Error> {
        self.engine.files.check()?;
        self.readers.get(get).await
    }

    async fn delete(&self, delete: Delete) -> Result<u64, Error> {
        self.engine.queue.delete(delete).await
    }

    async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
        self.engine.files.check()?;
        self.readers.scan(scan).await
    }
}

impl Observe for Sqlite {
    fn load(&self, namespaces: usize) -> Load {
        let mut load = Load::default();
        self.engine.load(namespaces, &mut load);
        self.readers.load(namespaces, &mut load);
        load
    }
}

#[async_trait]
impl Rewrite for Sqlite {
    async fn rewrite(
        &self,
        namespace: &Namespace,
        id: &RecordId,
        contents: Vec<Content>,
    ) -> Result<u64, Error> {
        self.engine.files.check()?;
        self.rewriter.rewrite(namespace, id, &contents).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::{pin_mut, poll};
    use prism_contract::keyvalue::{Key, NewItem};
    use prism_contract::timeseries::{
        Append, Event, EventId, Series, SeriesEvent, Tags, TimeSeriesBackend, Window,
    };
    use prism_contract::{Code, Namespace};
    use sqlx::Executor;
    use tokio::time::timeout;

    use super::engine::{Code as Cause, Command};
    use super::*;
    use crate::engine::{Intake, Next, queue};
    use crate::sqlite::commit::StoreWrites;

    fn put(value: impl Into<bytes::Bytes>) -> Put {
        Put {
            namespace: Namespace::new("n").unwrap(),
            id: RecordId::new("r").unwrap(),
            items: vec![NewItem {
                key: Key::new(&b"k"[..]).unwrap(),
                value: value.into(),
                content_type: String::new(),
                compression: 0,
            }],
            token: 0,
            expires_at: None,
            preconditions: Vec::new(),
            now: Timestamp::EPOCH,
        }
    }

    #[tokio::test]
    async fn a_full_disk_fails_the_check_at_once_though_a_small_change_fits() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::new(folder.path().join("prism.db"));
        let mut opened = open(&options, &SCHEMA).await.unwrap();
        // The file cannot grow, which SQLite reports like a full disk.
        opened.writer.execute("PRAGMA max_page_count = 1").await.unwrap();
        let store = Sqlite::start(opened, [0; 16], &options);
        store.put(put("small")).await.unwrap();
        store.check().await.unwrap();
        for _ in 0..3 {
            let error = store.put(put(vec![0; 1 << 20])).await.unwrap_err();
            assert_eq!(error.code(), Code::Unavailable);
            assert_eq!(store.check().await.unwrap_err().code(), Code::Unavailable);
        }
        store.put(put("small")).await.unwrap();
        store.check().await.unwrap();
        store.close().await;
    }

    fn event(payload: impl Into<bytes::Bytes>) -> Append {
        let event = Event {
            time: Timestamp::EPOCH,
            id: EventId::new(&b"i"[..]).unwrap(),
            payload: payload.into(),
            content_type: String::new(),
            tags: Tags::default(),
        };
        Append {
            namespace: Namespace::new("n").unwrap(),
            events: vec![SeriesEvent { series: Series::new("s").unwrap(), event }],
            now: Timestamp::EPOCH,
            window: Window::default(),
            expired: None,
            partitions: 8,
        }
    }

    #[tokio::test]
    async fn an_append_that_a_full_disk_fails_leaves_neither_its_events_nor_its_series() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::new(folder.path().join("prism.db"));
        let mut opened = open(&options, &SCHEMA).await.unwrap();
        opened.writer.execute("PRAGMA max_page_count = 1").await.unwrap();
        let store = Sqlite::start(opened, [0; 16], &options);
        for _ in 0..2 {
            let error = store.append(event(vec![0; 1 << 20])).await.unwrap_err();
            assert_eq!(error.code(), Code::Unavailable);
            assert_eq!(store.check().await.unwrap_err().code(), Code::Unavailable);
        }
        assert_eq!(store.append(event("small")).await.unwrap(), [false]);
        assert_eq!(store.append(event("small")).await.unwrap(), [true]);
        store.close().await;
        let store = Sqlite::open(options).await.unwrap();
        assert_eq!(store.append(event("small")).await.unwrap(), [true]);
    }

    /// A store whose queue has no writer.
    async fn stuck(options: &Options) -> (Sqlite, Intake<StoreWrites, Command>) {
        let opened = open(options, &SCHEMA).await.unwrap();
        let mut store = Sqlite::start(opened, [0; 16], options);
        let (queue, intake) = queue(options.queue_length, options.queue_bytes, options.max_batch);
        store.engine.queue = queue;
        (store, intake)
    }

    #[tokio::test]
    async fn cancelled_checks_leave_at_most_one_probe_to_the_writer() {
        let folder = tempfile::tempdir().unwrap();
        let (store, mut intake) = stuck(&Options::new(folder.path().join("prism.db"))).await;
        store.engine.outcome.unavailable(Some(Cause::Busy));
        for _ in 0..100 {
            let check = store.engine.check_writer();
            pin_mut!(check);
            assert!(poll!(check).is_pending());
        }
        assert!(matches!(intake.next().await, Some(Next::Command(Command::Probe { .. }))));
        let more = intake.next();
        pin_mut!(more);
        assert!(poll!(more).is_pending(), "another probe is queued");
    }

    #[tokio::test]
    async fn a_check_during_successful_writes_does_not_query_the_writer() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _intake) = stuck(&Options::new(folder.path().join("prism.db"))).await;
        store.engine.outcome.committed();
        // There is no writer to answer.
        let answered = async |store: &Sqlite| timeout(Duration::from_secs(10), store.check()).await;
        answered(&store).await.expect("the check queried the writer").unwrap();
        store.engine.outcome.unavailable(Some(Cause::Full));
        let failed = answered(&store).await.expect("the check queried the writer");
        assert_eq!(failed.unwrap_err().code(), Code::Unavailable);
    }
}
