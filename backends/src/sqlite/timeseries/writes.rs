//! The writes of TimeSeries: queued jobs, requests of a batch, and their answers.

use std::sync::Arc;

use prism_contract::timeseries::{Append, EventKey, Series, SeriesEvent, TimeRange};
use prism_contract::{Error, Namespace, Timestamp};

use super::tails::{Drawn, Tails};
use crate::engine::{Entry, Group, Job, Work};
use crate::sqlite::engine::Written;
use crate::timeseries::{Appends, Buckets};
use crate::trace::Wait;

/// Maximum events that one transaction deletes for a request: it occupies the writer for some milliseconds.
pub(in crate::sqlite) const STEP: usize = 1_000;

/// Deletes a bounded number of events of a series.
pub(in crate::sqlite) struct DeleteStep {
    pub(super) namespace: Namespace,
    pub(super) series: i64,
    pub(super) range: TimeRange,
    /// Events beyond this one.
    pub(super) after: Option<EventKey>,
    /// Events up to this position: those appended since the Delete began may stay.
    pub(super) snapshot: i64,
}

/// The result of a step.
pub(in crate::sqlite) struct Deleted {
    pub(super) count: u64,
    /// Where the next step begins; `None`: nothing is left.
    pub(super) next: Option<EventKey>,
}

/// Removes a bounded number of expired events of some series.
pub(in crate::sqlite) struct ExpireStep {
    pub(super) namespace: Namespace,
    pub(super) namespace_id: i64,
    pub(super) partitions: i64,
    pub(super) expired: Timestamp,
    pub(super) series: Vec<(i64, Series)>,
}

impl Work for DeleteStep {
    type Answer = Deleted;

    fn namespace(&self) -> &Namespace {
        &self.namespace
    }
}

impl Work for ExpireStep {
    /// Number of events removed; [`STEP`] if more may be left.
    type Answer = usize;

    fn namespace(&self) -> &Namespace {
        &self.namespace
    }
}

/// A queued write.
pub(in crate::sqlite) enum TimeSeriesWrite {
    Append(Job<Append>),
    Delete(Job<DeleteStep>),
    Expire(Job<ExpireStep>),
}

impl Entry for TimeSeriesWrite {
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Append(job) => job.is_abandoned(),
            Self::Delete(job) => job.is_abandoned(),
            Self::Expire(job) => job.is_abandoned(),
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Append(job) => job.weight(),
            Self::Delete(job) => job.weight(),
            Self::Expire(job) => job.weight(),
        }
    }

    fn wait(&mut self) -> &mut Wait {
        match self {
            Self::Append(job) => job.wait(),
            Self::Delete(job) => job.wait(),
            Self::Expire(job) => job.wait(),
        }
    }

    fn refuse(self, error: Error) -> Box<dyn FnOnce() + Send> {
        match self {
            Self::Append(job) => job.refuse(error),
            Self::Delete(job) => job.refuse(error),
            Self::Expire(job) => job.refuse(error),
        }
    }
}

/// Writes that are committed together. The kinds are in separate lists: writes that wait at the same time have no order.
#[derive(Default)]
pub(in crate::sqlite) struct TimeSeriesWrites {
    appends: Appends,
    deletes: Vec<Job<DeleteStep>>,
    expires: Vec<Job<ExpireStep>>,
}

/// The requests of a batch.
#[derive(Default)]
pub(in crate::sqlite) struct Requests<'a> {
    pub(super) appends: Vec<&'a Append>,
    pub(super) deletes: Vec<&'a DeleteStep>,
    pub(super) expires: Vec<&'a ExpireStep>,
}

impl Requests<'_> {
    /// Whether there are none.
    pub(in crate::sqlite) fn is_empty(&self) -> bool {
        self.appends.is_empty() && self.deletes.is_empty() && self.expires.is_empty()
    }
}

/// The answers to the requests of a batch, in their order.
#[derive(Default)]
pub(in crate::sqlite) struct Answers {
    pub(super) appends: Vec<Result<Vec<bool>, Error>>,
    pub(super) deletes: Vec<Deleted>,
    pub(super) expires: Vec<usize>,
    /// The positions that the Appends have drawn, and the Tails to wake. `None`: no Append.
    pub(super) drawn: Option<(Arc<Tails>, Vec<Drawn>)>,
}

impl TimeSeriesWrites {
    pub(in crate::sqlite) fn requests(&self) -> Requests<'_> {
        Requests {
            appends: self.appends.requests(),
            deletes: self.deletes.iter().map(|job| &job.request).collect(),
            expires: self.expires.iter().map(|job| &job.request).collect(),
        }
    }

    /// Wakes Tails and answers each write. It wakes here, because the caller of an Append may have stopped waiting.
    pub(in crate::sqlite) fn answer(self, answers: Answers) -> Written {
        let mut written = self.written();
        let removed = answers.deletes.iter().map(|deleted| usize::try_from(deleted.count).unwrap_or(STEP));
        written.rows += removed.chain(answers.expires.iter().copied()).sum::<usize>();
        if let Some((tails, drawn)) = answers.drawn {
            let mut buckets = Buckets::default();
            for append in self.appends.requests() {
                buckets.insert(append);
            }
            tails.appended(&drawn, &buckets);
        }
        self.appends.answer(answers.appends);
        answer_each(self.deletes, answers.deletes);
        answer_each(self.expires, answers.expires);
        written
    }

    /// What the Appends have written: each change of series touches a page of the table and one of an index.
    fn written(&self) -> Written {
        let mut written = Written::default();
        for append in self.appends.requests() {
            let changes = append.events.windows(2).filter(|pair| pair[0].series != pair[1].series).count();
            written.rows += 2 * (1 + changes);
            written.bytes += append.events.iter().map(weigh).sum::<usize>();
        }
        written
    }

    /// Groups of one write.
    pub(in crate::sqlite) fn split(self) -> Vec<Self> {
        let appends = self.appends.0.into_iter().map(TimeSeriesWrite::Append);
        let deletes = self.deletes.into_iter().map(TimeSeriesWrite::Delete);
        let expires = self.expires.into_iter().map(TimeSeriesWrite::Expire);
        let one = |write| {
            let mut group = Self::default();
            group.push(write);
            group
        };
        appends.chain(deletes).chain(expires).map(one).collect()
    }
}

fn answer_each<W: Work>(jobs: Vec<Job<W>>, answers: Vec<W::Answer>) {
    let mut answers = answers.into_iter();
    for job in jobs {
        let answer = answers.next().ok_or_else(|| Error::internal("a write was not answered"));
        job.answer(answer);
    }
}

/// Bytes of an event in the table and its indexes.
fn weigh(event: &SeriesEvent) -> usize {
    /// Its numbers, and its entries in two indexes.
    const FIXED: usize = 64;
    event.weight() + event.event.id.as_bytes().len() * 2 + FIXED
}

impl Group for TimeSeriesWrites {
    type Entry = TimeSeriesWrite;

    fn keys(entry: &TimeSeriesWrite) -> usize {
        match entry {
            TimeSeriesWrite::Append(job) => Appends::keys(job),
            TimeSeriesWrite::Delete(_) | TimeSeriesWrite::Expire(_) => STEP,
        }
    }

    fn push(&mut self, entry: TimeSeriesWrite) {
        match entry {
            TimeSeriesWrite::Append(job) => self.appends.push(job),
            TimeSeriesWrite::Delete(job) => self.deletes.push(job),
            TimeSeriesWrite::Expire(job) => self.expires.push(job),
        }
    }

    fn len(&self) -> usize {
        self.appends.len() + self.deletes.len() + self.expires.len()
    }

    fn is_any_abandoned(&self) -> bool {
        self.appends.is_any_abandoned()
            || self.deletes.iter().any(Entry::is_abandoned)
            || self.expires.iter().any(Entry::is_abandoned)
    }

    #[cfg(feature = "postgres")]
    fn are_all_abandoned(&self) -> bool {
        self.appends.are_all_abandoned()
            && self.deletes.iter().all(Entry::is_abandoned)
            && self.expires.iter().all(Entry::is_abandoned)
    }

    fn drop_abandoned(&mut self) {
        self.appends.drop_abandoned();
        self.deletes.retain(|job| !job.is_abandoned());
        self.expires.retain(|job| !job.is_abandoned());
    }

    fn fail(self, error: &Error) {
        self.appends.fail(error);
        for job in self.deletes {
            job.refuse(error.clone())();
        }
        for job in self.expires {
            job.refuse(error.clone())();
        }
    }
}
