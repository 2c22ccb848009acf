//! Histories of concurrent Appends, Queries and Tails, and their check against the rules about readers and writers.
//!
//! Clients are recorded with the times at which each request was sent and answered; [`check`] is a pure function of the
//! recording. It covers complete Queries of a whole series and Tails that were read until they had caught up, over events that
//! were neither deleted nor expired.

mod check;
mod index;
mod plan;
#[cfg(test)]
mod tests;

pub use check::{Guarantees, Violation, check, overlap};
pub(crate) use plan::{Plan, SERIES, TOGETHER, tail_token};

use super::{Ctx, TimeSeries};
use crate::core::linearizability;
use crate::core::{Action, Divergence, Outcome, Proof, Stop};

/// Operations on a TimeSeries store.
pub type History = linearizability::History<TimeSeries>;
/// One operation on a TimeSeries store.
pub type Operation = linearizability::Operation<TimeSeries>;
/// Recorder of the operations of a TimeSeries store's clients.
pub type Recorder = linearizability::Recorder<TimeSeries>;
/// One client of a TimeSeries store.
pub type Client = linearizability::Client<TimeSeries>;

/// Checks a history; a violation is a divergence whose transcript holds the operations that show it.
pub(crate) fn judge(c: &Ctx, history: &History) -> Proof {
    let Err(violation) = check(history, Guarantees::of(c.capabilities())) else { return Ok(()) };
    let mut step = None;
    for at in &violation.operations {
        let Operation { request, outcome, .. } = history.operations[*at].clone();
        step = Some(c.record(Action::Call(request), outcome.unwrap_or(Outcome::Done)));
    }
    let expected = format!("{} ({})", violation.expected, violation.rules.join(", "));
    Err(Stop::Diverged(Divergence { step, expected, actual: violation.actual }))
}
