//! The contract as a model of one store: pure and synchronous. It shares no code with the reference backend.
//!
//! [`Model::step`] takes an action and its outcome, and tells what happened, or which rule the outcome breaks.

mod event;
mod judge;
mod log;

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use prism_contract::Timestamp;
use prism_contract::timeseries::{Capabilities, Capability, EventKey};

use super::policies::SuitePolicy;
use super::{Action, Outcome, Request, Response, TailUntil};
use crate::core::{Show, StatusCode, failure_text};

pub use event::Event;
pub use log::{Appended, Asked, Candidate, Log, Place, Snapshot, Tailed};

/// An outcome that the contract does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The rules that it may break.
    pub rules: Vec<&'static str>,
    /// What the contract allows.
    pub expected: String,
    /// The outcome.
    pub actual: String,
}

type Judged = Result<Vec<Event>, Mismatch>;

/// Where a Query goes on.
#[derive(Debug, Clone)]
struct Resume {
    snapshot: Snapshot,
    after: Option<EventKey>,
}

/// The store as the contract has it.
#[derive(Debug, Clone)]
pub struct Model {
    capabilities: Capabilities,
    now: Timestamp,
    logs: BTreeMap<String, Log>,
    /// What the tokens of the answers mean.
    queries: HashMap<Bytes, Resume>,
    tails: HashMap<Bytes, Place>,
    lists: HashMap<Bytes, String>,
}

impl Model {
    /// An empty store with these capabilities, at this time.
    pub fn new(capabilities: Capabilities, now: Timestamp) -> Self {
        let (logs, queries, tails, lists) = Default::default();
        Self { capabilities, now, logs, queries, tails, lists }
    }

    fn has(&self, capability: Capability) -> bool {
        self.capabilities.contains(capability)
    }

    fn log(&mut self, namespace: &str) -> &mut Log {
        let new = || Log::new(SuitePolicy::of(namespace));
        self.logs.entry(namespace.to_owned()).or_insert_with(new)
    }

    /// The action, with the number of events after which a Tail has caught up, if there is one.
    pub fn informed(&mut self, action: Action) -> Action {
        let Action::Call(Request::Tail(tail, TailUntil::CaughtUp)) = action else { return action };
        let until = self.tailed(&tail).map_or(TailUntil::CaughtUp, TailUntil::CaughtUpWith);
        Action::Call(Request::Tail(tail, until))
    }

    /// Whether it is certain where a Tail from this token begins.
    pub fn knows(&self, token: &Bytes) -> bool {
        self.tails.contains_key(token)
    }

    /// What happened at a step; an error if the contract does not allow its outcome.
    ///
    /// # Errors
    /// The rules that the outcome may break, and what is allowed.
    pub fn step(&mut self, action: &Action, outcome: &Outcome) -> Judged {
        match action {
            Action::Call(request) => self.call(request, outcome),
            Action::Advance(by) => {
                let live = |model: &Self| model.logs.values().map(|log| log.count(model.now)).sum::<usize>();
                let before = live(self);
                self.now = self.now.saturating_add(*by);
                Ok(vec![Event::Expired; before - live(self)])
            }
            Action::Sweep => done(outcome, "RET-2", Event::Swept),
            Action::Restart(_) => done(outcome, "DUR-1", Event::Restarted),
            // No sequence has them.
            Action::Outage(_) | Action::Raw(_) => Ok(Vec::new()),
        }
    }

    fn call(&mut self, request: &Request, outcome: &Outcome) -> Judged {
        match request {
            Request::Append(append) => self.append(append, outcome),
            Request::Query(query, cut) => self.query(query, *cut, outcome),
            Request::Tail(tail, _) | Request::TailFurther(tail, _) => self.tail(tail, outcome),
            Request::ListSeries(list, _) => self.list(list, outcome),
            Request::Histogram(histogram) => self.histogram(histogram, outcome),
            Request::DeleteEvents(delete) => self.delete(delete, outcome),
            Request::Describe(_) => match outcome {
                Outcome::Answered(Response::Describe(_)) => Ok(Vec::new()),
                other => Err(unexpected(&["CAP-1"], "OK", other)),
            },
        }
    }
}

fn done(outcome: &Outcome, rule: &'static str, event: Event) -> Judged {
    match outcome {
        Outcome::Done => Ok(vec![event]),
        other => Err(unexpected(&[rule], "success", other)),
    }
}

/// An outcome of another kind than the one expected.
fn unexpected(rules: &[&'static str], expected: &str, outcome: &Outcome) -> Mismatch {
    let actual = match outcome {
        Outcome::Failed(failure) => failure_text(failure),
        Outcome::Answered(_) | Outcome::Done => "OK".to_owned(),
    };
    Mismatch { rules: rules.to_vec(), expected: expected.to_owned(), actual }
}

/// The outcome must be this status.
fn fails(rules: &[&'static str], code: StatusCode, outcome: &Outcome) -> Result<(), Mismatch> {
    match outcome {
        Outcome::Failed(failure) if failure.code == code => Ok(()),
        other => Err(unexpected(rules, code.name(), other)),
    }
}

/// Both must be equal.
fn same<T: PartialEq + Show>(
    rules: &[&'static str],
    what: &str,
    expected: &T,
    actual: &T,
) -> Result<(), Mismatch> {
    if expected == actual {
        return Ok(());
    }
    let (expected, actual) = T::show_both(expected, actual);
    let (expected, actual) = (format!("{what}: {expected}"), format!("{what}: {actual}"));
    Err(Mismatch { rules: rules.to_vec(), expected, actual })
}

/// A mismatch, unless this holds.
fn expect(
    holds: bool,
    rules: &[&'static str],
    expected: &str,
    actual: impl Into<String>,
) -> Result<(), Mismatch> {
    let mismatch =
        || Mismatch { rules: rules.to_vec(), expected: expected.to_owned(), actual: actual.into() };
    if holds { Ok(()) } else { Err(mismatch()) }
}
