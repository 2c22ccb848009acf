//! From a history to the verdict of a case: how long to go on, whether it was enough, and what a divergence shows.

use std::time::{Duration, Instant};

use super::{History, Limits, Linearizable, Verdict, Violation, explain, html};
use crate::core::{Abstraction, Ctx, Divergence, Outcome, StatusCode, Stop};

/// How much longer than planned a case goes on where the clients hardly met.
const PATIENCE: Duration = Duration::from_secs(15);

/// The rounds of a concurrent case: as many as the budget's time allows.
pub(crate) struct Rounds {
    started: Instant,
    time: Duration,
    next: usize,
    met: usize,
    floor: usize,
}

impl Rounds {
    /// At least two rounds, and in them at least `floor` meetings.
    pub(crate) fn new<A: Abstraction>(c: &Ctx<A>, floor: usize) -> Self {
        let time = c.budget().pick(30, 100, 20_000);
        Self { started: Instant::now(), time: Duration::from_millis(time), next: 0, met: 0, floor }
    }

    /// The next round's number; `None`: it is time to conclude.
    pub(crate) fn next(&mut self) -> Option<usize> {
        let time = if self.met < self.floor { self.time + PATIENCE } else { self.time };
        if self.next >= 2 && self.started.elapsed() >= time {
            return None;
        }
        self.next += 1;
        Some(self.next - 1)
    }

    /// Counts what shows that the clients met.
    pub(crate) fn met(&mut self, times: usize) {
        self.met += times;
    }

    /// Proved, unless the clients hardly met: then nothing was shown.
    pub(crate) fn conclude(self, what: &str) -> Result<(), Stop> {
        let Self { next, met, floor, .. } = self;
        if met >= floor {
            return Ok(());
        }
        Err(Stop::Inconclusive(format!("{met} {what} in {next} rounds; at least {floor} are needed")))
    }
}

/// Holds the history of a store that nothing happened to against the contract: every operation was answered, with a
/// status that a valid request can have, and every object's history is linearizable.
pub(crate) fn judge<A: Linearizable>(c: &Ctx<A>, history: &History<A>) -> Result<(), Stop> {
    answers(c, history)?;
    linearizable(c, history)
}

/// Whether every operation was answered, and not by a failure of the store.
pub(crate) fn answers<A: Linearizable>(c: &Ctx<A>, history: &History<A>) -> Result<(), Stop> {
    for (at, operation) in history.operations.iter().enumerate() {
        match &operation.outcome {
            None => return Err(diverged(c, history, at, "an answer within 10 s", "no answer")),
            Some(Outcome::Failed(failure)) => match failure.code {
                // Load that is shed and a database that is slow are the store's right; they prove nothing.
                StatusCode::FailedPrecondition
                | StatusCode::ResourceExhausted
                | StatusCode::Unavailable
                | StatusCode::DeadlineExceeded => {}
                code => {
                    let actual = format!("{code} ({})", failure.message);
                    return Err(diverged(c, history, at, "OK or FAILED_PRECONDITION", &actual));
                }
            },
            Some(_) => {}
        }
    }
    Ok(())
}

/// Whether every object's history is linearizable, whatever failed.
pub(crate) fn linearizable<A: Linearizable>(c: &Ctx<A>, history: &History<A>) -> Result<(), Stop> {
    match history.check(Limits::default()) {
        Verdict::Linearizable => Ok(()),
        Verdict::Inconclusive(why) => Err(Stop::Inconclusive(why)),
        Verdict::Violation(violation) => Err(stop(c, *violation)),
    }
}

/// A divergence at operation `at` of `history`.
pub(crate) fn diverged<A: Linearizable>(
    c: &Ctx<A>,
    history: &History<A>,
    at: usize,
    expected: impl Into<String>,
    actual: impl Into<String>,
) -> Stop {
    let object = history.operations[at].object();
    let mut shown = History::default();
    let mut culprit = 0;
    for (other, operation) in history.operations.iter().enumerate() {
        if operation.object() == object {
            if other == at {
                culprit = shown.operations.len();
            }
            shown.operations.push(operation.clone());
        }
    }
    let (expected, actual) = (expected.into(), actual.into());
    stop(c, Violation { history: shown, culprit, order: Vec::new(), expected, actual })
}

/// Writes the operations into the transcript and draws them.
fn stop<A: Linearizable>(c: &Ctx<A>, violation: Violation<A>) -> Stop {
    let (transcript, steps) = explain::transcript(&violation.history);
    let first = c.take_transcript().steps.len();
    for step in transcript.steps {
        c.record(step.action, step.outcome);
    }
    let divergence = Divergence {
        step: Some(first + steps[violation.culprit]),
        expected: violation.expected.clone(),
        actual: violation.actual.clone(),
    };
    let history = violation.history.clone();
    c.attach("history.html", html(&history, &Verdict::Violation(Box::new(violation))));
    Stop::Diverged(divergence)
}
