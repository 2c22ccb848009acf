//! From a history to the verdict of a case: the number of rounds, the minimum overlap, and the divergence.

use std::time::{Duration, Instant};

use super::{History, HistoryVerdict, Limits, Linearizable, Violation, explain, html};
use crate::core::{Abstraction, Ctx, Divergence, Outcome, StatusCode, Stop};

/// Extra time of a case whose clients overlapped too little.
const EXTRA_TIME: Duration = Duration::from_secs(15);

/// The rounds of a concurrent case: as many as the budget's time allows.
pub(crate) struct Rounds {
    started: Instant,
    time: Duration,
    next: usize,
    met: usize,
    floor: usize,
}

impl Rounds {
    /// At least two rounds, with at least `floor` overlaps in total.
    pub(crate) fn new<A: Abstraction>(c: &Ctx<A>, floor: usize) -> Self {
        let time = c.budget().pick(30, 100, 20_000);
        Self { started: Instant::now(), time: Duration::from_millis(time), next: 0, met: 0, floor }
    }

    /// The next round's number; `None`: the last round is done.
    pub(crate) fn next(&mut self) -> Option<usize> {
        let time = if self.met < self.floor { self.time + EXTRA_TIME } else { self.time };
        if self.next >= 2 && self.started.elapsed() >= time {
            return None;
        }
        self.next += 1;
        Some(self.next - 1)
    }

    /// Adds to the number of overlaps.
    pub(crate) fn met(&mut self, times: usize) {
        self.met += times;
    }

    /// Proved, or inconclusive if the clients overlapped too little.
    pub(crate) fn conclude(self, what: &str) -> Result<(), Stop> {
        let Self { next, met, floor, .. } = self;
        if met >= floor {
            return Ok(());
        }
        Err(Stop::Inconclusive(format!("{met} {what} in {next} rounds; at least {floor} are needed")))
    }
}

/// Checks the history of an undisturbed store: every operation was answered, with a status that a valid request can have,
/// and every object's history is linearizable.
pub(crate) fn judge<A: Linearizable>(c: &Ctx<A>, history: &History<A>) -> Result<(), Stop> {
    answers(c, history)?;
    linearizable(c, history)
}

/// Checks that every operation was answered without an internal failure of the store.
pub(crate) fn answers<A: Linearizable>(c: &Ctx<A>, history: &History<A>) -> Result<(), Stop> {
    for (at, operation) in history.operations.iter().enumerate() {
        match &operation.outcome {
            None => return Err(diverged(c, history, at, "an answer within 10 s", "no answer")),
            Some(Outcome::Failed(failure)) => match failure.code {
                // Load shedding and a slow database are allowed; they prove nothing.
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

/// Checks that every object's history is linearizable, regardless of failed operations.
pub(crate) fn linearizable<A: Linearizable>(c: &Ctx<A>, history: &History<A>) -> Result<(), Stop> {
    match history.check(Limits::default()) {
        HistoryVerdict::Linearizable => Ok(()),
        HistoryVerdict::Inconclusive(why) => Err(Stop::Inconclusive(why)),
        HistoryVerdict::Violation(violation) => Err(stop(c, *violation)),
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

/// Appends the operations to the transcript and attaches the history page.
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
    c.attach("history.html", html(&history, &HistoryVerdict::Violation(Box::new(violation))));
    Stop::Diverged(divergence)
}
