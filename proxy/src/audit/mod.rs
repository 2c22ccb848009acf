//! The audit log: a line for each call to an audited namespace, chained by hashes, apart from the log.
//!
//! Calls hand their lines to one thread (`writer`), which writes all waiting ones together and then lets the calls be
//! answered. `record` makes the lines, `chain` links them, `file` opens, rotates and repairs the file, and [`verify`] checks
//! files.

mod chain;
mod file;
mod record;
pub mod verify;
mod writer;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use prism_mutants::seeded;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

pub use self::chain::Hash;
use self::file::AuditFile;
pub use self::file::OpenError;
pub(crate) use self::record::Record;
use self::writer::Writer;
use crate::config::{self, AuditFailure};

/// Maximum lines that wait for the writer; further calls wait for room. At most about 250 KB each, and 1 KB commonly.
const MOST_WAITING: usize = 1_024;
/// Maximum lines that wait beyond it: those of cancelled calls, which cannot wait. Further ones are lost, and counted.
const MOST_CANCELLED: usize = 1_024;

/// An open audit log. Clones share it.
#[derive(Clone)]
pub struct Audit {
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
    on_failure: AuditFailure,
    thread: Arc<WriterThread>,
}

/// The writer thread, which ends when the last clone of its log is dropped.
struct WriterThread {
    shared: Arc<Shared>,
    handle: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Wakes the writer.
    woken: Condvar,
    /// Whether the last write succeeded.
    healthy: AtomicBool,
    /// Lines that were lost since, and are not named in the audit log yet.
    lost: AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    commands: Vec<Command>,
    closing: bool,
}

/// A line that waits to be written.
struct Waiting {
    record: Record,
    /// Told whether it was written; `None`: the call was cancelled.
    written: Option<oneshot::Sender<bool>>,
    room: Option<OwnedSemaphorePermit>,
}

enum Command {
    Reopen(oneshot::Sender<Result<bool, String>>),
}

/// A line was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot be written")]
pub(crate) struct NotWritten;

impl Audit {
    /// Opens the file at `path`, with the other settings of `settings`. A file that cannot be written yet, as on a full disk,
    /// is not an error here: calls fail until it can.
    pub fn open(path: &Path, settings: &config::Audit) -> Result<Self, OpenError> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            woken: Condvar::new(),
            healthy: AtomicBool::new(true),
            lost: AtomicU64::new(0),
        });
        let mut writer = Writer::new(Arc::clone(&shared), AuditFile::open(settings, path)?);
        writer.start();
        let thread = thread::Builder::new().name("prism-audit".to_owned()).spawn(move || writer.run())?;
        Ok(Self::of(shared, settings.on_failure, Some(thread)))
    }

    fn of(shared: Arc<Shared>, on_failure: AuditFailure, thread: Option<JoinHandle<()>>) -> Self {
        let thread = WriterThread { shared: Arc::clone(&shared), handle: Mutex::new(thread) };
        let room = Arc::new(Semaphore::new(MOST_WAITING));
        Self { shared, room, on_failure, thread: Arc::new(thread) }
    }

    /// Whether calls may be executed: the last line was written, or lines may be lost.
    pub(crate) fn is_ready(&self) -> bool {
        self.on_failure == AuditFailure::Continue
            || self.shared.healthy.load(Ordering::Acquire)
            || seeded("audit/executes-calls-while-it-cannot-be-written")
    }

    /// Whether a call whose line is not written has to fail.
    pub(crate) fn refuses(&self) -> bool {
        self.on_failure == AuditFailure::Refuse && !seeded("audit/answers-without-a-line")
    }

    /// Writes a line, and waits until it is written. The line is written even if this is cancelled.
    pub(crate) async fn write(&self, record: Record) -> Result<(), NotWritten> {
        /// Hands over the line on drop, if it is still here.
        struct Pending<'a>(&'a Audit, Option<Record>);
        impl Drop for Pending<'_> {
            fn drop(&mut self) {
                if let Some(record) = self.1.take() {
                    self.0.write_detached(record);
                }
            }
        }
        let mut pending = Pending(self, Some(record));
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| NotWritten)?;
        let (written, done) = oneshot::channel();
        if let Some(record) = pending.1.take() {
            self.shared.push(Waiting { record, written: Some(written), room: Some(room) });
        }
        if done.await == Ok(true) { Ok(()) } else { Err(NotWritten) }
    }

    /// Writes the line of a cancelled call, without waiting.
    pub(crate) fn write_detached(&self, record: Record) {
        let room = Arc::clone(&self.room).try_acquire_owned().ok();
        self.shared.push(Waiting { record, written: None, room });
    }

    /// Opens the file again, after another program has renamed it. Returns whether it is another file now, or why lines
    /// still go to the old one.
    pub async fn reopen(&self) -> Result<bool, String> {
        let (done, reopened) = oneshot::channel();
        self.shared.lock().commands.push(Command::Reopen(done));
        self.shared.woken.notify_one();
        reopened.await.unwrap_or_else(|_| Err("the audit log is closed".to_owned()))
    }

    /// Writes all waiting lines, and closes the file. Later lines are lost.
    pub async fn close(&self) {
        self.shared.close();
        let thread = self.thread.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A disk that does not respond keeps the process from ending, as the database's disk would.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Shared {
    fn close(&self) {
        self.lock().closing = true;
        self.woken.notify_one();
    }

    /// A panic under the lock leaves no state that the next line could not continue from.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: Waiting) {
        let mut queue = self.lock();
        if queue.closing || queue.waiting.len() >= MOST_WAITING + MOST_CANCELLED {
            drop(queue);
            self.lost.fetch_add(1, Ordering::Relaxed);
            self.healthy.store(false, Ordering::Release);
            return;
        }
        queue.waiting.push(line);
        if queue.waiting.len() == 1 {
            drop(queue);
            self.woken.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
