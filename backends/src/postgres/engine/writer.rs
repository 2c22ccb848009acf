//! The writers: each takes what waits and commits it together. A write that takes long leaves them, and goes alone.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prism_contract::{Error, Swept, Timestamp};
use tokio::sync::{Semaphore, oneshot};

use super::commit::Commit;
use super::error::{TxFailure, is_broken, is_read_only, translate, tx_failure};
use super::pool::{Pool, Use};
use super::running::{Batch, Running};
use super::session::Session;
use super::settings::Settings;
use crate::engine::{Group, Intake, Turn, shed};

/// Most writes that wait to go alone, beside the one that does; one more is shed.
const ALONE_WAITING: usize = 16;

/// What a writer does besides writes.
pub(in crate::postgres) enum Command {
    /// Drop some of what is expired or forgotten at `now`.
    Sweep { now: Timestamp, answer: oneshot::Sender<Result<Swept, Error>> },
    /// Ask the database for its settings.
    Settings { answer: oneshot::Sender<Result<Settings, Error>> },
    /// Finish what waits, and stop.
    Close,
}

/// The sessions that write. They come from the pool, where the last to rest is the first to go: while little is written a
/// single connection serves it all, and its statements stay prepared.
pub(in crate::postgres) struct Sessions {
    pool: Arc<Pool>,
    /// Whether the last transaction of any writer failed because the database was away.
    away: Arc<AtomicBool>,
}

/// The writers. While all are busy, writes accumulate for the next that becomes idle.
pub(super) struct Writers<C: Commit> {
    sessions: Sessions,
    commit: C,
    running: Running<C>,
    /// One permit for each writer that may work.
    free: Arc<Semaphore>,
    count: u32,
    /// The permit of the write that goes alone.
    alone: Semaphore,
    /// One permit for each write that goes alone or waits to.
    alone_waiting: Arc<Semaphore>,
}

impl<C: Commit> Writers<C> {
    pub(super) fn new(pool: Arc<Pool>, count: usize, away: Arc<AtomicBool>, commit: C) -> Self {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            sessions: Sessions { pool, away },
            commit,
            running: Running::default(),
            free: Arc::new(Semaphore::new(count as usize)),
            count,
            alone: Semaphore::new(1),
            alone_waiting: Arc::new(Semaphore::new(ALONE_WAITING + 1)),
        }
    }

    /// Works until the queue ends.
    pub(super) async fn run(self, mut intake: Intake<C::Group, Command>) {
        let writers = Arc::new(self);
        // This semaphore is never closed.
        while let Ok(free) = Arc::clone(&writers.free).acquire_owned().await {
            let Some(turn) = intake.next().await else { break };
            if matches!(turn, Turn::Command(Command::Close)) {
                // What still waits is taken before the end is reported.
                intake.close();
                continue;
            }
            let writers = Arc::clone(&writers);
            tokio::spawn(async move {
                writers.turn(turn).await;
                drop(free);
            });
        }
        // A writer at work returns its permit when it is done.
        let _all = writers.free.acquire_many(writers.count).await;
        let _alone =
            writers.alone_waiting.acquire_many(u32::try_from(ALONE_WAITING + 1).unwrap_or(u32::MAX)).await;
    }

    async fn turn(self: &Arc<Self>, turn: Turn<C::Group, Command>) {
        match turn {
            Turn::Batch(group) => self.batch(group, false).await,
            Turn::Command(Command::Sweep { now, answer }) => {
                let swept = self.sessions.with(async |session| self.commit.sweep(session, now).await).await;
                let _ = answer.send(swept.map_err(translate));
            }
            Turn::Command(Command::Settings { answer }) => {
                let settings = self.sessions.with(async |session| Settings::of(session).await).await;
                let _ = answer.send(settings.map_err(translate));
            }
            // It was for all writers, and they have been told.
            Turn::Command(Command::Close) => {}
        }
    }

    /// Commits a group and answers each write; then those that it held back.
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
                    self.go_alone(write);
                }
            }
            next = self.running.begin(held_back, false);
        }
    }

    /// What becomes of a batch. Once no caller waits for it any more it is cancelled: its session goes, and with it the server
    /// process, before another write begins.
    async fn outcomes(self: &Arc<Self>, batch: &Batch<C::Group>) -> C::Outcomes {
        tokio::select! {
            biased;
            outcomes = self.commit.commit(&self.sessions, &batch.group, batch.alone) => outcomes,
            () = batch.abandoned() => {
                let pool = Arc::clone(&self.sessions.pool);
                tokio::spawn(async move {
                    // Taking it ends the process now, and not only when the next write comes.
                    if let Ok(session) = pool.take_to_write().await {
                        pool.give_back(session, Use::Write);
                    }
                });
                C::given_up(&batch.group)
            }
        }
    }

    /// A write that takes long, in a separate transaction and beside the writers, one at a time.
    fn go_alone(self: &Arc<Self>, group: C::Group) {
        let Ok(place) = Arc::clone(&self.alone_waiting).try_acquire_owned() else {
            return group.fail(&shed());
        };
        let writers = Arc::clone(self);
        tokio::spawn(async move {
            // This semaphore is never closed.
            let turn = writers.alone.acquire().await;
            if !group.are_all_abandoned() {
                // The compiler cannot see through a future that spawns itself.
                let alone: Pin<Box<dyn Future<Output = ()> + Send + '_>> =
                    Box::pin(writers.batch(group, true));
                alone.await;
            }
            drop((turn, place));
        });
    }
}

impl Sessions {
    /// Works with a session; one that broke is given up, and so is one that may not write any more.
    pub(in crate::postgres) async fn with<T>(
        &self,
        work: impl AsyncFnOnce(&mut Session) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let done = match self.pool.take_to_write().await {
            Ok(mut session) => {
                session.begin_write();
                let done = work(&mut session).await;
                match &done {
                    Err(error) if is_broken(error) => session.give_up(),
                    Err(error) if is_read_only(error) => {
                        session.end_write();
                        session.give_up();
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
        let away = matches!(&done, Err(error) if tx_failure(error) == TxFailure::Unavailable);
        self.away.store(away, Ordering::Relaxed);
        done
    }
}
