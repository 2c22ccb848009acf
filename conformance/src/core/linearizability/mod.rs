//! Concurrent operations as their clients saw them, and whether some order of them, one at a time, explains every answer.
//!
//! Reading order: a [`Recorder`] hands out [`Client`]s, whose operations make a [`History`]; [`History::check`] holds it
//! object by object against a [`Spec`]; [`html`] draws what was found.

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
pub use html::html;
pub(crate) use judge::{Rounds, answers, diverged, judge, linearizable};
pub(crate) use race::Turnstile;
pub use race::race;
pub use record::{Client, Recorder};
pub use search::{Limits, Problem, Spec, Step};

use std::collections::BTreeMap;

use super::{Abstraction, Outcome, StatusCode};
use search::{Found, search};

/// An abstraction whose operations on one object take effect one at a time.
pub trait Linearizable: Abstraction {
    /// What the operations on one object are held against.
    type Spec: Spec;
    /// What the numbers in a problem stand for.
    type Names;

    /// Whether a request writes.
    fn writes(request: &Self::Request) -> bool;

    /// The namespace and id of the one object that a request is about; `None`: it is about several.
    fn object(request: &Self::Request) -> Option<(&str, &str)>;

    /// One object's history as the search sees it.
    fn problem(history: &History<Self>) -> (Self::Names, Problem<Self::Spec>);

    /// What an operation answers, as the contract allows it in this state, in words.
    fn allowed(
        names: &Self::Names,
        operation: &<Self::Spec as Spec>::Op,
        state: &<Self::Spec as Spec>::State,
        shown: &Shown<'_, Self>,
    ) -> String;

    /// What the culprit answered, in words.
    fn actual(shown: &Shown<'_, Self>) -> String;

    /// A line of an outcome as the picture of a history shows it; `None`: it is left out.
    fn brief(line: &str) -> Option<&str> {
        Some(line)
    }
}

/// A violation that is being put into words.
pub struct Shown<'a, A: Abstraction> {
    /// The history as a transcript.
    pub transcript: &'a super::Transcript<A>,
    /// The operation whose answer nothing explains.
    pub culprit: &'a Operation<A>,
}

/// One operation of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation<A: Abstraction> {
    /// Who asked.
    pub client: usize,
    /// What was asked.
    pub request: A::Request,
    /// When it was sent, in nanoseconds since the history began.
    pub called: u64,
    /// When the answer came; `None`: none came.
    pub returned: Option<u64>,
    /// The answer; `None`: none came. A write without an answer, or with one that does not say what became of it, may have
    /// taken effect at any time since it was sent, may still do so, or never.
    pub outcome: Option<Outcome<A>>,
}

/// Operations in the order in which they were sent.
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

/// What a history shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<A: Abstraction> {
    /// On every object, some order of the operations that keeps to their times explains every answer.
    Linearizable,
    /// On one object there is no such order.
    Violation(Box<Violation<A>>),
    /// The search was given up; nothing is shown.
    Inconclusive(String),
}

/// The shortest beginning of an object's history that no order explains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation<A: Abstraction> {
    /// The object's operations up to the answer that nothing explains; those still under way then have no answer.
    pub history: History<A>,
    /// The first operation whose answer nothing explains, as an index into the history.
    pub culprit: usize,
    /// An order of the other operations that explains all their answers; what had no effect or no answer yet is left out.
    pub order: Vec<usize>,
    /// What the contract allows the culprit to answer.
    pub expected: String,
    /// What it answered.
    pub actual: String,
}

impl<A: Linearizable> Operation<A> {
    /// Whether it writes.
    pub fn is_write(&self) -> bool {
        A::writes(&self.request)
    }

    /// The namespace and id of the one object it is about.
    pub fn object(&self) -> Option<(&str, &str)> {
        A::object(&self.request)
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

impl<A: Linearizable> History<A> {
    /// Whether the operations on every object can be put in an order that explains their answers.
    ///
    /// Operations that [`Linearizable::problem`] does not know are passed over. An object starts out empty, so a history
    /// must hold everything that was ever written to it. Objects with more than 256 operations are inconclusive.
    pub fn check(&self, limits: Limits) -> Verdict<A> {
        let mut verdict = Verdict::Linearizable;
        for history in self.objects() {
            match history.check_object(limits) {
                Verdict::Linearizable => {}
                Verdict::Inconclusive(why) => verdict = Verdict::Inconclusive(why),
                violation @ Verdict::Violation(_) => return violation,
            }
        }
        verdict
    }

    fn check_object(&self, limits: Limits) -> Verdict<A> {
        match search(&A::problem(self).1, limits) {
            Found::Order(_) => Verdict::Linearizable,
            Found::GaveUp(why) => Verdict::Inconclusive(why),
            Found::NoOrder => Verdict::Violation(Box::new(explain::violation(self, limits))),
        }
    }

    /// The history of each object by itself.
    pub fn objects(&self) -> Vec<Self> {
        let mut objects: BTreeMap<_, Self> = BTreeMap::new();
        for operation in &self.operations {
            if let Some(object) = operation.object() {
                objects.entry(object).or_default().operations.push(operation.clone());
            }
        }
        objects.into_values().collect()
    }

    /// How many operations were under way at the same time as another client's on the same object, where one of the two
    /// writes and the store decided both. A history in which this is 0 shows nothing about concurrency.
    pub fn overlap(&self) -> usize {
        let objects = self.objects();
        let met = |history: &Self, one: &Operation<A>| {
            history.operations.iter().any(|other| {
                one.client != other.client
                    && (one.is_write() || other.is_write())
                    && other.is_decided()
                    && one.overlaps(other)
            })
        };
        let counts = |history: &Self, one: &Operation<A>| one.is_decided() && met(history, one);
        objects
            .iter()
            .map(|history| history.operations.iter().filter(|one| counts(history, one)).count())
            .sum()
    }
}
