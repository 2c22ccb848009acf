//! The linearizability checker: recorded concurrent operations, and the search for a sequential order that explains them.
//!
//! Reading order: a [`Recorder`] creates [`Client`]s, whose operations form a [`History`]; [`History::check`] checks it per
//! object against a [`Spec`]; [`html`] renders the result.

mod crash;
mod dice;
mod explain;
mod html;
mod judge;
mod race;
mod record;
mod search;

pub(crate) use crash::crash_under;
pub(crate) use dice::Dice;
pub(in crate::core) use html::CASE;
pub use html::html;
pub(crate) use judge::{Rounds, answers, diverged, judge, linearizable};
pub(crate) use race::RoundBarrier;
pub use race::race;
pub use record::{Client, Recorder};
pub use search::{Limits, Problem, Spec, Step};

use std::collections::BTreeMap;

use super::{Abstraction, Outcome, StatusCode};
use search::{Found, search};

/// An abstraction whose operations are linearizable per object.
pub trait Linearizable: Abstraction {
    /// The sequential specification of one object.
    type Spec: Spec;
    /// The meaning of the numbers in a problem.
    type Names;

    /// Whether a request writes.
    fn writes(request: &Self::Request) -> bool;

    /// The namespace and id of a request's object; `None`: the request is about several.
    fn object(request: &Self::Request) -> Option<(&str, &str)>;

    /// One object's history as a search problem.
    fn problem(history: &History<Self>) -> (Self::Names, Problem<Self::Spec>);

    /// The text of the response that the contract allows an operation in this state.
    fn allowed(
        names: &Self::Names,
        operation: &<Self::Spec as Spec>::Op,
        state: &<Self::Spec as Spec>::State,
        shown: &Shown<'_, Self>,
    ) -> String;

    /// The text of the culprit's response.
    fn actual(shown: &Shown<'_, Self>) -> String;

    /// The short form of an outcome's line for the history page; `None`: not shown.
    fn brief(line: &str) -> Option<&str> {
        Some(line)
    }
}

/// The input of a violation's texts.
pub struct Shown<'a, A: Abstraction> {
    /// The history as a transcript.
    pub transcript: &'a super::Transcript<A>,
    /// The operation whose response no order explains.
    pub culprit: &'a Operation<A>,
}

/// One operation of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation<A: Abstraction> {
    /// The client's number.
    pub client: usize,
    /// The request.
    pub request: A::Request,
    /// The time of the call, in nanoseconds since the start of the history.
    pub called: u64,
    /// The time of the response; `None`: there was none.
    pub returned: Option<u64>,
    /// The response; `None`: there was none. A write without a response, or with an ambiguous one, may have taken effect at
    /// any time after its call, may do so later, or never.
    pub outcome: Option<Outcome<A>>,
}

/// Operations in the order of their calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History<A: Abstraction> {
    /// The operations.
    pub operations: Vec<Operation<A>>,
}

impl<A: Abstraction> Default for History<A> {
    fn default() -> Self {
        Self { operations: Vec::new() }
    }
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryVerdict<A: Abstraction> {
    /// For every object, an order of the operations that respects real time explains every response.
    Linearizable,
    /// For one object there is no such order.
    Violation(Box<Violation<A>>),
    /// The search reached its limits.
    Inconclusive(String),
}

/// The shortest prefix of an object's history that is not linearizable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation<A: Abstraction> {
    /// The object's operations up to the unexplained response; those in flight at that time have none.
    pub history: History<A>,
    /// The first operation whose response no order explains, as an index into the history.
    pub culprit: usize,
    /// An order of the other operations that explains their responses, without those that had no effect or no response yet.
    pub order: Vec<usize>,
    /// The responses that the contract allows for the culprit.
    pub expected: String,
    /// The culprit's response.
    pub actual: String,
}

impl<A: Linearizable> Operation<A> {
    /// Whether it writes.
    pub fn is_write(&self) -> bool {
        A::writes(&self.request)
    }

    /// The namespace and id of its object.
    pub fn object(&self) -> Option<(&str, &str)> {
        A::object(&self.request)
    }

    /// Whether the store executed the request, or rejected it because of its data. A busy or unavailable store proves
    /// nothing.
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

impl<A: Linearizable> History<A> {
    /// Whether the history of every object is linearizable.
    ///
    /// Operations unknown to [`Linearizable::problem`] are ignored. An object is initially empty, so a history must include
    /// all writes to it. Objects with more than 256 operations are inconclusive.
    pub fn check(&self, limits: Limits) -> HistoryVerdict<A> {
        let mut verdict = HistoryVerdict::Linearizable;
        for history in self.objects() {
            match history.check_object(limits) {
                HistoryVerdict::Linearizable => {}
                HistoryVerdict::Inconclusive(why) => verdict = HistoryVerdict::Inconclusive(why),
                violation @ HistoryVerdict::Violation(_) => return violation,
            }
        }
        verdict
    }

    fn check_object(&self, limits: Limits) -> HistoryVerdict<A> {
        match search(&A::problem(self).1, limits) {
            Found::Order(_) => HistoryVerdict::Linearizable,
            Found::GaveUp(why) => HistoryVerdict::Inconclusive(why),
            Found::NoOrder => HistoryVerdict::Violation(Box::new(explain::violation(self, limits))),
        }
    }

    /// The histories of the single objects.
    pub fn objects(&self) -> Vec<Self> {
        let mut objects: BTreeMap<_, Self> = BTreeMap::new();
        for operation in &self.operations {
            if let Some(object) = operation.object() {
                objects.entry(object).or_default().operations.push(operation.clone());
            }
        }
        objects.into_values().collect()
    }

    /// The number of operations that overlap another client's on the same object, where one of the two writes and the store
    /// decided both. A history with 0 proves nothing about concurrency.
    pub fn overlap(&self) -> usize {
        let objects = self.objects();
        let overlaps = |history: &Self, one: &Operation<A>| {
            history.operations.iter().any(|other| {
                one.client != other.client
                    && (one.is_write() || other.is_write())
                    && other.is_decided()
                    && one.overlaps(other)
            })
        };
        let counts = |history: &Self, one: &Operation<A>| one.is_decided() && overlaps(history, one);
        objects
            .iter()
            .map(|history| history.operations.iter().filter(|one| counts(history, one)).count())
            .sum()
    }
}
