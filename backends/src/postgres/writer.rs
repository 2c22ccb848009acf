//! The writers: each has a connection, takes what waits and commits it together.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prism_contract::keyvalue::{Error, Swept, Timestamp};
use tokio::sync::{Semaphore, oneshot};

use super::Options;
use super::error::{Fate, fate, is_broken, translate};
use super::locks::Locks;
use super::plain::Plain;
use super::session::{Connector, Session};
use super::settings::Settings;
use super::sweep::sweep;
use super::transaction::commit;
use crate::batch::{Write, Written, whole_micros};
use crate::queue::{Intake, Job, Turn};

/// For how many records of one batch a lock is waited for in vain.
const MOST_BLOCKED: usize = 2;

/// How often a transaction that lost against another one is tried, at once.
#[derive(Default)]
struct Tries(usize);

impl Tries {
    const MOST: usize = 10;

    /// Whether a transaction that ended with `error` is to be tried once more.
    fn again(&mut self, error: &sqlx::Error) -> bool {
        self.0 += 1;
        fate(error) == Fate::Collided && self.0 < Self::MOST
    }
}

/// What a writer does besides writes.
pub(super) enum Errand {
    /// See whether a transaction can be had.
    Probe { answer: oneshot::Sender<Result<(), Error>> },
    /// Drop some of what is expired or forgotten at `now`.
    Sweep { now: Timestamp, answer: oneshot::Sender<Result<Swept, Error>> },
    /// Ask the database for its settings.
    Settings { answer: oneshot::Sender<Result<Settings, Error>> },
    /// Finish what waits, and stop.
    Close,
}

type Answers = Vec<Result<Written, Error>>;

/// The writers. What waits goes to the one that rested last: while little is written a single connection serves it all, and
/// its statements stay prepared. While all are busy, writes gather for the next that is free.
pub(super) struct Writers {
    connector: Connector,
    locks: Locks,
    retention: Duration,
    /// Whether the last transaction of any writer failed because the database was away.
    away: Arc<AtomicBool>,
    /// How many outages the writers have met.
    outages: Arc<AtomicU64>,
    idle: Mutex<Vec<Writer>>,
    /// One permit for each writer that may work.
    free: Arc<Semaphore>,
    count: u32,
}

impl Writers {
    pub(super) fn new(connector: Connector, locks: Locks, options: &Options, away: Arc<AtomicBool>) -> Self {
        let count = u32::try_from(options.writers).unwrap_or(u32::MAX);
        Self {
            connector,
            locks,
            retention: whole_micros(options.retention),
            away,
            outages: Arc::default(),
            idle: Mutex::default(),
            free: Arc::new(Semaphore::new(count as usize)),
            count,
        }
    }

    /// Works until the queue ends.
    pub(super) async fn run(self, mut intake: Intake<Errand>) {
        let writers = Arc::new(self);
        // Nobody closes this semaphore.
        while let Ok(free) = Arc::clone(&writers.free).acquire_owned().await {
            let Some(turn) = intake.next().await else { break };
            if matches!(turn, Turn::Errand(Errand::Close)) {
                // What still waits is taken before the end is told.
                intake.close();
                continue;
            }
            let mut writer = writers.rested();
            let writers = Arc::clone(&writers);
            tokio::spawn(async move {
                writer.turn(turn).await;
                writers.idle().push(writer);
                drop(free);
            });
        }
        // Whoever still works gives its permit back when it is done.
        let _all = writers.free.acquire_many(writers.count).await;
        let idle = std::mem::take(&mut *writers.idle());
        for writer in idle {
            writer.close().await;
        }
    }

    /// The writer that rested last, or a new one.
    fn rested(&self) -> Writer {
        self.idle().pop().unwrap_or_else(|| Writer {
            connector: self.connector.clone(),
            session: None,
            opened_after: 0,
            locks: self.locks,
            retention: self.retention,
            away: Arc::clone(&self.away),
            outages: Arc::clone(&self.outages),
        })
    }

    /// A std mutex: nothing awaits while it is held, and no panic can leave the list half changed.
    fn idle(&self) -> MutexGuard<'_, Vec<Writer>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Writer {
    connector: Connector,
    /// `None` before its first use, and after it broke; the next use connects.
    session: Option<Session>,
    /// How many outages had been met when the session was opened.
    opened_after: u64,
    locks: Locks,
    retention: Duration,
    away: Arc<AtomicBool>,
    outages: Arc<AtomicU64>,
}

impl Writer {
    async fn turn(&mut self, turn: Turn<Errand>) {
        match turn {
            Turn::Batch(jobs) => self.batch(jobs).await,
            Turn::Errand(Errand::Probe { answer }) => {
                let _ = answer.send(self.probe().await);
            }
            Turn::Errand(Errand::Sweep { now, answer }) => {
                let _ = answer.send(self.sweep(now).await);
            }
            Turn::Errand(Errand::Settings { answer }) => {
                let _ = answer.send(self.settings().await);
            }
            // It was for all writers, and they have been told.
            Turn::Errand(Errand::Close) => {}
        }
    }

    async fn close(self) {
        if let Some(session) = self.session {
            session.close().await;
        }
    }

    /// Commits jobs together and answers each.
    async fn batch(&mut self, jobs: Vec<Job>) {
        let writes: Vec<&Write> = jobs.iter().map(|job| &job.request).collect();
        let answers = self.answers(&writes).await;
        for (job, answer) in jobs.into_iter().zip(answers) {
            job.answer(answer);
        }
    }

    /// A failure that is not an outage may be one write's own fault: then each is tried alone, so that it fails alone.
    async fn answers(&mut self, writes: &[&Write]) -> Answers {
        let error = match self.together(writes).await {
            Ok(answers) => return answers,
            Err(error) => error,
        };
        let alone = match fate(&error) {
            Fate::Refused | Fate::Blocked | Fate::Collided => writes.len() > 1,
            Fate::Away => false,
        };
        if !alone {
            let error = translate(error);
            return writes.iter().map(|_| Err(error.clone())).collect();
        }
        self.alone(writes).await
    }

    /// Each write in a transaction of its own. A lock that does not come is waited for once for each record, and for few
    /// records, since everybody else waits meanwhile.
    async fn alone(&mut self, writes: &[&Write]) -> Answers {
        let mut answers = Vec::with_capacity(writes.len());
        let mut blocked = HashSet::new();
        for write in writes {
            let record = write.record();
            if blocked.contains(&record) || blocked.len() == MOST_BLOCKED {
                answers
                    .push(Err(Error::unavailable("the record, or the table, is locked by another session")));
                continue;
            }
            let answer = self.together(std::slice::from_ref(write)).await;
            if matches!(&answer, Err(error) if fate(error) == Fate::Blocked) {
                blocked.insert(record);
            }
            answers.push(answer.map_err(translate).and_then(|mut answers| {
                answers.pop().unwrap_or_else(|| Err(Error::internal("a write was not answered")))
            }));
        }
        answers
    }

    /// The fast way if there is one, and the slow way for what it leaves.
    async fn together(&mut self, writes: &[&Write]) -> Result<Answers, sqlx::Error> {
        let Some(plain) = Plain::of(writes, self.locks) else { return self.slowly(writes).await };
        let done = self.quickly(&plain).await?;
        let left: Vec<&Write> =
            writes.iter().zip(&done).filter_map(|(write, done)| done.is_none().then_some(*write)).collect();
        let mut slow = match left.as_slice() {
            [] => Vec::new(),
            // What is done stays done, whatever becomes of these.
            left => self.slowly(left).await.unwrap_or_else(|error| {
                let error = translate(error);
                left.iter().map(|_| Err(error.clone())).collect()
            }),
        }
        .into_iter();
        let answers = done.into_iter().map(|done| match done {
            Some(written) => Ok(written),
            None => slow.next().unwrap_or_else(|| Err(Error::internal("a write was not answered"))),
        });
        Ok(answers.collect())
    }

    /// Puts that need nothing read first; again if they lost against another transaction.
    async fn quickly(&mut self, plain: &Plain<'_>) -> Result<Vec<Option<Written>>, sqlx::Error> {
        let retention = self.retention;
        let mut tries = Tries::default();
        loop {
            match self.with(async |session| plain.commit(session, retention).await).await {
                Err(error) if tries.again(&error) => {}
                ended => return ended,
            }
        }
    }

    /// A transaction that looks before it writes; again if it lost against another.
    async fn slowly(&mut self, writes: &[&Write]) -> Result<Answers, sqlx::Error> {
        let (locks, retention) = (self.locks, self.retention);
        let mut tries = Tries::default();
        loop {
            match self.with(async |session| commit(session, writes, locks, retention).await).await {
                Err(error) if tries.again(&error) => {}
                ended => return ended,
            }
        }
    }

    /// An empty transaction. After an outage it changes something, because only a change that is committed shows that the
    /// disk is back.
    async fn probe(&mut self) -> Result<(), Error> {
        let touch = if self.away.load(Ordering::Relaxed) {
            "UPDATE prism_schema SET version = version"
        } else {
            "SELECT 1"
        };
        self.with(async |session| session.run(touch).await).await.map_err(translate)
    }

    async fn sweep(&mut self, now: Timestamp) -> Result<Swept, Error> {
        let (locks, retention) = (self.locks, self.retention);
        self.with(async |session| sweep(session, now, locks, retention).await).await.map_err(translate)
    }

    async fn settings(&mut self) -> Result<Settings, Error> {
        self.with(async |session| Settings::of(session).await).await.map_err(translate)
    }

    /// Works with the session, which is opened if there is none that can be relied on, and let go if it broke.
    async fn with<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Session) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let done = match self.awake().await {
            Ok(mut session) => {
                let done = work(&mut session).await;
                match &done {
                    Err(error) if is_broken(error) => self.broke(error),
                    _ => self.session = Some(session),
                }
                done
            }
            Err(error) => Err(error),
        };
        let away = matches!(&done, Err(error) if fate(error) == Fate::Away);
        self.away.store(away, Ordering::Relaxed);
        done
    }

    /// Where the database went away, the sessions of the other writers have probably broken too: none that was opened
    /// before is relied on, so that one outage fails no write after the database is seen to be back.
    fn broke(&self, error: &sqlx::Error) {
        // Two that were opened together break together: the second tells nothing new.
        if fate(error) == Fate::Away {
            let (before, after) = (self.opened_after, self.opened_after + 1);
            let _ = self.outages.compare_exchange(before, after, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    async fn awake(&mut self) -> Result<Session, sqlx::Error> {
        let outages = self.outages.load(Ordering::Relaxed);
        if let Some(mut session) = self.session.take()
            && self.opened_after == outages
            && session.is_awake().await
        {
            return Ok(session);
        }
        self.opened_after = outages;
        self.connector.open().await
    }
}
