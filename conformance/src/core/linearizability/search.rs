//! The search for a linearization (Wing and Gong, with Lowe's memoization): depth first, one operation at a time.

use std::collections::HashSet;
use std::hash::Hash;
use std::time::{Duration, Instant};

use crate::core::span;

/// The sequential specification of one object: the effect of its operations on its state.
pub trait Spec {
    /// The state of an object, which may be partly unknown.
    type State: Clone + Eq + Hash;
    /// An operation with its response.
    type Op: Clone + PartialEq;

    /// The state after an operation; `None`: its response is impossible in this state.
    fn step(state: &Self::State, operation: &Self::Op) -> Option<Self::State>;

    /// The operation with its response in this state.
    fn answer(state: &Self::State, operation: &Self::Op) -> Self::Op;

    /// Whether a response from [`Spec::answer`] is partly unknown, so that a search cannot use it.
    fn is_open(operation: &Self::Op) -> bool;
}

/// One object's operations, in the order of their calls.
pub struct Problem<S: Spec> {
    /// The initial state of the object.
    pub initial: S::State,
    /// The operations.
    pub steps: Vec<Step<S>>,
}

/// One operation to place in the order: mandatory if it was answered, optional otherwise.
pub struct Step<S: Spec> {
    /// Its index in the history.
    pub operation: usize,
    /// The time of the call.
    pub called: u64,
    /// The time of the response; `None`: it may take effect at any time after the call, or never.
    pub ended: Option<u64>,
    /// The operation and its response.
    pub op: S::Op,
}

impl<S: Spec> Clone for Problem<S> {
    fn clone(&self) -> Self {
        Self { initial: self.initial.clone(), steps: self.steps.clone() }
    }
}

impl<S: Spec> Clone for Step<S> {
    fn clone(&self) -> Self {
        Self { operation: self.operation, called: self.called, ended: self.ended, op: self.op.clone() }
    }
}

impl<S: Spec> Problem<S> {
    /// The possible next steps: unplaced steps that were called before every other unplaced step ended.
    fn candidates(&self, placed: Placed) -> Vec<usize> {
        let mut open = Vec::new();
        let mut first_end = u64::MAX;
        for (at, step) in self.steps.iter().enumerate().filter(|(at, _)| !placed.contains(*at)) {
            if step.called > first_end {
                // Later steps were called later still, and so are no candidates either.
                break;
            }
            open.push(at);
            first_end = first_end.min(step.ended.unwrap_or(u64::MAX));
        }
        open
    }

    /// Whether all mandatory steps are placed.
    fn is_complete(&self, placed: Placed) -> bool {
        self.steps.iter().enumerate().all(|(at, step)| step.ended.is_none() || placed.contains(at))
    }
}

/// Maximum number of operations per object.
const MAX_OPERATIONS: usize = 256;

/// The limits of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum number of configurations (placed operations and resulting state).
    pub moments: usize,
    /// Timeout per object.
    pub time: Duration,
}

impl Default for Limits {
    /// Memory use is below about 100 MB for KeyValue records of a few keys.
    fn default() -> Self {
        Self { moments: 200_000, time: Duration::from_secs(5) }
    }
}

/// The result of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A linearization, as steps of the problem.
    Order(Vec<usize>),
    NoOrder,
    GaveUp(String),
}

/// The set of placed steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Placed([u64; MAX_OPERATIONS / 64]);

impl Placed {
    pub(super) const fn contains(self, step: usize) -> bool {
        self.0[step / 64] & 1 << (step % 64) != 0
    }

    const fn with(mut self, step: usize) -> Self {
        self.0[step / 64] |= 1 << (step % 64);
        self
    }
}

/// Searches for the first linearization.
pub(super) fn search<S: Spec>(problem: &Problem<S>, limits: Limits) -> Found {
    explore(problem, limits, |_, _, done| done)
}

/// A configuration of the search: the placed steps, the resulting state, and the possible next steps.
struct Configuration<S: Spec> {
    placed: Placed,
    state: S::State,
    next: Vec<usize>,
}

/// Visits every reachable configuration once. `ends` gets each one, with whether all mandatory steps are placed; when it
/// returns true, the search ends.
pub(super) fn explore<S: Spec>(
    problem: &Problem<S>,
    limits: Limits,
    mut ends: impl FnMut(Placed, &S::State, bool) -> bool,
) -> Found {
    let size = problem.steps.len();
    if size > MAX_OPERATIONS {
        return Found::GaveUp(format!(
            "an object has {size} operations; at most {MAX_OPERATIONS} are searched"
        ));
    }
    let started = Instant::now();
    let mut tried = HashSet::new();
    let mut order = Vec::new();
    let first = Configuration::new(problem, Placed::default(), problem.initial.clone());
    if ends(first.placed, &first.state, problem.is_complete(first.placed)) {
        return Found::Order(order);
    }
    let mut path = vec![first];
    while let Some(here) = path.last_mut() {
        let Some(step) = here.next.pop() else {
            path.pop();
            order.pop();
            continue;
        };
        let Some(state) = S::step(&here.state, &problem.steps[step].op) else { continue };
        let placed = here.placed.with(step);
        if !tried.insert((placed, state.clone())) {
            continue;
        }
        order.push(step);
        if ends(placed, &state, problem.is_complete(placed)) {
            return Found::Order(order);
        }
        if tried.len() >= limits.moments || started.elapsed() >= limits.time {
            let (tried, took) = (tried.len(), span(started.elapsed()));
            return Found::GaveUp(format!(
                "no order of {size} operations found in {tried} configurations and {took}"
            ));
        }
        path.push(Configuration::new(problem, placed, state));
    }
    Found::NoOrder
}

impl<S: Spec> Configuration<S> {
    fn new(problem: &Problem<S>, placed: Placed, state: S::State) -> Self {
        let mut next = problem.candidates(placed);
        // Popped from the end: the earliest call is tried first, and unanswered operations last.
        next.sort_by_key(|&step| (problem.steps[step].ended.is_some(), std::cmp::Reverse(step)));
        Self { placed, state, next }
    }
}
