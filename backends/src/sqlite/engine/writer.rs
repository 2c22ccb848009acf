//! The writer: one task with one connection, which takes what waits and commits it together.

use std::sync::Arc;
use std::time::Duration;

use prism_contract::{Code, Error, Swept, Timestamp};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::callers::Callers;
use super::checkpoint::Checkpointing;
use super::commit::Commit;
use super::error::{self, translate};
use super::files::Files;
use super::large::Large;
use super::limit::Limit;
use super::outcome::Outcome;
use super::settings::Settings;
use super::transaction::Transaction;
use crate::engine::{Group, Intake, Turn};

/// How long the writes without a bound may run of a transaction that has others as well. One that takes longer gets a transaction alone.
const SHARED: Duration = Duration::from_millis(20);

/// What the writer does besides writes.
pub(in crate::sqlite) enum Command {
    /// See whether a transaction can be had. There is one of these at a time, by the permit.
    Probe { answer: oneshot::Sender<Result<(), Error>>, one: OwnedSemaphorePermit },
    /// Drop some of what is expired or forgotten at `now`.
    Sweep { now: Timestamp, answer: oneshot::Sender<Result<Swept, Error>> },
    /// Ask the database for its settings.
    Settings { answer: oneshot::Sender<Result<Settings, Error>> },
    /// Finish what waits, and stop.
    Close,
}

pub(super) struct Writer<C: Commit> {
    /// `None` after it broke; the next use connects again.
    connection: Option<SqliteConnection>,
    connect: SqliteConnectOptions,
    /// How long a write without a bound may run in a transaction alone.
    longest: Duration,
    commit: C,
    checkpointing: Checkpointing,
    files: Arc<Files>,
    outcome: Arc<Outcome>,
    limit: Limit,
    callers: Callers<C::Group>,
    large: Large<C::Group>,
}

/// Why a transaction has taken no effect, or is not known to have.
enum Failure {
    Error(Error),
    /// The write with this number, one without a bound, ran for longer than it may; all is rolled back.
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
        commit: C,
    ) -> Self {
        let checkpointing = Checkpointing::new(connect.clone());
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

    /// Works until the queue ends.
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
            let turn = tokio::select! {
                biased;
                () = self.large.due() => {
                    self.large_alone().await;
                    continue;
                }
                turn = intake.next() => turn,
            };
            match turn {
                Some(Turn::Batch(jobs)) => self.batch(jobs).await,
                Some(Turn::Command(command)) => self.command(command, &mut intake).await,
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
            // A check that was given up leaves nothing to do.
            Command::Probe { answer, .. } if answer.is_closed() => {}
            Command::Probe { answer, one } => {
                // Writes that wait show it as well, and need not wait for it.
                let jobs = intake.take_group();
                let shown = if jobs.is_empty() {
                    self.probe().await
                } else {
                    self.batch(jobs).await;
                    if self.outcome.is_away() {
                        Err(Error::unavailable("the last write failed"))
                    } else {
                        Ok(())
                    }
                };
                drop(one);
                let _ = answer.send(shown);
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

    /// Commits a group and answers each write. A failure that is not an outage may be one write's own fault: then each is
    /// tried alone, so that it fails alone. One that takes long is left for later, with what its namespace has of the kind,
    /// and the others are tried again.
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
            self.checkpointing.go_on(connection).await;
        }
    }

    async fn one_by_one(&mut self, group: C::Group) {
        for mut one in C::apart(group) {
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

    /// Does a large write in a transaction alone, within its time; it is stopped and rolled back when no caller waits for it.
    async fn large_alone(&mut self) {
        let Some(mut group) = self.large.take() else { return };
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
            self.checkpointing.go_on(connection).await;
        }
        self.large.took(began.elapsed());
    }

    /// One transaction for all of `group`: answers once it is committed, or an error that means all of them. Those whose
    /// callers went away while it waited for another process's lock are dropped unwritten. Writes without a bound may run
    /// for `time` together.
    async fn commit(&mut self, group: &mut C::Group, time: Duration) -> Result<C::Answers, Failure> {
        let connection = self.connected().await?;
        let watched = self.callers.watch(std::mem::take(group));
        let done = self.commit_at_once(&watched, connection).await;
        let (left, refused) = self.callers.release(watched);
        *group = left;
        if let Some(done) = done
            && !refused
        {
            return Ok(self.judged(done)?);
        }
        let transaction = self.begin().await?;
        group.drop_abandoned();
        let requests = C::requests(group);
        self.apply(transaction, &requests, time).await
    }

    /// Does requests in a transaction that has begun, and commits it.
    async fn apply(
        &mut self,
        mut transaction: Transaction,
        requests: &C::Requests<'_>,
        time: Duration,
    ) -> Result<C::Answers, Failure> {
        let done = self.commit.apply(requests, &mut transaction, (&self.limit, time)).await;
        // Before the COMMIT, which must not be reported as interrupted.
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

    /// `None` if it takes a transaction, and nothing was done.
    async fn commit_at_once(
        &mut self,
        group: &C::Group,
        mut connection: SqliteConnection,
    ) -> Option<Result<C::Answers, sqlx::Error>> {
        let done = {
            let requests = C::requests(group);
            self.commit.commit_at_once(&requests, &mut connection).await
        };
        self.connection = match &done {
            None | Some(Ok(_)) => Some(connection),
            Some(Err(_)) => Transaction::of(connection).roll_back().await,
        };
        done
    }

    /// An empty transaction, which waits for the lock and writes nothing. After an outage it changes something, because only
    /// a change that is committed shows that the disk is back.
    async fn probe(&mut self) -> Result<(), Error> {
        self.files.check()?;
        let mut transaction = self.begin().await?;
        let done = if self.outcome.is_away() { self.commit.touch(&mut transaction).await } else { Ok(()) };
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

    /// The connection, taken out: its user puts it back if it is whole afterwards. A new one is opened only to the same file.
    async fn connected(&mut self) -> Result<SqliteConnection, Error> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        self.files.connected_anew();
        self.files.look()?;
        let opened = async {
            let mut connection = self.connect.connect().await?;
            attach(&self.limit, &self.callers, &mut connection).await?;
            Ok(connection)
        };
        let connection = opened.await.map_err(|error| self.failed(error))?;
        self.files.look()?;
        self.files.connected_anew();
        Ok(connection)
    }

    async fn begin(&mut self) -> Result<Transaction, Error> {
        let connection = self.connected().await?;
        Transaction::begin(connection).await.map_err(|error| self.failed(error))
    }

    /// What a transaction came to. One that was committed to a file that the path no longer names is not acknowledged: nothing
    /// finds there what it wrote.
    fn judged<T>(&self, ended: Result<T, sqlx::Error>) -> Result<T, Error> {
        let done = ended.map_err(|error| self.failed(error))?;
        self.outcome.committed();
        self.files.look()?;
        Ok(done)
    }

    /// What it means that a transaction failed, or could not be begun.
    fn failed(&self, error: sqlx::Error) -> Error {
        let code = error::code(&error);
        let error = translate(error);
        if error.code() == Code::Unavailable {
            self.outcome.away(code);
        }
        error
    }

    /// Commits what was done, or takes it back. After a failure the connection is given up unless it could roll back, so
    /// that no half-open transaction is ever met again.
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
        self.judged(ended)
    }
}

/// Sets what asks the writer while its connection works.
async fn attach<G: Group>(
    limit: &Limit,
    callers: &Callers<G>,
    connection: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    limit.attach(connection).await?;
    callers.attach(connection).await
}
