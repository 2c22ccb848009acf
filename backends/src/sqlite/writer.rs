//! The writer: one task with one connection, which takes what waits and commits it together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prism_contract::keyvalue::{Code, Error, Swept, Timestamp};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::oneshot;

use super::error::translate;
use super::fold::Folding;
use super::plain::{Plain, Texts};
use super::settings::Settings;
use super::stock::{Held, Stock};
use super::transaction::Transaction;
use crate::batch::{Write, Written};
use crate::queue::{Intake, Job, Turn};

/// What the writer does besides writes.
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

pub(super) struct Writer {
    /// `None` after it broke; the next use connects again.
    connection: Option<SqliteConnection>,
    connect: SqliteConnectOptions,
    retention: Duration,
    plain: Texts,
    stock: Stock,
    folding: Folding,
    away: Arc<AtomicBool>,
}

impl Writer {
    pub(super) fn new(
        connection: SqliteConnection,
        connect: SqliteConnectOptions,
        retention: Duration,
        away: Arc<AtomicBool>,
    ) -> Self {
        let (plain, folding) = (Texts::new(retention), Folding::new(connect.clone()));
        Self {
            connection: Some(connection),
            connect,
            retention,
            plain,
            stock: Stock::default(),
            folding,
            away,
        }
    }

    /// Works until the queue ends.
    pub(super) async fn run(mut self, mut intake: Intake<Errand>) {
        while let Some(turn) = intake.next().await {
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
                Turn::Errand(Errand::Close) => intake.close(),
            }
        }
        self.folding.close().await;
        if let Some(mut connection) = self.connection {
            let put_back = put_back(self.stock, &mut connection).await;
            if let Err(error) = put_back.and(connection.close().await) {
                tracing::warn!(%error, "the database was not closed cleanly; it recovers when it is next opened");
            }
        }
    }

    /// Commits jobs together and answers each. A failure that is not an outage may be one job's own fault: then each is
    /// tried alone, so that it fails alone.
    async fn batch(&mut self, jobs: Vec<Job>) {
        let writes: Vec<&Write> = jobs.iter().map(|job| &job.request).collect();
        let answers = match self.commit(&writes).await {
            Ok(answers) => answers,
            Err(error) if error.code() != Code::Unavailable && writes.len() > 1 => {
                self.one_by_one(&writes).await
            }
            Err(error) => writes.iter().map(|_| Err(error.clone())).collect(),
        };
        let (mut rows, mut bytes) = (0, 0);
        for (job, answer) in jobs.into_iter().zip(answers) {
            rows += job.request.keys();
            bytes += job.weight();
            job.answer(answer);
        }
        self.folding.wrote(rows, bytes);
        if let Some(connection) = &mut self.connection {
            self.folding.go_on(connection).await;
        }
    }

    async fn one_by_one(&mut self, writes: &[&Write]) -> Vec<Result<Written, Error>> {
        let mut answers = Vec::with_capacity(writes.len());
        for write in writes {
            let alone = self.commit(std::slice::from_ref(write)).await;
            let answer = alone.and_then(|mut answers| {
                answers.pop().unwrap_or_else(|| Err(Error::internal("a write was not answered")))
            });
            answers.push(answer);
        }
        answers
    }

    /// One transaction for all of `writes`: an answer for each once it is committed, or an error that means none of them.
    async fn commit(&mut self, writes: &[&Write]) -> Result<Vec<Result<Written, Error>>, Error> {
        if let Some(plain) = Plain::of(writes) {
            return self.commit_plain(&plain).await;
        }
        let retention = self.retention;
        let mut transaction = self.begin().await?;
        let done = transaction.apply(writes, retention, &mut self.stock).await;
        let (answers, drawn) = self.end(transaction, done).await?;
        self.stock.put_back(drawn);
        Ok(answers)
    }

    async fn commit_plain(&mut self, plain: &Plain<'_>) -> Result<Vec<Result<Written, Error>>, Error> {
        let mut connection = self.connected().await?;
        let done = plain.commit(&mut connection, &self.plain, &mut self.stock).await;
        self.connection = match &done {
            Ok(_) => Some(connection),
            Err(_) => Transaction { connection }.roll_back().await,
        };
        Ok(self.judged(done)?.into_iter().map(Ok).collect())
    }

    /// An empty transaction, which waits for the lock and writes nothing. After an outage it changes something, because only
    /// a change that is committed shows that the disk is back.
    async fn probe(&mut self) -> Result<(), Error> {
        let ill = self.away.load(Ordering::Relaxed);
        let mut transaction = self.begin().await?;
        let done = if ill { transaction.touch().await } else { Ok(()) };
        self.end(transaction, done).await
    }

    async fn sweep(&mut self, now: Timestamp) -> Result<Swept, Error> {
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

    /// The connection, taken out: whoever finds it whole afterwards puts it back.
    async fn connected(&mut self) -> Result<SqliteConnection, Error> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.connect.connect().await.map_err(|error| self.not_begun(error)),
        }
    }

    async fn begin(&mut self) -> Result<Transaction, Error> {
        let connection = self.connected().await?;
        Transaction::begin(connection).await.map_err(|error| self.not_begun(error))
    }

    /// What it means that no transaction could be begun.
    fn not_begun(&self, error: sqlx::Error) -> Error {
        self.away.store(true, Ordering::Relaxed);
        translate(error)
    }

    /// What a transaction came to, and whether the database was away.
    fn judged<T>(&self, ended: Result<T, sqlx::Error>) -> Result<T, Error> {
        let ended = ended.map_err(translate);
        self.away.store(matches!(ended, Err(Error::Unavailable { .. })), Ordering::Relaxed);
        ended
    }

    /// Commits what was done, or takes it back. After a failure the connection is given up unless it could roll back, so
    /// that no half-open transaction is ever met again.
    async fn end<T>(&mut self, transaction: Transaction, done: Result<T, sqlx::Error>) -> Result<T, Error> {
        let committed = match done {
            Ok(done) => transaction.commit().await.map(|connection| (done, connection)),
            Err(error) => {
                self.connection = transaction.roll_back().await;
                Err(error)
            }
        };
        let (done, connection) = self.judged(committed)?;
        self.connection = Some(connection);
        Ok(done)
    }
}

/// Puts back the versions that were drawn and not given, if nobody has drawn since.
async fn put_back(stock: Stock, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let Some(Held { before, last }) = stock.left() else { return Ok(()) };
    let query = sqlx::query("UPDATE versions SET last = ? WHERE last = ?").bind(before).bind(last);
    query.execute(connection).await.map(drop)
}
