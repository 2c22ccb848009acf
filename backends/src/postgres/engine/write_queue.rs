//! The queue of an abstraction's writes, and its writers.

use std::sync::{Arc, Mutex, PoisonError};

use prism_contract::{Error, Swept, Timestamp};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::commit::Commit;
use super::writer::{ALONE_WAITING, Command, Sessions, Writers};
use crate::engine::{Queue, Turns, closed, queue};
use crate::observe::Load;
use crate::postgres::Options;

/// The writes of an abstraction, committed in groups. Dropping it abandons queued writes; [`WriteQueue::close`] finishes them
/// first.
pub(in crate::postgres) struct WriteQueue<C: Commit> {
    pub(in crate::postgres) queue: Queue<C::Group, Command>,
    writers: Mutex<Option<JoinHandle<()>>>,
    /// The number of writers.
    count: usize,
    /// The writes that take long and are committed alone.
    pub(in crate::postgres) alone: Arc<Turns>,
}

impl<C: Commit> WriteQueue<C> {
    /// Starts the writers. Must be called within a tokio runtime.
    pub(super) fn start(sessions: Sessions, options: &Options, commit: C) -> Self {
        let (queue, intake) = queue(options.queue_length, options.queue_bytes, options.max_batch);
        let alone = Arc::new(Turns::new("alone", 1, ALONE_WAITING));
        let writers = Writers::new(sessions, options.writers, commit, Arc::clone(&alone));
        let writers = Mutex::new(Some(tokio::spawn(writers.run(intake))));
        Self { queue, writers, count: options.writers, alone }
    }

    /// Adds the load of the queue and of its writers, under this name.
    pub(in crate::postgres) fn load(&self, name: &'static str, namespaces: usize, load: &mut Load) {
        self.queue.load(name, self.count, namespaces, load);
    }

    /// Removes some of the rows that are dead at `now`.
    pub(in crate::postgres) async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_command(Command::Sweep { now, answer })?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Finishes queued writes.
    pub(in crate::postgres) async fn close(&self) {
        self.queue.command(Command::Close).await;
        let writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writers) = writers {
            // After a panic there is nothing left to close.
            let _ = writers.await;
        }
    }
}
