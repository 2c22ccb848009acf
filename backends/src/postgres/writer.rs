//! The writers: each takes what waits and commits it together. A Delete that takes long leaves them, and goes alone.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prism_contract::keyvalue::{Delete, Predicate};
use prism_contract::{Error, Swept, Timestamp};
use tokio::sync::{Semaphore, oneshot};

use super::Options;
use super::error::{TxFailure, is_broken, is_read_only, is_timeout, translate, tx_failure};
use super::locks::Locks;
use super::pool::{Pool, Use};
use super::running::{Batch, Running};
use super::session::Session;
use super::settings::Settings;
use super::sweep::sweep;
use super::transaction::{commit, covers_many};
use super::unconditional::Unconditional;
use crate::batch::{Write, Written, whole_micros};
use crate::queue::{Intake, Job, Turn, shed};

/// For how many records of one batch a lock is waited for in vain.
const MOST_BLOCKED: usize = 2;

/// How long a statement may take in a batch with a Delete by range, prefix or all. One that takes longer goes alone.
const QUICK: Duration = Duration::from_millis(250);
/// Most Deletes that wait to go alone, beside the one that does; one more is shed.
const LONG_WAITING: usize = 16;

/// How often a transaction that lost against another one is tried, at once.
#[derive(Default)]
struct Tries(usize);

impl Tries {
    const MOST: usize = 10;

    /// Whether a transaction that ended with `error` is to be tried once more.
    fn again(&mut self, error: &sqlx::Error) -> bool {
        self.0 += 1;
        tx_failure(error) == TxFailure::Conflict && self.0 < Self::MOST
    }
}

/// What a writer does besides writes.
pub(super) enum Command {
    /// Drop some of what is expired or forgotten at `now`.
    Sweep { now: Timestamp, answer: oneshot::Sender<Result<Swept, Error>> },
    /// Ask the database for its settings.
    Settings { answer: oneshot::Sender<Result<Settings, Error>> },
    /// Finish what waits, and stop.
    Close,
}

type Answers = Vec<Result<Written, Error>>;

/// What becomes of the writes of a batch: an answer, or it goes alone.
type Outcomes = Vec<Option<Result<Written, Error>>>;

/// The writers. Their sessions come from the pool, where the last to rest is the first to go: while little is written a
/// single connection serves it all, and its statements stay prepared. While all are busy, writes gather for the next that is
/// free.
pub(super) struct Writers {
    pool: Arc<Pool>,
    locks: Locks,
    retention: Duration,
    /// How long a statement of a Delete that goes alone may take.
    longest: Duration,
    /// Whether the last transaction of any writer failed because the database was away.
    away: Arc<AtomicBool>,
    running: Running,
    /// One permit for each writer that may work.
    free: Arc<Semaphore>,
    count: u32,
    /// The permit of the Delete that goes alone.
    long: Semaphore,
    /// One permit for each Delete that goes alone or waits to.
    long_waiting: Arc<Semaphore>,
}

impl Writers {
    pub(super) fn new(pool: Arc<Pool>, locks: Locks, options: &Options, away: Arc<AtomicBool>) -> Self {
        let count = u32::try_from(options.writers).unwrap_or(u32::MAX);
        Self {
            pool,
            locks,
            retention: whole_micros(options.retention),
            // It has already spent some time in a batch, and its caller is to hear why it failed before the call's own end.
            longest: options.statement_timeout.mul_f64(0.875),
            away,
            running: Running::default(),
            free: Arc::new(Semaphore::new(count as usize)),
            count,
            long: Semaphore::new(1),
            long_waiting: Arc::new(Semaphore::new(LONG_WAITING + 1)),
        }
    }

    /// Works until the queue ends.
    pub(super) async fn run(self, mut intake: Intake<Command>) {
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
        let _long =
            writers.long_waiting.acquire_many(u32::try_from(LONG_WAITING + 1).unwrap_or(u32::MAX)).await;
    }

    async fn turn(self: &Arc<Self>, turn: Turn<Command>) {
        match turn {
            Turn::Batch(jobs) => self.batch(jobs, false).await,
            Turn::Command(Command::Sweep { now, answer }) => {
                let _ = answer.send(self.sweep(now).await);
            }
            Turn::Command(Command::Settings { answer }) => {
                let _ = answer.send(self.settings().await);
            }
            // It was for all writers, and they have been told.
            Turn::Command(Command::Close) => {}
        }
    }

    /// Commits jobs together and answers each; then those that they held back.
    async fn batch(self: &Arc<Self>, jobs: Vec<Job>, long: bool) {
        let mut next = self.running.begin(jobs, long);
        while let Some(begun) = next {
            let outcomes = match begun.batch() {
                Some(batch) => self.outcomes(batch).await,
                None => Vec::new(),
            };
            let (jobs, held_back) = begun.end();
            for (job, outcome) in jobs.into_iter().zip(outcomes) {
                match outcome {
                    Some(answer) => job.answer(answer),
                    None => self.go_alone(job),
                }
            }
            next = self.running.begin(held_back, false);
        }
    }

    /// What becomes of a batch. Once no caller waits for it any more it is cancelled: its session goes, and with it the server
    /// process, before another write begins.
    async fn outcomes(self: &Arc<Self>, batch: &Batch) -> Outcomes {
        let jobs: Vec<&Job> = batch.jobs.iter().collect();
        tokio::select! {
            biased;
            outcomes = self.answers(&jobs, batch.long) => outcomes,
            () = batch.abandoned() => {
                let pool = Arc::clone(&self.pool);
                tokio::spawn(async move {
                    // Taking it ends the process now, and not only when the next write comes.
                    if let Ok(session) = pool.take_to_write().await {
                        pool.give_back(session, Use::Write);
                    }
                });
                jobs.iter().map(|_| Some(Err(given_up()))).collect()
            }
        }
    }

    /// A Delete that takes long, in a separate transaction and beside the writers, one at a time.
    fn go_alone(self: &Arc<Self>, job: Job) {
        let Ok(place) = Arc::clone(&self.long_waiting).try_acquire_owned() else {
            return job.answer(Err(shed()));
        };
        let writers = Arc::clone(self);
        tokio::spawn(async move {
            // This semaphore is never closed.
            let turn = writers.long.acquire().await;
            if !job.is_abandoned() {
                // The compiler cannot see through a future that spawns itself.
                let alone: Pin<Box<dyn Future<Output = ()> + Send + '_>> =
                    Box::pin(writers.batch(vec![job], true));
                alone.await;
            }
            drop((turn, place));
        });
    }

    /// What becomes of these writes. A Delete of unknown size is tried with the others for a short time, and then alone.
    async fn answers(&self, jobs: &[&Job], long: bool) -> Outcomes {
        let longest = match (long, jobs.iter().any(|job| span_delete(&job.request).is_some())) {
            (true, _) => Some(self.longest),
            (false, true) => Some(QUICK.min(self.longest)),
            (false, false) => None,
        };
        match self.attempt(jobs, longest).await {
            Ok(outcomes) => outcomes,
            Err(error) if long => self.too_long(jobs, error).await,
            Err(_) => self.without_deletes(jobs).await,
        }
    }

    /// A failure that is not an outage may be one write's own fault: then each is tried alone, so that it fails alone. The
    /// error is that a statement took longer than `longest`.
    async fn attempt(&self, jobs: &[&Job], longest: Option<Duration>) -> Result<Outcomes, sqlx::Error> {
        let writes: Vec<&Write> = jobs.iter().map(|job| &job.request).collect();
        let error = match self.together(&writes, longest).await {
            Ok(answers) => return Ok(answers.into_iter().map(Some).collect()),
            Err(error) if longest.is_some() && is_timeout(&error) => return Err(error),
            Err(error) => error,
        };
        let alone = match tx_failure(&error) {
            TxFailure::Rejected | TxFailure::LockTimeout | TxFailure::Conflict => writes.len() > 1,
            TxFailure::Unavailable => false,
        };
        if alone {
            return Ok(self.alone(jobs, longest).await);
        }
        let error = translate(error);
        Ok(writes.iter().map(|_| Some(Err(error.clone()))).collect())
    }

    /// The writes of a batch that took too long, without the Deletes that may be why: these go alone.
    async fn without_deletes(&self, jobs: &[&Job]) -> Outcomes {
        let others: Vec<&Job> =
            jobs.iter().copied().filter(|job| span_delete(&job.request).is_none()).collect();
        let mut answered = Vec::new();
        if !others.is_empty() {
            answered = self.attempt(&others, None).await.unwrap_or_default();
        }
        let mut answered = answered.into_iter();
        let outcomes = jobs.iter().map(|job| match span_delete(&job.request) {
            Some(_) => None,
            None => answered.next().unwrap_or_else(|| Some(Err(unanswered()))),
        });
        outcomes.collect()
    }

    /// A Delete that went alone and was ended by its timeout. It is too large if it covers many rows, and otherwise the
    /// database is in trouble.
    async fn too_long(&self, jobs: &[&Job], error: sqlx::Error) -> Outcomes {
        let mut large = false;
        if let Some(delete) = jobs.first().and_then(|job| span_delete(&job.request)) {
            large = self.with(async |session| covers_many(session, delete).await).await.unwrap_or(false);
        }
        let error = if large { Error::DeleteTooLarge } else { translate(error) };
        jobs.iter().map(|_| Some(Err(error.clone()))).collect()
    }

    /// Each write in a separate transaction. A lock that does not come is waited for once for each record, and for few
    /// records, since all other writes wait meanwhile.
    async fn alone(&self, jobs: &[&Job], longest: Option<Duration>) -> Outcomes {
        let mut outcomes: Outcomes = Vec::with_capacity(jobs.len());
        let mut blocked = HashSet::new();
        for job in jobs {
            let write = &job.request;
            let record = write.record();
            if job.is_abandoned() {
                outcomes.push(Some(Err(given_up())));
                continue;
            }
            if blocked.contains(&record) || blocked.len() == MOST_BLOCKED {
                let locked = Error::unavailable("the record, or the table, is locked by another session");
                outcomes.push(Some(Err(locked)));
                continue;
            }
            let longest = span_delete(write).and(longest);
            let answer = self.together(&[write], longest).await;
            if longest.is_some() && matches!(&answer, Err(error) if is_timeout(error)) {
                outcomes.push(None);
                continue;
            }
            if matches!(&answer, Err(error) if tx_failure(error) == TxFailure::LockTimeout) {
                blocked.insert(record);
            }
            outcomes.push(Some(
                answer
                    .map_err(translate)
                    .and_then(|mut answers| answers.pop().unwrap_or_else(|| Err(unanswered()))),
            ));
        }
        outcomes
    }

    /// The fast way if there is one, and the slow way for what it leaves.
    async fn together(&self, writes: &[&Write], longest: Option<Duration>) -> Result<Answers, sqlx::Error> {
        let Some(unconditional) = Unconditional::of(writes, self.locks) else {
            return self.slowly(writes, longest).await;
        };
        let done = self.quickly(&unconditional).await?;
        let left: Vec<&Write> =
            writes.iter().zip(&done).filter_map(|(write, done)| done.is_none().then_some(*write)).collect();
        let mut slow = match left.as_slice() {
            [] => Vec::new(),
            // What is done stays done, whatever becomes of these.
            left => self.slowly(left, longest).await.unwrap_or_else(|error| {
                let error = translate(error);
                left.iter().map(|_| Err(error.clone())).collect()
            }),
        }
        .into_iter();
        let answers = done.into_iter().map(|done| match done {
            Some(written) => Ok(written),
            None => slow.next().unwrap_or_else(|| Err(unanswered())),
        });
        Ok(answers.collect())
    }

    /// Puts that need nothing read first; again if they lost against another transaction.
    async fn quickly(&self, unconditional: &Unconditional<'_>) -> Result<Vec<Option<Written>>, sqlx::Error> {
        let retention = self.retention;
        let mut tries = Tries::default();
        loop {
            match self.with(async |session| unconditional.commit(session, retention).await).await {
                Err(error) if tries.again(&error) => {}
                ended => return ended,
            }
        }
    }

    /// A transaction that looks before it writes; again if it lost against another.
    async fn slowly(&self, writes: &[&Write], longest: Option<Duration>) -> Result<Answers, sqlx::Error> {
        let (locks, retention) = (self.locks, self.retention);
        let mut tries = Tries::default();
        loop {
            match self.with(async |session| commit(session, writes, locks, retention, longest).await).await {
                Err(error) if tries.again(&error) => {}
                ended => return ended,
            }
        }
    }

    async fn sweep(&self, now: Timestamp) -> Result<Swept, Error> {
        let (locks, retention) = (self.locks, self.retention);
        self.with(async |session| sweep(session, now, locks, retention).await).await.map_err(translate)
    }

    async fn settings(&self) -> Result<Settings, Error> {
        self.with(async |session| Settings::of(session).await).await.map_err(translate)
    }

    /// Works with a session; one that broke is given up, and so is one that may not write any more.
    async fn with<T>(
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

/// A Delete by a predicate other than keys: how many items it deletes is known only when it is done.
fn span_delete(write: &Write) -> Option<&Delete> {
    match write {
        Write::Delete(delete) => match &delete.predicate {
            Predicate::All | Predicate::Range { .. } | Predicate::Prefix(_) => Some(delete),
            Predicate::Keys(_) => None,
        },
        Write::Put(_) => None,
    }
}

fn given_up() -> Error {
    Error::unavailable("the write was given up by its caller")
}

fn unanswered() -> Error {
    Error::internal("a write was not answered")
}
