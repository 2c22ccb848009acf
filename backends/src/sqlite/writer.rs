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
use super::deletes::LargeDeletes;
use super::error::{self, translate};
use super::files::Files;
use super::limit::Limit;
use super::outcome::Outcome;
use super::reserved_versions::{Held, ReservedVersions};
use super::settings::Settings;
use super::transaction::Transaction;
use super::unconditional::{Texts, Unconditional};
use crate::batch::{Write, Written, whole_micros};
use crate::queue::{Intake, Job, Turn};

/// How long the Deletes of a transaction may run that has other writes as well. One that takes longer gets a transaction alone.
const SHARED_DELETES: Duration = Duration::from_millis(20);
/// About how many rows a page has, where a Delete changes those that lie side by side.
const ROWS_OF_A_PAGE: u64 = 16;

/// What the writer does besides writes.
pub(super) enum Command {
    /// See whether a transaction can be had. There is one of these at a time, by the permit.
    Probe { answer: oneshot::Sender<Result<(), Error>>, one: OwnedSemaphorePermit },
    /// Drop some of what is expired or forgotten at `now`.
    Sweep { now: Timestamp, answer: oneshot::Sender<Result<Swept, Error>> },
    /// Ask the database for its settings.
    Settings { answer: oneshot::Sender<Result<Settings, Error>> },
    /// Finish what waits, and stop.
    Close,
}

pub(super) struct Writer {
    /// `None` after it broke; the next use connects again.
    connection: Option<SqliteConnection>,
    connect: SqliteConnectOptions,
    retention: Duration,
    delete_time: Duration,
    unconditional: Texts,
    reserved_versions: ReservedVersions,
    checkpointing: Checkpointing,
    files: Arc<Files>,
    outcome: Arc<Outcome>,
    limit: Limit,
    callers: Callers,
    deletes: LargeDeletes,
}

/// Why a transaction has taken no effect, or is not known to have.
enum Failure {
    Error(Error),
    /// The Delete with this number ran for longer than it may; all is rolled back.
    TooLong(usize),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Writer {
    pub(super) fn new(
        connection: SqliteConnection,
        connect: SqliteConnectOptions,
        options: &super::Options,
        files: Arc<Files>,
        outcome: Arc<Outcome>,
    ) -> Self {
        let retention = whole_micros(options.retention);
        let (unconditional, checkpointing) = (Texts::new(retention), Checkpointing::new(connect.clone()));
        Self {
            connection: Some(connection),
            connect,
            retention,
            delete_time: options.delete_time,
            unconditional,
            reserved_versions: ReservedVersions::default(),
            checkpointing,
            files,
            outcome,
            limit: Limit::new(),
            callers: Callers::default(),
            deletes: LargeDeletes::default(),
        }
    }

    /// Works until the queue ends.
    pub(super) async fn run(mut self, mut intake: Intake<Command>) {
        if let Some(connection) = &mut self.connection
            && attach(&self.limit, &self.callers, connection).await.is_err()
        {
            self.connection = None;
        }
        loop {
            if !self.deletes.is_empty() && !intake.has_writes() {
                self.delete_alone().await;
                continue;
            }
            let turn = tokio::select! {
                biased;
                () = self.deletes.due() => {
                    self.delete_alone().await;
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
        while !self.deletes.is_empty() {
            self.delete_alone().await;
        }
        self.checkpointing.close().await;
        if let Some(mut connection) = self.connection {
            let put_back = put_back(self.reserved_versions, &mut connection).await;
            if let Err(error) = put_back.and(connection.close().await) {
                tracing::warn!(%error, "the database was not closed cleanly; it recovers when it is next opened");
            }
        }
    }

    async fn command(&mut self, command: Command, intake: &mut Intake<Command>) {
        match command {
            // A check that was given up leaves nothing to do.
            Command::Probe { answer, .. } if answer.is_closed() => {}
            Command::Probe { answer, one } => {
                // Writes that wait show it as well, and need not wait for it.
                let jobs = intake.gather();
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

    /// Commits jobs together and answers each. A failure that is not an outage may be one job's own fault: then each is
    /// tried alone, so that it fails alone. A Delete that takes long is left for later, with what its namespace has of the kind,
    /// and the others are tried again.
    async fn batch(&mut self, mut jobs: Vec<Job>) {
        if let Err(error) = self.files.check() {
            return fail(jobs, &error);
        }
        while !jobs.is_empty() {
            match self.commit(&mut jobs, SHARED_DELETES).await {
                Ok(answers) => {
                    jobs.into_iter().zip(answers).for_each(|(job, answer)| self.answer(job, answer));
                    break;
                }
                Err(Failure::TooLong(number)) => {
                    let namespace = jobs[number].request.namespace().clone();
                    let (large, others): (Vec<_>, Vec<_>) = jobs
                        .into_iter()
                        .partition(|job| job.request.has_no_bound() && *job.request.namespace() == namespace);
                    self.deletes.extend(large);
                    jobs = others;
                }
                Err(Failure::Error(error)) if error.code() != Code::Unavailable && jobs.len() > 1 => {
                    self.one_by_one(jobs).await;
                    break;
                }
                Err(Failure::Error(error)) => {
                    fail(jobs, &error);
                    break;
                }
            }
        }
        if let Some(connection) = &mut self.connection {
            self.checkpointing.go_on(connection).await;
        }
    }

    async fn one_by_one(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            let mut one = vec![job];
            match self.commit(&mut one, SHARED_DELETES).await {
                Ok(answers) => {
                    one.into_iter().zip(answers).for_each(|(job, answer)| self.answer(job, answer));
                }
                Err(Failure::TooLong(_)) => self.deletes.extend(one),
                Err(Failure::Error(error)) => fail(one, &error),
            }
        }
    }

    /// Answers a write whose transaction was committed.
    fn answer(&mut self, job: Job, answer: Result<Written, Error>) {
        let deleted = match &answer {
            Ok(Written::Deleted(count)) => usize::try_from(count / ROWS_OF_A_PAGE).unwrap_or(usize::MAX),
            Ok(Written::Put(_)) | Err(_) => 0,
        };
        self.checkpointing.wrote(job.request.keys().saturating_add(deleted), job.weight());
        job.answer(answer);
    }

    /// Does a large Delete in a transaction alone, within its time; it is stopped and rolled back when no caller waits for it.
    async fn delete_alone(&mut self) {
        let Some(mut job) = self.deletes.take() else { return };
        if let Err(error) = self.files.check() {
            return job.answer(Err(error));
        }
        let began = Instant::now();
        let limit = self.limit.clone();
        limit.begin();
        let time = self.delete_time;
        let done = {
            let (write, gone) = job.watched();
            let writes = [write];
            let deleting = async {
                let transaction = self.begin().await?;
                self.apply(transaction, &writes, time).await
            };
            tokio::pin!(deleting, gone);
            tokio::select! {
                biased;
                done = &mut deleting => done,
                () = &mut gone => {
                    limit.stop();
                    deleting.await
                }
            }
        };
        limit.begin();
        match done {
            Ok(mut answers) => {
                let answer = answers.pop();
                self.answer(job, answer.unwrap_or_else(|| Err(Error::internal("a Delete was not answered"))));
            }
            Err(Failure::TooLong(_)) => job.answer(Err(Error::DeleteTooLarge)),
            Err(Failure::Error(error)) => job.answer(Err(error)),
        }
        if let Some(connection) = &mut self.connection {
            self.checkpointing.go_on(connection).await;
        }
        self.deletes.took(began.elapsed());
    }

    /// One transaction for all of `jobs`: an answer for each once it is committed, or an error that means none of them. Those whose
    /// callers went away while it waited for another process's lock are dropped unwritten. Deletes whose work has no bound may run
    /// for `time` together.
    async fn commit(
        &mut self,
        jobs: &mut Vec<Job>,
        time: Duration,
    ) -> Result<Vec<Result<Written, Error>>, Failure> {
        let connection = self.connected().await?;
        let watched = self.callers.watch(std::mem::take(jobs));
        let done = self.commit_unconditional(&watched, connection).await;
        let (left, refused) = self.callers.release(watched);
        *jobs = left;
        if let Some(done) = done
            && !refused
        {
            return Ok(self.judged(done)?.into_iter().map(Ok).collect());
        }
        let transaction = self.begin().await?;
        jobs.retain(|job| !job.is_abandoned());
        let writes: Vec<&Write> = jobs.iter().map(|job| &job.request).collect();
        self.apply(transaction, &writes, time).await
    }

    /// Does `writes` in a transaction that has begun, and commits it.
    async fn apply(
        &mut self,
        mut transaction: Transaction,
        writes: &[&Write],
        time: Duration,
    ) -> Result<Vec<Result<Written, Error>>, Failure> {
        let retention = self.retention;
        let done =
            transaction.apply(writes, retention, &mut self.reserved_versions, (&self.limit, time)).await;
        // Before the COMMIT, which must not be reported as interrupted.
        self.limit.disarm();
        let interrupted = match &done {
            Ok(_) => false,
            Err(error) => error::code(error) == Some(error::Code::Interrupted),
        };
        if interrupted || self.limit.is_stopped() {
            let deleting = transaction.deleting;
            self.connection = transaction.roll_back().await;
            return Err(if self.limit.is_stopped() {
                Failure::Error(Error::DeadlineExceeded)
            } else {
                Failure::TooLong(deleting)
            });
        }
        let (answers, drawn) = self.end(transaction, done).await?;
        self.reserved_versions.put_back(drawn);
        Ok(answers)
    }

    /// `None` if they are not unconditional Puts, and nothing was done.
    async fn commit_unconditional(
        &mut self,
        jobs: &[Job],
        mut connection: SqliteConnection,
    ) -> Option<Result<Vec<Written>, sqlx::Error>> {
        let writes: Vec<&Write> = jobs.iter().map(|job| &job.request).collect();
        let Some(unconditional) = Unconditional::of(&writes) else {
            self.connection = Some(connection);
            return None;
        };
        let done =
            unconditional.commit(&mut connection, &self.unconditional, &mut self.reserved_versions).await;
        self.connection = match &done {
            Ok(_) => Some(connection),
            Err(_) => Transaction::of(connection).roll_back().await,
        };
        Some(done)
    }

    /// An empty transaction, which waits for the lock and writes nothing. After an outage it changes something, because only
    /// a change that is committed shows that the disk is back.
    async fn probe(&mut self) -> Result<(), Error> {
        self.files.check()?;
        let mut transaction = self.begin().await?;
        let done = if self.outcome.is_away() { transaction.touch().await } else { Ok(()) };
        self.end(transaction, done).await
    }

    async fn sweep(&mut self, now: Timestamp) -> Result<Swept, Error> {
        self.files.check()?;
        let retention = self.retention;
        let mut transaction = self.begin().await?;
        let done = transaction.sweep(now, retention).await;
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

/// Answers each with the error that all of them had.
fn fail(jobs: Vec<Job>, error: &Error) {
    for job in jobs {
        job.answer(Err(error.clone()));
    }
}

/// Sets what asks the writer while its connection works.
async fn attach(
    limit: &Limit,
    callers: &Callers,
    connection: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    limit.attach(connection).await?;
    callers.attach(connection).await
}

/// Returns the versions that were drawn and not given, if no process has drawn since.
async fn put_back(
    reserved_versions: ReservedVersions,
    connection: &mut SqliteConnection,
) -> Result<(), sqlx::Error> {
    let Some(Held { before, last }) = reserved_versions.left() else { return Ok(()) };
    let query = sqlx::query("UPDATE versions SET last = ? WHERE last = ?").bind(before).bind(last);
    query.execute(connection).await.map(drop)
}
