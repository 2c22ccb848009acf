//! A Postgres database: its sessions, its writers, and the handling of outages and failovers. Reads and writes are the
//! abstraction's, through [`Commit`] and the statements that it runs on acquired sessions.

mod check;
mod commit;
mod connector;
mod error;
mod open;
mod open_error;
mod pool;
mod pooler;
mod reader;
mod running;
mod schema;
mod session;
mod settings;
mod writer;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use prism_contract::{Error, Swept, Timestamp};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::engine::{Queue, closed, queue};
use crate::postgres::Options;
use check::Check;
use pool::{Pool, Use};
use writer::{Command, Writers};

pub(in crate::postgres) use commit::Commit;
pub(in crate::postgres) use connector::millis;
pub(in crate::postgres) use error::{TxFailure, is_timeout, translate, tx_failure};
pub(in crate::postgres) use open::{Opened, open};
pub use open_error::OpenError;
pub(in crate::postgres) use reader::{ReadSessions, failed};
pub(in crate::postgres) use schema::Schema;
pub(in crate::postgres) use session::{Query, Session};
pub use settings::Settings;
pub(in crate::postgres) use writer::Sessions;

/// An open database: its sessions and its writers. Dropping it abandons queued writes; [`Engine::close`] finishes them
/// first.
pub(in crate::postgres) struct Engine<C: Commit> {
    pub(in crate::postgres) queue: Queue<C::Group, Command>,
    check: Check,
    sessions: Sessions,
    pool: Arc<Pool>,
    writers: Mutex<Option<JoinHandle<()>>>,
}

impl<C: Commit> Engine<C> {
    /// Starts the writers. Must be called within a tokio runtime.
    pub(in crate::postgres) fn start(opened: Opened, options: &Options, commit: C) -> Self {
        let Opened { connector, first, second, .. } = opened;
        let pool = Arc::new(Pool::new(connector, options.read_wait));
        pool.give_back(first, Use::Read);
        if let Some(second) = second {
            pool.give_back(second, Use::Write);
        }
        let (queue, intake) = queue(options.queue_length, options.queue_bytes, options.max_batch);
        let unavailable = Arc::new(AtomicBool::new(false));
        let sessions = Sessions::new(Arc::clone(&pool), Arc::clone(&unavailable));
        let writers = Writers::new(sessions.clone(), options.writers, commit);
        let writers = Mutex::new(Some(tokio::spawn(writers.run(intake))));
        Self { queue, check: Check::new(Arc::clone(&pool), unavailable), sessions, pool, writers }
    }

    /// The sessions that read.
    pub(in crate::postgres) fn read_sessions(&self) -> ReadSessions {
        ReadSessions::of(Arc::clone(&self.pool))
    }

    /// The settings that durability depends on (DUR-4), as reported by the database on a write connection.
    pub(in crate::postgres) async fn settings(&self) -> Result<Settings, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_command(Command::Settings { answer })?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Runs one statement that writes; returns the number of rows changed.
    pub(in crate::postgres) async fn execute(&self, query: Query) -> Result<u64, Error> {
        self.sessions.with(async |session| session.execute(query).await).await.map_err(translate)
    }

    /// Queries the database on a session reserved for checks.
    pub(in crate::postgres) async fn check(&self) -> Result<(), Error> {
        self.check.run().await
    }

    /// Removes some of the rows that are dead at `now`.
    pub(in crate::postgres) async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_command(Command::Sweep { now, answer })?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Finishes queued writes, then closes every session.
    pub(in crate::postgres) async fn close(&self) {
        self.queue.command(Command::Close).await;
        let writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writers) = writers {
            // After a panic there is nothing left to close.
            let _ = writers.await;
        }
        self.pool.close().await;
    }
}
