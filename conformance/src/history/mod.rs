//! Concurrent operations as their clients saw them, and whether some order of them, one at a time, explains every answer.
//!
//! Reading order: a [`Recorder`] hands out [`Client`]s, whose operations make a [`History`]; [`History::check`] holds it
//! against the contract record by record (LIN-1); [`html`] draws what was found.

mod ask;
mod check;
mod crash;
mod dice;
mod explain;
mod html;
mod judge;
mod mix;
mod model;
mod problem;
mod race;
mod record;

pub(crate) use ask::{Record, keys, range};
pub use check::Limits;
pub(crate) use crash::crash_under;
pub(crate) use dice::Dice;
pub use html::html;
pub(crate) use judge::{Rounds, answers, diverged, judge, linearizable};
pub(crate) use mix::{Mix, Plan};
pub(crate) use race::Turnstile;
pub use race::race;
pub use record::{Client, Recorder};

use std::collections::BTreeMap;

use crate::{Outcome, Request, StatusCode};

/// One operation of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Who asked.
    pub client: usize,
    /// What was asked.
    pub request: Request,
    /// When it was sent, in nanoseconds since the history began.
    pub called: u64,
    /// When the answer came; `None`: none came.
    pub returned: Option<u64>,
    /// The answer; `None`: none came. A write without an answer, or with one that does not say what became of it, may have
    /// taken effect at any time since it was sent, may still do so, or never.
    pub outcome: Option<Outcome>,
}

/// Operations in the order in which they were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The operations.
    pub operations: Vec<Operation>,
}

/// What a history shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// On every record, some order of the operations that keeps to their times explains every answer.
    Linearizable,
    /// On one record there is no such order.
    Violation(Box<Violation>),
    /// The search was given up; nothing is shown.
    Inconclusive(String),
}

/// The shortest beginning of a record's history that no order explains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The record's operations up to the answer that nothing explains; those still under way then have no answer.
    pub history: History,
    /// The first operation whose answer nothing explains, as an index into the history.
    pub culprit: usize,
    /// An order of the other operations that explains all their answers; what had no effect or no answer yet is left out.
    pub order: Vec<usize>,
    /// What the contract allows the culprit to answer.
    pub expected: String,
    /// What it answered.
    pub actual: String,
}

impl Operation {
    /// Whether it writes.
    pub fn is_write(&self) -> bool {
        matches!(self.request, Request::Put(_) | Request::Delete(_))
    }

    /// The namespace and id of the one record it is about.
    pub fn record(&self) -> Option<(&str, &str)> {
        match &self.request {
            Request::Put(put) => Some((&put.namespace, &put.id)),
            Request::Get(get) => Some((&get.namespace, &get.id)),
            Request::Delete(delete) => Some((&delete.namespace, &delete.id)),
            Request::Scan(scan, _) if !scan.id.is_empty() => Some((&scan.namespace, &scan.id)),
            Request::Scan(..)
            | Request::Describe(_)
            | Request::Advance(_)
            | Request::Sweep
            | Request::Restart(_)
            | Request::Outage(_)
            | Request::Raw(_) => None,
        }
    }

    /// Whether the store did what it was asked, or refused it for what it holds. A store that is busy or away shows nothing.
    fn is_decided(&self) -> bool {
        match &self.outcome {
            Some(Outcome::Failed(failure)) => failure.code == StatusCode::FailedPrecondition,
            Some(_) => true,
            None => false,
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        let ends = |operation: &Self| operation.returned.unwrap_or(u64::MAX);
        self.called < ends(other) && other.called < ends(self)
    }
}

impl History {
    /// Whether every record's operations can be put in an order that explains their answers (LIN-1).
    ///
    /// Knows Put, Delete, Get of a first page and Scan of one record in one message, without ttl and `keys_only`, and
    /// takes the time of the store to stand still; other operations are passed over. A record starts out empty, so a
    /// history must hold everything that was ever written to it. Records of more than 256 operations are inconclusive.
    pub fn check(&self, limits: Limits) -> Verdict {
        let mut verdict = Verdict::Linearizable;
        for history in self.records() {
            match history.check_record(limits) {
                Verdict::Linearizable => {}
                Verdict::Inconclusive(why) => verdict = Verdict::Inconclusive(why),
                violation @ Verdict::Violation(_) => return violation,
            }
        }
        verdict
    }

    fn check_record(&self, limits: Limits) -> Verdict {
        match check::search(&problem::Problem::of(self), limits) {
            check::Found::Order(_) => Verdict::Linearizable,
            check::Found::GaveUp(why) => Verdict::Inconclusive(why),
            check::Found::NoOrder => Verdict::Violation(Box::new(explain::violation(self, limits))),
        }
    }

    /// The history of each record by itself.
    pub fn records(&self) -> Vec<Self> {
        let mut records: BTreeMap<_, Self> = BTreeMap::new();
        for operation in &self.operations {
            if let Some(record) = operation.record() {
                records.entry(record).or_default().operations.push(operation.clone());
            }
        }
        records.into_values().collect()
    }

    /// How many operations were under way at the same time as another client's on the same record, where one of the two
    /// writes and the store decided both. A history in which this is 0 shows nothing about concurrency.
    pub fn overlap(&self) -> usize {
        let records = self.records();
        let met = |history: &Self, one: &Operation| {
            history.operations.iter().any(|other| {
                one.client != other.client
                    && (one.is_write() || other.is_write())
                    && other.is_decided()
                    && one.overlaps(other)
            })
        };
        let counts = |history: &Self, one: &Operation| one.is_decided() && met(history, one);
        records
            .iter()
            .map(|history| history.operations.iter().filter(|one| counts(history, one)).count())
            .sum()
    }
}
