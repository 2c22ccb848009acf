//! The writers: each takes the waiting writes and commits them together. A write that takes long is committed alone.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prism_contract::{Error, Swept, Timestamp};
use tokio::sync::{Semaphore, oneshot};
use tracing::{Instrument, Span};

use super::commit::Commit;
use super::error::{TxFailure, is_broken, is_read_only, translate, tx_failure};
use super::pool::{Pool, Use};
use super::running::{Batch, Running};
use super::session::Session;
use crate::engine::{Group, Intake, Next, Turns};

/// Maximum writes that wait to be committed alone, besides the running one; further ones are shed.
pub(super) const ALONE_WAITING: usize = 16;

/// A writer's tasks besides writes.
pub(in crate::postgres) enum Command {
    /// Remove some expired items and old tombstones.
    Sweep { now: Timestamp, answer: oneshot::Sender<Result<Swept, Error>> },
    /// Finish queued writes, and stop.
    Close,
}

/// The write sessions. The pool is last in, first out: under light load a single connection serves all writes, and its
/// statements stay prepared.
#[derive(Clone)]
pub(in crate::postgres) struct Sessions {
    pool: Arc<Pool>,
    /// Whether the last transaction of any writer failed because the database was unavailable.
    unavailable: Arc<AtomicBool>,
}

/// The writers. While all are busy, writes accumulate for the next that becomes idle.
pub(super) struct Writers<C: Commit> {
    sessions: Sessions,
    commit: C,
    running: Running<C>,
    /// One permit per writer.
    free: Arc<Semaphore>,
    count: u32,
    /// The writes that are committed alone, one at a time.
    alone: Arc<Turns>,
}

impl<C: Commit> Writers<C> {
    pub(super) fn new(sessions: Sessions, count: usize, commit: C, alone: Arc<Turns>) -> Self {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            sessions,
            commit,
            running: Running::default(),
            free: Arc::new(Semaphore::new(count as usize)),
            count,
            alone,
        }
    }

    /// Runs until the queue ends.
    pub(super) async fn run(self, mut intake: Intake<C::Group, Command>) {
        let writers = Arc::new(self);
        // This semaphore is never closed.
        while let Ok(free) = Arc::clone(&writers.free).acquire_owned().await {
            let Some(next) = intake.next().await else { break };
            if matches!(next, Next::Command(Command::Close)) {
                // Queued writes are still taken before the end is reported.
                intake.close();
                continue;
            }
            let (writers, batches) = (Arc::clone(&writers), Arc::clone(&intake.batches));
            tokio::spawn(async move {
                let running = matches!(next, Next::Batch(..)).then(|| batches.begin());
                writers.handle(next).await;
                drop((running, free));
            });
        }
        // A running writer returns its permit when it is done.
        let _all = writers.free.acquire_many(writers.count).await;
        writers.alone.end().await;
    }

    async fn handle(self: &Arc<Self>, next: Next<C::Group, Command>) {
        match next {
            Next::Batch(group, span) => self.batch(group, false).instrument(span).await,
            Next::Command(Command::Sweep { now, answer }) => {
                let swept = self.sessions.with(async |session| self.commit.sweep(session, now).await).await;
                let _ = answer.send(swept.map_err(translate));
            }
            // Handled in `run`, for all writers.
            Next::Command(Command::Close) => {}
        }
    }

    /// Commits a group and answers each write; then the writes that it held back.
    async fn batch(self: &Arc<Self>, group: C::Group, alone: bool) {
        let mut next = self.running.begin(group, alone);
        while let Some(begun) = next {
            let outcomes = match begun.batch() {
                Some(batch) => Some(self.outcomes(batch).await),
                None => None,
            };
            let (group, held_back) = begun.end();
            if let Some(outcomes) = outcomes {
                for write in C::answer(group, outcomes) {
                    self.commit_alone(write);
                }
            }
            next = self.running.begin(held_back, false);
        }
    }

    /// The outcomes of a batch. Once no caller waits for it any more it is cancelled: its session is dropped, and the server
    /// process is terminated before another write begins.
    async fn outcomes(self: &Arc<Self>, batch: &Batch<C::Group>) -> C::Outcomes {
        tokio::select! {
            biased;
            outcomes = self.commit.commit(&self.sessions, &batch.group, batch.alone) => outcomes,
            () = batch.abandoned() => {
                let pool = Arc::clone(&self.sessions.pool);
                tokio::spawn(async move {
                    // Taking a session terminates the process now, and not only at the next write.
                    if let Ok(session) = pool.take_for_write().await {
                        pool.give_back(session, Use::Write);
                    }
                });
                C::cancelled(&batch.group)
            }
        }
    }

    /// Commits a write that takes long in a separate transaction, concurrently with the writers, one at a time.
    fn commit_alone(self: &Arc<Self>, group: C::Group) {
        let place = match self.alone.place() {
            Ok(place) => place,
            Err(shed) => return group.fail(&shed),
        };
        let writers = Arc::clone(self);
        let committing = async move {
            let turn = writers.alone.turn().await;
            if !group.are_all_abandoned() {
                // The compiler cannot see through a future that spawns itself.
                let alone: Pin<Box<dyn Future<Output = ()> + Send + '_>> =
                    Box::pin(writers.batch(group, true));
                alone.await;
            }
            drop((turn, place));
        };
        tokio::spawn(committing.instrument(Span::current()));
    }
}

impl Sessions {
    pub(super) fn new(pool: Arc<Pool>, unavailable: Arc<AtomicBool>) -> Self {
        Self { pool, unavailable }
    }

    /// Runs `work` on a session; a broken or read-only session is invalidated afterwards.
    pub(in crate::postgres) async fn with<T>(
        &self,
        work: impl AsyncFnOnce(&mut Session) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let done = match self.pool.take_for_write().await {
            Ok(mut session) => {
                session.begin_write();
                let done = work(&mut session).await;
                match &done {
                    Err(error) if is_broken(error) => session.invalidate(),
                    Err(error) if is_read_only(error) => {
                        session.end_write();
                        session.invalidate();
                    }
                    _ => {
                        session.end_write();
                        self.pool.give_back(session, Use::Write);
                    }
                }
                done
            }
            Err(error) => Err(error),
        };
        let unavailable = matches!(&done, Err(error) if tx_failure(error) == TxFailure::Unavailable);
        self.unavailable.store(unavailable, Ordering::Relaxed);
        done
    }
}
