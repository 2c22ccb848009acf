//! The search for an order (Wing and Gong, with Lowe's memory of what was tried): depth first, one operation at a time.

use std::collections::HashSet;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// A specification of one object: what its operations do to its state, one at a time.
pub trait Spec {
    /// An object at one moment. What is not known of it may be part of it.
    type State: Clone + Eq + Hash;
    /// An operation together with its answer.
    type Op: Clone + PartialEq;

    /// The state after an operation; `None`: in this state the operation cannot have answered what it did.
    fn step(state: &Self::State, operation: &Self::Op) -> Option<Self::State>;

    /// The operation with the answer that it would get in this state.
    fn answer(state: &Self::State, operation: &Self::Op) -> Self::Op;

    /// Whether an answer made by [`Spec::answer`] leaves something open, so that a search cannot take it for one.
    fn is_open(operation: &Self::Op) -> bool;
}

/// One object's operations, in the order of their calls.
pub struct Problem<S: Spec> {
    /// The object before all of them.
    pub initial: S::State,
    /// The operations.
    pub steps: Vec<Step<S>>,
}

/// One operation that has to be placed, or may be.
pub struct Step<S: Spec> {
    /// Its index in the history.
    pub operation: usize,
    /// When it was called.
    pub called: u64,
    /// When it was answered; `None`: it may take effect at any time from its call on, or never.
    pub ended: Option<u64>,
    /// What it did.
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
    /// The steps that may come next: those not placed that no other one, not placed, ended before.
    fn candidates(&self, placed: Placed) -> Vec<usize> {
        let mut open = Vec::new();
        let mut first_end = u64::MAX;
        for (at, step) in self.steps.iter().enumerate().filter(|(at, _)| !placed.contains(*at)) {
            if step.called > first_end {
                // Whatever follows was called later still, and so cannot end before it either.
                break;
            }
            open.push(at);
            first_end = first_end.min(step.ended.unwrap_or(u64::MAX));
        }
        open
    }

    /// Whether everything that must be placed is.
    fn is_complete(&self, placed: Placed) -> bool {
        self.steps.iter().enumerate().all(|(at, step)| step.ended.is_none() || placed.contains(at))
    }
}

/// Most operations of one object.
const MOST: usize = 256;

/// When a search gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most moments (operations placed, and the state they lead to) that are tried.
    pub moments: usize,
    /// Longest that one object takes.
    pub time: Duration,
}

impl Default for Limits {
    /// Memory stays under about 100 MB for KeyValue records of a few keys.
    fn default() -> Self {
        Self { moments: 200_000, time: Duration::from_secs(5) }
    }
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Steps of the problem in an order that explains them.
    Order(Vec<usize>),
    NoOrder,
    GaveUp(String),
}

/// Which steps are placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Placed([u64; MOST / 64]);

impl Placed {
    pub(super) const fn contains(self, step: usize) -> bool {
        self.0[step / 64] & 1 << (step % 64) != 0
    }

    const fn with(mut self, step: usize) -> Self {
        self.0[step / 64] |= 1 << (step % 64);
        self
    }
}

/// Searches until an order is found.
pub(super) fn search<S: Spec>(problem: &Problem<S>, limits: Limits) -> Found {
    explore(problem, limits, |_, _, done| done)
}

/// A moment on the way: what is placed, the state then, and the steps that may come next.
struct Moment<S: Spec> {
    placed: Placed,
    state: S::State,
    next: Vec<usize>,
}

/// Walks every moment that can be reached once. `ends` sees each one, with whether everything that must be placed is;
/// where it answers true the walk ends there.
pub(super) fn explore<S: Spec>(
    problem: &Problem<S>,
    limits: Limits,
    mut ends: impl FnMut(Placed, &S::State, bool) -> bool,
) -> Found {
    let size = problem.steps.len();
    if size > MOST {
        return Found::GaveUp(format!("an object with {size} operations; at most {MOST} are searched"));
    }
    let started = Instant::now();
    let mut tried = HashSet::new();
    let mut order = Vec::new();
    let first = Moment::new(problem, Placed::default(), problem.initial.clone());
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
            let (tried, took) = (tried.len(), started.elapsed());
            return Found::GaveUp(format!(
                "no order of {size} operations found among {tried} moments in {took:?}"
            ));
        }
        path.push(Moment::new(problem, placed, state));
    }
    Found::NoOrder
}

impl<S: Spec> Moment<S> {
    fn new(problem: &Problem<S>, placed: Placed, state: S::State) -> Self {
        let mut next = problem.candidates(placed);
        // Taken from the end: what was called first is tried first, and what may never have happened last.
        next.sort_by_key(|&step| (problem.steps[step].ended.is_some(), std::cmp::Reverse(step)));
        Self { placed, state, next }
    }
}
