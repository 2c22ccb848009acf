//! The search for an order (Wing and Gong, with Lowe's memory of what was tried): depth first, one operation at a time.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::model::State;
use super::problem::Problem;

/// Most operations of one record.
pub(super) const MOST: usize = 256;

/// When a search gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most moments (operations placed, and the record they lead to) that are tried.
    pub moments: usize,
    /// Longest that one record takes.
    pub time: Duration,
}

impl Default for Limits {
    /// Memory stays under about 100 MB for records of a few keys.
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
pub(super) fn search(problem: &Problem, limits: Limits) -> Found {
    explore(problem, limits, |_, _, done| done)
}

/// A moment on the way: what is placed, the record then, and the steps that may come next.
struct Moment {
    placed: Placed,
    state: State,
    next: Vec<usize>,
}

/// Walks every moment that can be reached once. `ends` sees each one, with whether everything that must be placed is;
/// where it answers true the walk ends there.
pub(super) fn explore(
    problem: &Problem,
    limits: Limits,
    mut ends: impl FnMut(Placed, &State, bool) -> bool,
) -> Found {
    let size = problem.steps.len();
    if size > MOST {
        return Found::GaveUp(format!("a record with {size} operations; at most {MOST} are searched"));
    }
    let started = Instant::now();
    let mut tried = HashSet::new();
    let mut order = Vec::new();
    let first = Moment::new(problem, Placed::default(), State::empty(problem.keys.len()));
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
        let Some(state) = here.state.after(&problem.steps[step].call) else { continue };
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

impl Moment {
    fn new(problem: &Problem, placed: Placed, state: State) -> Self {
        let mut next = problem.candidates(placed);
        // Taken from the end: what was called first is tried first, and what may never have happened last.
        next.sort_by_key(|&step| (problem.steps[step].ended.is_some(), std::cmp::Reverse(step)));
        Self { placed, state, next }
    }
}
