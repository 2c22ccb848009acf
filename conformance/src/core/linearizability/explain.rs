//! The explanation of a violation: the shortest non-linearizable prefix of a history, and the responses allowed there.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::search::{Found, Placed, explore, search};
use super::{History, Limits, Linearizable, Problem, Shown, Spec, Violation};
use crate::core::{Action, Outcome, Step, Transcript};

/// Maximum number of allowed responses in an explanation.
const MAX_LISTED: usize = 4;

/// The shortest non-linearizable prefix of `history`, which is of one object and not linearizable.
pub(super) fn violation<A: Linearizable>(history: &History<A>, limits: Limits) -> Violation<A> {
    let mut answers: Vec<(u64, usize)> = history
        .operations
        .iter()
        .enumerate()
        .filter_map(|(at, operation)| operation.returned.map(|returned| (returned, at)))
        .collect();
    answers.sort_unstable();
    // A prefix of a linearizable history is linearizable, so the first unexplained response is found by binary search.
    // A prefix whose search reaches its limits counts as linearizable: the response found is a later one, if any.
    let has_order = |(until, last): &(u64, usize)| {
        search(&A::problem(&prefix(history, *until, *last).0).1, limits) != Found::NoOrder
    };
    let at = answers.partition_point(has_order).min(answers.len().saturating_sub(1));
    let (until, last) = answers.get(at).copied().unwrap_or_default();
    let (shortest, culprit) = prefix(history, until, last);
    let order = answers[..at].last().map_or_else(Vec::new, |_| order_without(&shortest, culprit, limits));
    let (transcript, _) = transcript(&shortest);
    let shown = Shown { transcript: &transcript, culprit: &shortest.operations[culprit] };
    let expected = expected(&shown, &shortest, culprit, limits);
    let actual = A::actual(&shown);
    Violation { culprit, order, expected, actual, history: shortest }
}

/// The prefix of the history up to the response of operation `last`, and that operation's index in it.
fn prefix<A: Linearizable>(history: &History<A>, until: u64, last: usize) -> (History<A>, usize) {
    let mut prefix = History::default();
    let mut culprit = 0;
    for (at, operation) in history.operations.iter().enumerate().filter(|(_, other)| other.called <= until) {
        let mut operation = operation.clone();
        if operation.returned.is_none_or(|returned| (returned, at) > (until, last)) {
            (operation.returned, operation.outcome) = (None, None);
        }
        if at == last {
            culprit = prefix.operations.len();
        }
        prefix.operations.push(operation);
    }
    (prefix, culprit)
}

/// An order of all operations that ignores the culprit's response, as indices into the history.
fn order_without<A: Linearizable>(history: &History<A>, culprit: usize, limits: Limits) -> Vec<usize> {
    let (_, problem) = A::problem(&unanswered(history, culprit));
    match search(&problem, limits) {
        Found::Order(steps) => steps.into_iter().map(|step| problem.steps[step].operation).collect(),
        Found::NoOrder | Found::GaveUp(_) => Vec::new(),
    }
}

fn unanswered<A: Linearizable>(history: &History<A>, culprit: usize) -> History<A> {
    let mut history = history.clone();
    let operation = &mut history.operations[culprit];
    (operation.returned, operation.outcome) = (None, None);
    history
}

/// The text of all allowed responses: those with which some order of the operations explains the prefix.
fn expected<A: Linearizable>(
    shown: &Shown<'_, A>,
    history: &History<A>,
    culprit: usize,
    limits: Limits,
) -> String {
    let (names, problem): (_, Problem<A::Spec>) = A::problem(history);
    let Some(step) = problem.steps.iter().position(|step| step.operation == culprit) else {
        return "another answer".to_owned();
    };
    let ended_before = |placed: Placed| {
        problem.steps.iter().enumerate().all(|(at, other)| {
            placed.contains(at) || other.ended.is_none_or(|ended| ended >= problem.steps[step].called)
        })
    };
    let mut allowed: Vec<(<A::Spec as Spec>::Op, String)> = Vec::new();
    let mut others = problem.clone();
    others.steps[step].ended = None;
    explore(&others, limits, |placed, state, _| {
        if !placed.contains(step) && ended_before(placed) {
            let answered = A::Spec::answer(state, &problem.steps[step].op);
            if !allowed.iter().any(|(known, _)| *known == answered) {
                let text = A::allowed(&names, &answered, state, shown);
                allowed.push((answered, text));
            }
        }
        false
    });
    let mut tried = problem.clone();
    let mut texts = BTreeSet::new();
    for (answered, text) in allowed {
        let is_open = A::Spec::is_open(&answered);
        tried.steps[step].op = answered;
        if is_open || matches!(search(&tried, limits), Found::Order(_)) {
            texts.insert(text);
        }
    }
    let more = texts.len().saturating_sub(MAX_LISTED);
    let mut text = texts.into_iter().take(MAX_LISTED).collect::<Vec<_>>().join(", or ");
    if more > 0 {
        let _ = write!(text, ", or one of {more} more");
    }
    if text.is_empty() { "a linearizable answer".to_owned() } else { text }
}

/// The history as a transcript, ordered by response time, unanswered operations last; and the step of each operation.
pub(super) fn transcript<A: Linearizable>(history: &History<A>) -> (Transcript<A>, Vec<usize>) {
    let mut order: Vec<usize> = (0..history.operations.len()).collect();
    order.sort_by_key(|&at| history.operations[at].returned.unwrap_or(u64::MAX));
    let mut steps_of = vec![0; order.len()];
    let mut transcript = Transcript::default();
    for (step, at) in order.into_iter().enumerate() {
        let operation = &history.operations[at];
        steps_of[at] = step;
        let outcome = operation.outcome.clone().unwrap_or(Outcome::Done);
        transcript.steps.push(Step { action: Action::Call(operation.request.clone()), outcome });
        if let Some((namespace, _)) = operation.object() {
            transcript.namespaces.insert(namespace.to_owned(), "$ns".to_owned());
        }
    }
    (transcript, steps_of)
}
