//! The writer: one task with one connection, which takes the queued writes and commits them together.

use std::sync::Arc;
use std::time::Duration;

use prism_contract::{Code, Error, Swept, Timestamp};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;
use tracing::Instrument;

use super::callers::Callers;
use super::checkpoint::{Checkpointing, Checkpoints};
use super::commit::Commit;
use super::error::{self, translate};
use super::files::Files;
use super::large::Large;
use super::limit::Limit;
use super::outcome::Outcome;
use super::settings::Settings;
use super::statement_span;
use super::transaction::Transaction;
use crate::engine::{Group, Intake, Next};

/// Time limit of the unbounded writes in a shared transaction. One that takes longer gets a separate transaction.
const SHARED: Duration = Duration::from_millis(20);

/// The writer's tasks besides writes.
pub(in crate::sqlite) enum Command {
    /// Test whether a transaction succeeds. The permit allows one probe at a time.
    Probe { answer: oneshot::Sender<Result<(), Error>>, one: OwnedSemaphorePermit },
    /// Remove some expired items and old tombstones.
    Sweep { now: Timestamp, answer: oneshot::Sender<Result<Swept, Error>> },
    /// Query the database's settings.
    Settings { answer: oneshot::Sender<Result<Settings, Error>> },
    /// Finish queued writes, and stop.
    Close,
}

pub(super) struct Writer<C: Commit> {
    /// `None` after it broke; the next use reconnects.
    connection: Option<SqliteConnection>,
    connect: SqliteConnectOptions,
    /// Time limit of an unbounded write in a separate transaction.
    longest: Duration,
    commit: C,
    checkpointing: Checkpointing,
    files: Arc<Files>,
    outcome: Arc<Outcome>,
    limit: Limit,
    callers: Callers<C::Group>,
    large: Large<C::Group>,
}

/// Why a transaction failed.
enum Failure {
    Error(Error),
    /// The unbounded write with this index exceeded the time limit; everything was rolled back.
    TooLong(usize),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl<C: Commit> Writer<C> {
    pub(super) fn new(
        connection: SqliteConnection,
        connect: SqliteConnectOptions,
        longest: Duration,
        files: Arc<Files>,
        outcome: Arc<Outcome>,
        checkpoints: Arc<Checkpoints>,
        commit: C,
    ) -> Self {
        let checkpointing = Checkpointing::new(connect.clone(), checkpoints);
        Self {
            connection: Some(connection),
            connect,
            longest,
            commit,
            checkpointing,
            files,
            outcome,
            limit: Limit::new(),
            callers: Callers::default(),
            large: Large::default(),
        }
    }

    /// Runs until the queue ends.
    pub(super) async fn run(mut self, mut intake: Intake<C::Group, Command>) {
        if let Some(connection) = &mut self.connection
            && attach(&self.limit, &self.callers, connection).await.is_err()
        {
            self.connection = None;
        }
        loop {
            if !self.large.is_empty() && !intake.has_writes() {
                self.large_alone().await;
                continue;
            }
            let next = tokio::select! {
                biased;
                () = self.large.due() => {
                    self.large_alone().await;
                    continue;
                }
                next = intake.next() => next,
            };
            match next {
                Some(Next::Batch(jobs, span)) => {
                    let _running = intake.batches.begin();
                    self.batch(jobs).instrument(span).await;
                }
                Some(Next::Command(command)) => self.command(command, &mut intake).await,
                None => break,
            }
        }
        while !self.large.is_empty() {
            self.large_alone().await;
        }
        self.checkpointing.close().await;
        if let Some(mut connection) = self.connection {
            let closed = self.commit.close(&mut connection).await;
            if let Err(error) = closed.and(connection.close().await) {
                tracing::warn!(%error, "the database was not closed cleanly; it recovers when it is next opened");
            }
        }
    }

    async fn command(&mut self, command: Command, intake: &mut Intake<C::Group, Command>) {
        match command {
            // The check was cancelled.
            Command::Probe { answer, .. } if answer.is_closed() => {}
            Command::Probe { answer, one } => {
                // Queued writes serve as a probe, and need not wait for one.
                let (jobs, span) = intake.take_group();
                let result = if jobs.is_empty() {
                    self.probe().await
                } else {
                    self.batch(jobs).instrument(span).await;
                    if self.outcome.is_unavailable() {
                        Err(Error::unavailable("the last write failed"))
                    } else {
                        Ok(())
                    }
                };
                drop(one);
                let _ = answer.send(result);
            }
            Command::Sweep { now, answer } => {
                let _ = answer.send(self.sweep(now).await);
            }
            Command::Settings { answer } => {
                let _ = answer.send(self.settings().await);
            }
            Command::Close => intake.close(),
        }
    }

    /// Commits a group and answers each write. A failure that is not an outage may be caused by one write: then each is
    /// retried alone, so that it fails alone. A write that takes long is postponed, with the other unbounded writes of its
    /// namespace, and the rest is retried.
    async fn batch(&mut self, mut group: C::Group) {
        if let Err(error) = self.files.check() {
            return group.fail(&error);
        }
        while !group.is_empty() {
            match self.commit(&mut group, SHARED).await {
                Ok(answers) => {
                    self.answer(group, answers);
                    break;
                }
                Err(Failure::TooLong(number)) => self.large.extend(C::take_large(&mut group, number)),
                Err(Failure::Error(error)) if error.code() != Code::Unavailable && group.len() > 1 => {
                    self.one_by_one(group).await;
                    break;
                }
                Err(Failure::Error(error)) => {
                    group.fail(&error);
                    break;
                }
            }
        }
        if let Some(connection) = &mut self.connection {
            self.checkpointing.advance(connection).await;
        }
    }

    async fn one_by_one(&mut self, group: C::Group) {
        for mut one in C::split(group) {
            match self.commit(&mut one, SHARED).await {
                Ok(answers) => self.answer(one, answers),
                Err(Failure::TooLong(number)) => self.large.extend(C::take_large(&mut one, number)),
                Err(Failure::Error(error)) => one.fail(&error),
            }
        }
    }

    /// Answers writes whose transaction was committed.
    fn answer(&mut self, group: C::Group, answers: C::Answers) {
        let written = C::answer(group, answers);
        self.checkpointing.wrote(written.rows, written.bytes);
    }

    /// Commits a large write in a separate transaction, within its time limit; it is interrupted and rolled back when its
    /// caller stops waiting.
    async fn large_alone(&mut self) {
        let Some((group, span)) = self.large.take() else { return };
        self.commit_large(group).instrument(span).await;
    }

    async fn commit_large(&mut self, mut group: C::Group) {
        if let Err(error) = self.files.check() {
            return group.fail(&error);
        }
        let began = Instant::now();
        let limit = self.limit.clone();
        limit.begin();
        let time = self.longest;
        let done = {
            let (requests, mut gone) = C::watched(&mut group);
            let writing = async {
                let transaction = self.begin().await?;
                self.apply(transaction, &requests, time).await
            };
            tokio::pin!(writing);
            tokio::select! {
                biased;
                done = &mut writing => done,
                () = &mut gone => {
                    limit.stop();
                    writing.await
                }
            }
        };
        limit.begin();
        match done {
            Ok(answers) => self.answer(group, answers),
            Err(Failure::TooLong(_)) => group.fail(&Error::DeleteTooLarge),
            Err(Failure::Error(error)) => group.fail(&error),
        }
        if let Some(connection) = &mut self.connection {
            self.checkpointing.advance(connection).await;
        }
        self.large.took(began.elapsed());
    }

    /// Commits `group` in one transaction; an error is for all of it. Writes whose callers were cancelled while it waited
    /// for another process's lock are dropped. Unbounded writes may run for `time` in total.
    async fn commit(&mut self, group: &mut C::Group, time: Duration) -> Result<C::Answers, Failure> {
        let connection = self.connected().await?;
        let watched = self.callers.watch(std::mem::take(group));
        let done = self.commit_at_once(&watched, connection).await;
        let (left, refused) = self.callers.release(watched);
        *group = left;
        if let Some(done) = done
            && !refused
        {
            return Ok(self.acknowledged(done)?);
        }
        let transaction = self.begin().await?;
        group.drop_abandoned();
        let requests = C::requests(group);
        self.apply(transaction, &requests, time).await
    }

    /// Executes requests in a begun transaction, and commits it.
    async fn apply(
        &mut self,
        mut transaction: Transaction,
        requests: &C::Requests<'_>,
        time: Duration,
    ) -> Result<C::Answers, Failure> {
        let applying = self.commit.apply(requests, &mut transaction, (&self.limit, time));
        let done = applying.instrument(statement_span("write")).await;
        // Before the COMMIT, which must not be interrupted.
        self.limit.disarm();
        let interrupted = match &done {
            Ok(_) => false,
            Err(error) => error::code(error) == Some(error::Code::Interrupted),
        };
        if interrupted || self.limit.is_stopped() {
            let unbounded = transaction.unbounded;
            self.connection = transaction.roll_back().await;
            return Err(if self.limit.is_stopped() {
                Failure::Error(Error::DeadlineExceeded)
            } else {
                Failure::TooLong(unbounded)
            });
        }
        let answers = self.end(transaction, done).await?;
        self.commit.committed();
        Ok(answers)
    }

    /// Commits by the fast path. `None`: a transaction is needed, and nothing was done.
    async fn commit_at_once(
        &mut self,
        group: &C::Group,
        mut connection: SqliteConnection,
    ) -> Option<Result<C::Answers, sqlx::Error>> {
        let done = {
            let requests = C::requests(group);
            self.commit.commit_at_once(&requests, &mut connection).instrument(statement_span("write")).await
        };
        self.connection = match &done {
            None | Some(Ok(_)) => Some(connection),
            Some(Err(_)) => Transaction::of(connection).roll_back().await,
        };
        done
    }

    /// An empty transaction, which waits for the lock and writes nothing. After an outage it also writes, because only a
    /// committed change shows that the disk works again.
    async fn probe(&mut self) -> Result<(), Error> {
        self.files.check()?;
        let mut transaction = self.begin().await?;
        let done =
            if self.outcome.is_unavailable() { self.commit.touch(&mut transaction).await } else { Ok(()) };
        self.end(transaction, done).await
    }

    async fn sweep(&mut self, now: Timestamp) -> Result<Swept, Error> {
        self.files.check()?;
        let mut transaction = self.begin().await?;
        let done = self.commit.sweep(&mut transaction, now).await;
        self.end(transaction, done).await
    }

    async fn settings(&mut self) -> Result<Settings, Error> {
        let mut connection = self.connected().await?;
        let settings = Settings::of(&mut connection).await.map_err(translate)?;
        self.connection = Some(connection);
        Ok(settings)
    }

    /// Takes the connection; its user puts it back if it is still usable. A new one is opened only to the same file.
    async fn connected(&mut self) -> Result<SqliteConnection, Error> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        self.files.reconnected();
        self.files.recheck()?;
        let opened = async {
            let mut connection = self.connect.connect().await?;
            attach(&self.limit, &self.callers, &mut connection).await?;
            Ok(connection)
        };
        let connection = opened.await.map_err(|error| self.failed(error))?;
        self.files.recheck()?;
        self.files.reconnected();
        Ok(connection)
    }

    async fn begin(&mut self) -> Result<Transaction, Error> {
        let connection = self.connected().await?;
        Transaction::begin(connection).await.map_err(|error| self.failed(error))
    }

    /// The result of a transaction. A commit to a file that the path no longer names is not acknowledged: its writes are
    /// lost.
    fn acknowledged<T>(&self, ended: Result<T, sqlx::Error>) -> Result<T, Error> {
        let done = ended.map_err(|error| self.failed(error))?;
        self.outcome.committed();
        self.files.recheck()?;
        Ok(done)
    }

    /// The error of a transaction that failed or could not begin; records an outage.
    fn failed(&self, error: sqlx::Error) -> Error {
        let code = error::code(&error);
        let error = translate(error);
        if error.code() == Code::Unavailable {
            self.outcome.unavailable(code);
        }
        error
    }

    /// Commits or rolls back. After a failure the connection is dropped unless it could roll back, so that no open
    /// transaction is left on it.
    async fn end<T>(&mut self, transaction: Transaction, done: Result<T, sqlx::Error>) -> Result<T, Error> {
        let ended = match done {
            Ok(done) => match transaction.commit().await {
                Ok(connection) => {
                    self.connection = Some(connection);
                    Ok(done)
                }
                Err(error) => Err(error),
            },
            Err(error) => {
                self.connection = transaction.roll_back().await;
                Err(error)
            }
        };
        self.acknowledged(ended)
    }
}

/// Installs the progress handler and the commit hook.
async fn attach<G: Group>(
    limit: &Limit,
    callers: &Callers<G>,
    connection: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    limit.attach(connection).await?;
    callers.attach(connection).await
}
