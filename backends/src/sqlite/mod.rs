//! The SQLite backend: one file, one writer that commits in groups, and a few readers.
//!
//! - The file is in WAL mode with `synchronous=FULL`: an answered write has reached the disk (DUR-1, DUR-4). Several
//!   processes may share a file on one machine; each write holds SQLite's write lock while it reads what it decides on.
//! - `writer` drains the queue into one transaction; `transaction` loads, decides and writes a batch in few statements;
//!   `unconditional` has those that need nothing read first done by one text; `checkpoint` brings the log back into the file meanwhile.
//! - `reader` has the read connections; `select` answers each page from one statement, which is one moment (LIN-3).

mod callers;
mod checkpoint;
mod decode;
mod deletes;
mod error;
mod files;
mod limit;
mod open;
mod open_error;
mod options;
mod outcome;
#[cfg(test)]
mod plans;
mod reader;
mod reserved_versions;
mod schema;
mod select;
mod settings;
mod sql;
mod sweep;
mod transaction;
mod unconditional;
mod writer;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use prism_contract::keyvalue::{
    Capabilities, Delete, EntryPage, Get, ItemPage, KeyValueBackend, Put, PutResult, Scan,
};
use prism_contract::{Error, Lifecycle, Namespace, Swept, Timestamp};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use crate::batch::{Write, Written};
use crate::queue::{Queue, closed, queue};
use files::Files;
use open::Opened;
use outcome::{Outcome, Verdict};
use reader::Readers;
use writer::{Command, Writer};

pub use open_error::OpenError;
pub use options::Options;
pub use schema::SCHEMA_VERSION;
pub use settings::Settings;

/// A KeyValue store in one SQLite file. It claims every capability.
///
/// Dropping it abandons what is queued; [`close`](Lifecycle::close) finishes it first.
pub struct Sqlite {
    queue: Queue<Command>,
    readers: Readers,
    files: Arc<Files>,
    outcome: Arc<Outcome>,
    /// One permit: for the only check that waits for the writer.
    probes: Arc<Semaphore>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Sqlite {
    /// Opens the file, makes it if there is none, and brings its schema up to date. Must be called within a tokio runtime.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        Ok(Self::start(open::open(&options).await?, &options))
    }

    /// Starts the writer.
    fn start(opened: Opened, options: &Options) -> Self {
        let Opened { writer, connect, readers, files } = opened;
        let (queue, intake) = queue(options.queue_length, options.queue_bytes, options.max_batch);
        let outcome = Arc::new(Outcome::opened());
        let writer = Writer::new(writer, connect, options, Arc::clone(&files), Arc::clone(&outcome));
        let writer = Mutex::new(Some(tokio::spawn(writer.run(intake))));
        Self { queue, readers, files, outcome, probes: Arc::new(Semaphore::new(1)), writer }
    }

    /// What the database itself says of the settings that durability rests on (DUR-4), asked of the connection that
    /// writes.
    pub async fn settings(&self) -> Result<Settings, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_command(Command::Settings { answer })?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Whether the database takes writes: what became of the writer's last transaction, or, where that says too little, what
    /// becomes of one that is made for it. One check at a time asks the writer; the others wait here, and not in its queue.
    async fn check_writer(&self) -> Result<(), Error> {
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
}

#[async_trait]
impl Lifecycle for Sqlite {
    /// Looks whether the path still names the file that was opened, reads a row on a connection that requests do not acquire, and
    /// judges by the last write. Only where that was long ago, or failed, is a transaction made to see. Busy is not away: neither
    /// waits behind what others read or write.
    async fn check(&self) -> Result<(), Error> {
        let files = Arc::clone(&self.files);
        // A disk that hangs holds up a thread that nothing else waits for.
        tokio::task::spawn_blocking(move || files.look()).await.map_err(Error::internal)??;
        self.readers.check().await?;
        self.check_writer().await
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_command(Command::Sweep { now, answer })?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Finishes the writes that wait, then closes every connection. The last process to close a file also checkpoints its log
    /// into it.
    async fn close(&self) {
        self.readers.close().await;
        self.queue.command(Command::Close).await;
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // A writer that panicked has nothing left to close.
            let _ = writer.await;
        }
    }
}

#[async_trait]
impl KeyValueBackend for Sqlite {
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
        self.files.check()?;
        self.readers.get(get).await
    }

    async fn delete(&self, delete: Delete) -> Result<u64, Error> {
        match self.queue.write(Write::Delete(delete)).await? {
            Written::Deleted(count) => Ok(count),
            Written::Put(_) => Err(Error::internal("a Delete was answered as a Put")),
        }
    }

    async fn scan(&self, scan: &Scan) -> Result<EntryPage, Error> {
        self.files.check()?;
        self.readers.scan(scan).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::{pin_mut, poll};
    use prism_contract::keyvalue::{Key, NewItem, RecordId};
    use prism_contract::{Code, Namespace};
    use sqlx::Executor;
    use tokio::time::timeout;

    use super::error::Code as Cause;
    use super::*;
    use crate::queue::{Intake, Turn};

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
    async fn a_full_disk_makes_the_check_unavailable_at_once_though_a_small_change_finds_room() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::new(folder.path().join("prism.db"));
        let mut opened = open::open(&options).await.unwrap();
        // The file cannot grow, which SQLite reports as it does a disk that is full.
        opened.writer.execute("PRAGMA max_page_count = 1").await.unwrap();
        let store = Sqlite::start(opened, &options);
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

    /// A store whose writer does not work.
    async fn stuck(options: &Options) -> (Sqlite, Intake<Command>) {
        let opened = open::open(options).await.unwrap();
        let mut store = Sqlite::start(opened, options);
        let (queue, intake) = queue(options.queue_length, options.queue_bytes, options.max_batch);
        store.queue = queue;
        (store, intake)
    }

    #[tokio::test]
    async fn checks_that_were_given_up_leave_one_question_to_the_writer_at_most() {
        let folder = tempfile::tempdir().unwrap();
        let (store, mut intake) = stuck(&Options::new(folder.path().join("prism.db"))).await;
        store.outcome.away(Some(Cause::Busy));
        for _ in 0..100 {
            let check = store.check_writer();
            pin_mut!(check);
            assert!(poll!(check).is_pending());
        }
        assert!(matches!(intake.next().await, Some(Turn::Command(Command::Probe { .. }))));
        let more = intake.next();
        pin_mut!(more);
        assert!(poll!(more).is_pending(), "another check waits in the queue");
    }

    #[tokio::test]
    async fn a_check_beside_writes_that_succeed_asks_the_writer_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _intake) = stuck(&Options::new(folder.path().join("prism.db"))).await;
        store.outcome.committed();
        // The writer would never answer.
        let answered = async |store: &Sqlite| timeout(Duration::from_secs(10), store.check()).await;
        answered(&store).await.expect("the check asked the writer").unwrap();
        store.outcome.away(Some(Cause::Full));
        let failed = answered(&store).await.expect("the check asked the writer");
        assert_eq!(failed.unwrap_err().code(), Code::Unavailable);
    }
}
