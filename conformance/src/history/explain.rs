//! Where a history stops being explainable, and what the contract would have allowed there.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::check::{Found, Limits, Placed, explore, search};
use super::model::{Answer, At, Call, State};
use super::problem::Problem;
use super::{History, Operation, Violation};
use crate::render::{Names, bytes};
use crate::{Outcome, Step, Transcript};

/// Most allowed answers that are named.
const NAMED: usize = 4;

/// The shortest beginning of `history`, which is one record's and has no order.
pub(super) fn violation(history: &History, limits: Limits) -> Violation {
    let mut answers: Vec<(u64, usize)> = history
        .operations
        .iter()
        .enumerate()
        .filter_map(|(at, operation)| operation.returned.map(|returned| (returned, at)))
        .collect();
    answers.sort_unstable();
    // A beginning of a history that has an order has one too, so the first answer without one can be searched for by
    // halving. Where a search is given up, the beginning is taken to have an order: the answer found lies later, if at all.
    let has_order = |(until, last): &(u64, usize)| {
        search(&Problem::of(&beginning(history, *until, *last).0), limits) != Found::NoOrder
    };
    let at = answers.partition_point(has_order).min(answers.len().saturating_sub(1));
    let (until, last) = answers.get(at).copied().unwrap_or_default();
    let (shortest, culprit) = beginning(history, until, last);
    let order = answers[..at].last().map_or_else(Vec::new, |_| order_without(&shortest, culprit, limits));
    let words = Words::new(&shortest, culprit);
    let expected = words.expected(&shortest, limits);
    let actual = words.actual();
    Violation { culprit, order, expected, actual, history: shortest }
}

/// What had been sent and answered when the answer of operation `last` came; and where that operation is in it.
fn beginning(history: &History, until: u64, last: usize) -> (History, usize) {
    let mut beginning = History::default();
    let mut culprit = 0;
    for (at, operation) in history.operations.iter().enumerate().filter(|(_, other)| other.called <= until) {
        let mut operation = operation.clone();
        if operation.returned.is_none_or(|returned| (returned, at) > (until, last)) {
            (operation.returned, operation.outcome) = (None, None);
        }
        if at == last {
            culprit = beginning.operations.len();
        }
        beginning.operations.push(operation);
    }
    (beginning, culprit)
}

/// An order of all but the culprit's answer, as indices into the history.
fn order_without(history: &History, culprit: usize, limits: Limits) -> Vec<usize> {
    let problem = Problem::of(&unanswered(history, culprit));
    match search(&problem, limits) {
        Found::Order(steps) => steps.into_iter().map(|step| problem.steps[step].operation).collect(),
        Found::NoOrder | Found::GaveUp(_) => Vec::new(),
    }
}

fn unanswered(history: &History, culprit: usize) -> History {
    let mut history = history.clone();
    let operation = &mut history.operations[culprit];
    (operation.returned, operation.outcome) = (None, None);
    history
}

/// Says what the culprit answered and what it might have.
struct Words {
    transcript: Transcript,
    culprit: Operation,
    at: usize,
}

impl Words {
    fn new(history: &History, at: usize) -> Self {
        Self { transcript: transcript(history).0, culprit: history.operations[at].clone(), at }
    }

    /// Every answer that some order of the others allows, each tried in the culprit's place.
    fn expected(&self, history: &History, limits: Limits) -> String {
        let problem = Problem::of(history);
        let Some(step) = problem.steps.iter().position(|step| step.operation == self.at) else {
            return "another answer".to_owned();
        };
        let ended_before = |placed: Placed| {
            problem.steps.iter().enumerate().all(|(at, other)| {
                placed.contains(at) || other.ended.is_none_or(|ended| ended >= problem.steps[step].called)
            })
        };
        let mut allowed: Vec<(Call, String)> = Vec::new();
        let mut others = problem.clone();
        others.steps[step].ended = None;
        explore(&others, limits, |placed, state, _| {
            if !placed.contains(step) && ended_before(placed) {
                let call = state.answer(&problem.steps[step].call);
                if !allowed.iter().any(|(known, _)| *known == call) {
                    let text = self.allowed(&problem, &call, state);
                    allowed.push((call, text));
                }
            }
            false
        });
        let mut tried = problem.clone();
        let mut texts = BTreeSet::new();
        for (call, text) in allowed {
            let vague = is_vague(&call);
            tried.steps[step].call = call;
            if vague || matches!(search(&tried, limits), Found::Order(_)) {
                texts.insert(text);
            }
        }
        let more = texts.len().saturating_sub(NAMED);
        let mut text = texts.into_iter().take(NAMED).collect::<Vec<_>>().join(", or ");
        if more > 0 {
            let _ = write!(text, ", or one of {more} more");
        }
        if text.is_empty() { "an answer that an order of the operations explains".to_owned() } else { text }
    }

    fn allowed(&self, problem: &Problem, call: &Call, state: &State) -> String {
        let at = |(key, version): &At| {
            format!("{} {}", bytes(&problem.keys[*key]), self.version(&problem.keys[*key], *version))
        };
        match call {
            Call::Read { items, .. } => list(items.iter().map(|seen| {
                let (key, value) = (&problem.keys[seen.key], &problem.values[seen.value as usize]);
                let version = match seen.version {
                    0 => "of a version not seen yet".to_owned(),
                    version => self.version(key, version),
                };
                format!("{}={} {version}{}", bytes(key), bytes(value), token(seen.token))
            })),
            Call::Put { answer: Answer::Refused(failed), .. }
            | Call::Delete { answer: Answer::Refused(failed), .. } => {
                format!("FAILED_PRECONDITION with {}", list(failed.iter().map(at)))
            }
            Call::Put { items, .. } => {
                let above = |&(key, _): &(usize, u32)| {
                    let least = state.next_version(key) - 1;
                    let key = &problem.keys[key];
                    match self.known_version(key, least) {
                        Some(version) => format!("{} above {version}", bytes(key)),
                        None => bytes(key),
                    }
                };
                format!("OK with versions of {}", list(items.iter().map(above)))
            }
            Call::Delete { answer: Answer::Done(count), .. } => format!("deleted {count}"),
            Call::Delete { answer: Answer::Unknown, .. } => "OK".to_owned(),
        }
    }

    /// What the culprit answered, with versions by name.
    fn actual(&self) -> String {
        let names = Names::of(&self.transcript);
        let item = |item: &prism_contract::keyvalue::Item| {
            let version = self.version(&item.key, item.version);
            format!("{}={} {version}{}", bytes(&item.key), bytes(&item.value), token(item.priority_token))
        };
        match &self.culprit.outcome {
            Some(Outcome::Get(answer)) => list(answer.items.iter().map(item)),
            Some(Outcome::Scan(messages)) => {
                list(messages.iter().flat_map(|message| &message.entries).map(|entry| item(&entry.item)))
            }
            Some(outcome) => {
                let step = Step { request: self.culprit.request.clone(), outcome: outcome.clone() };
                names.outcome(&step).join(", ")
            }
            None => "no answer".to_owned(),
        }
    }

    fn version(&self, key: &[u8], version: i64) -> String {
        let (namespace, id) = self.culprit.record().unwrap_or_default();
        Names::of(&self.transcript).version(namespace, id, key, version)
    }

    fn known_version(&self, key: &[u8], version: i64) -> Option<String> {
        let name = self.version(key, version);
        let rank = name.strip_prefix('v')?;
        rank.bytes().all(|byte| byte.is_ascii_digit()).then_some(name)
    }
}

fn is_vague(call: &Call) -> bool {
    match call {
        Call::Read { items, .. } => items.iter().any(|seen| seen.version == 0),
        Call::Put { .. } | Call::Delete { .. } => false,
    }
}

fn token(token: i64) -> String {
    if token == 0 { String::new() } else { format!(" token {token}") }
}

fn list(parts: impl IntoIterator<Item = String>) -> String {
    let parts: Vec<_> = parts.into_iter().collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

/// The history as a transcript, in the order of the answers, those without one last; and the step of each operation.
pub(super) fn transcript(history: &History) -> (Transcript, Vec<usize>) {
    let mut order: Vec<usize> = (0..history.operations.len()).collect();
    order.sort_by_key(|&at| history.operations[at].returned.unwrap_or(u64::MAX));
    let mut steps_of = vec![0; order.len()];
    let mut transcript = Transcript::default();
    for (step, at) in order.into_iter().enumerate() {
        let operation = &history.operations[at];
        steps_of[at] = step;
        let outcome = operation.outcome.clone().unwrap_or(Outcome::Done);
        transcript.steps.push(Step { request: operation.request.clone(), outcome });
        if let Some((namespace, _)) = operation.record() {
            transcript.namespaces.insert(namespace.to_owned(), "$ns".to_owned());
        }
    }
    (transcript, steps_of)
}
