//! The writes of both abstractions in the writer's transactions: one writer, one queue and one commit for all of a file.

use std::time::Duration;

use prism_contract::timeseries::Append;
use prism_contract::{Error, Namespace, Swept, Timestamp};
use sqlx::SqliteConnection;

use super::engine::{Commit, Limit, Transaction, Watched, Written};
use super::keyvalue::KeyValueCommit;
use super::timeseries::{self, TimeSeriesCommit, TimeSeriesWrite, TimeSeriesWrites};
use crate::engine::{Entry, Group, Job};
use crate::keyvalue::{self, Request, Write, Writes};
use crate::trace::Wait;

/// A queued write.
pub(in crate::sqlite) enum StoreWrite {
    KeyValue(Write),
    TimeSeries(TimeSeriesWrite),
}

impl From<Write> for StoreWrite {
    fn from(write: Write) -> Self {
        Self::KeyValue(write)
    }
}

impl From<Job<Append>> for StoreWrite {
    fn from(append: Job<Append>) -> Self {
        Self::TimeSeries(TimeSeriesWrite::Append(append))
    }
}

impl Entry for StoreWrite {
    fn is_abandoned(&self) -> bool {
        match self {
            Self::KeyValue(write) => write.is_abandoned(),
            Self::TimeSeries(write) => write.is_abandoned(),
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::KeyValue(write) => write.weight(),
            Self::TimeSeries(write) => write.weight(),
        }
    }

    fn wait(&mut self) -> &mut Wait {
        match self {
            Self::KeyValue(write) => write.wait(),
            Self::TimeSeries(write) => write.wait(),
        }
    }

    fn refuse(self, error: Error) -> Box<dyn FnOnce() + Send> {
        match self {
            Self::KeyValue(write) => write.refuse(error),
            Self::TimeSeries(write) => write.refuse(error),
        }
    }
}

/// Writes that are committed together.
#[derive(Default)]
pub(in crate::sqlite) struct StoreWrites {
    keyvalue: Writes,
    timeseries: TimeSeriesWrites,
}

impl Group for StoreWrites {
    type Entry = StoreWrite;

    fn keys(entry: &StoreWrite) -> usize {
        match entry {
            StoreWrite::KeyValue(write) => Writes::keys(write),
            StoreWrite::TimeSeries(write) => TimeSeriesWrites::keys(write),
        }
    }

    fn push(&mut self, entry: StoreWrite) {
        match entry {
            StoreWrite::KeyValue(write) => self.keyvalue.push(write),
            StoreWrite::TimeSeries(write) => self.timeseries.push(write),
        }
    }

    fn len(&self) -> usize {
        self.keyvalue.len() + self.timeseries.len()
    }

    fn is_any_abandoned(&self) -> bool {
        self.keyvalue.is_any_abandoned() || self.timeseries.is_any_abandoned()
    }

    #[cfg(feature = "postgres")]
    fn are_all_abandoned(&self) -> bool {
        self.keyvalue.are_all_abandoned() && self.timeseries.are_all_abandoned()
    }

    fn drop_abandoned(&mut self) {
        self.keyvalue.drop_abandoned();
        self.timeseries.drop_abandoned();
    }

    fn fail(self, error: &Error) {
        self.keyvalue.fail(error);
        self.timeseries.fail(error);
    }
}

/// The requests of a group.
pub(in crate::sqlite) struct Requests<'a> {
    keyvalue: Vec<Request<'a>>,
    timeseries: timeseries::Requests<'a>,
}

/// The answers to the requests of a group.
pub(in crate::sqlite) struct Answers {
    keyvalue: keyvalue::Answers,
    timeseries: timeseries::Answers,
}

/// The writes of a file.
pub(in crate::sqlite) struct StoreCommit {
    pub(in crate::sqlite) keyvalue: KeyValueCommit,
    pub(in crate::sqlite) timeseries: TimeSeriesCommit,
}

impl Commit for StoreCommit {
    type Group = StoreWrites;
    type Requests<'a> = Requests<'a>;
    type Answers = Answers;

    fn requests(group: &StoreWrites) -> Requests<'_> {
        Requests { keyvalue: group.keyvalue.requests(), timeseries: group.timeseries.requests() }
    }

    /// Only writes of KeyValue are committed in a separate transaction.
    fn watched(group: &mut StoreWrites) -> Watched<'_, Requests<'_>> {
        let (keyvalue, gone) = KeyValueCommit::watched(&mut group.keyvalue);
        (Requests { keyvalue, timeseries: timeseries::Requests::default() }, gone)
    }

    async fn commit_at_once(
        &mut self,
        requests: &Self::Requests<'_>,
        connection: &mut SqliteConnection,
    ) -> Option<Result<Answers, sqlx::Error>> {
        if !requests.timeseries.is_empty() {
            return None;
        }
        let done = self.keyvalue.commit_at_once(&requests.keyvalue, connection).await?;
        Some(done.map(|keyvalue| Answers { keyvalue, timeseries: timeseries::Answers::default() }))
    }

    /// TimeSeries first: the time limit of unbounded Deletes must not run while its statements do.
    async fn apply(
        &mut self,
        requests: &Self::Requests<'_>,
        transaction: &mut Transaction,
        limit: (&Limit, Duration),
    ) -> Result<Answers, sqlx::Error> {
        let timeseries = self.timeseries.apply(&requests.timeseries, &mut transaction.connection).await?;
        let keyvalue = if requests.keyvalue.is_empty() {
            keyvalue::Answers::default()
        } else {
            self.keyvalue.apply(&requests.keyvalue, transaction, limit).await?
        };
        Ok(Answers { keyvalue, timeseries })
    }

    fn committed(&mut self) {
        self.keyvalue.committed();
        self.timeseries.committed();
    }

    fn answer(group: StoreWrites, answers: Answers) -> Written {
        let keyvalue = KeyValueCommit::answer(group.keyvalue, answers.keyvalue);
        let timeseries = group.timeseries.answer(answers.timeseries);
        Written { rows: keyvalue.rows + timeseries.rows, bytes: keyvalue.bytes + timeseries.bytes }
    }

    fn split(group: StoreWrites) -> Vec<StoreWrites> {
        let StoreWrites { keyvalue, timeseries } = group;
        let of_keyvalue = KeyValueCommit::split(keyvalue).into_iter().map(StoreWrites::from);
        let of_timeseries = timeseries.split().into_iter();
        let of_timeseries =
            of_timeseries.map(|timeseries| StoreWrites { timeseries, ..StoreWrites::default() });
        of_keyvalue.chain(of_timeseries).collect()
    }

    fn take_large(group: &mut StoreWrites, number: usize) -> Vec<(Namespace, StoreWrites)> {
        let large = KeyValueCommit::take_large(&mut group.keyvalue, number);
        large.into_iter().map(|(namespace, writes)| (namespace, writes.into())).collect()
    }

    async fn sweep(&self, transaction: &mut Transaction, now: Timestamp) -> Result<Swept, sqlx::Error> {
        self.keyvalue.sweep(transaction, now).await
    }

    async fn touch(&self, transaction: &mut Transaction) -> Result<(), sqlx::Error> {
        self.keyvalue.touch(transaction).await
    }

    async fn close(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        self.keyvalue.close(connection).await
    }
}

impl From<Writes> for StoreWrites {
    fn from(keyvalue: Writes) -> Self {
        Self { keyvalue, ..Self::default() }
    }
}
