//! Scenarios: stories in operations, whose transcript is the same on every store that keeps the contract.
//!
//! A scenario file holds operations in their text form ([`super::op`]), a line each, under a few lines of comment. Its
//! transcript tells versions and times by their order alone, so one golden file serves every backend, in process and over
//! the wire, on a clock that stands still and on one that runs. To that end a moment passes before each write, and no
//! scenario depends on two things happening at once.

use std::time::Duration;

use prism_contract::keyvalue::request::Ttl;

use super::op::{Op, Player, parse_all};
use super::{Action, Ctx, Request, Transcript};
use crate::core::{Divergence, Proof, Stop};

/// What passes before each write, so that no two writes share a time.
const A_MOMENT: Duration = Duration::from_micros(1);

/// A story and the transcript it must yield.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name; also of its files.
    pub name: &'static str,
    /// The operations, as text.
    pub story: &'static str,
    /// The golden file: an insta snapshot.
    pub golden: &'static str,
}

impl Scenario {
    /// The transcript it must yield: the golden file without insta's header.
    pub fn expected(&self) -> &'static str {
        let after_header = self.golden.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
        after_header.map_or(self.golden, |(_, transcript)| transcript).trim_end()
    }
}

/// Every scenario of the suite.
pub fn all() -> &'static [Scenario] {
    super::cases::scenario::SCENARIOS
}

/// Plays a story and answers its transcript. Nothing is judged but that the harness does as it is told.
pub async fn run(ctx: &Ctx, story: &str) -> Result<String, Stop> {
    let ops = parse_all(story).map_err(|why| Stop::Broken(why.to_string()))?;
    let mut player = Player::new(ctx);
    for op in &ops {
        if matches!(op, Op::Put(_)) {
            ctx.instance().advance(A_MOMENT).await;
        }
        let action = player.action(op);
        let (_, outcome) = ctx.act(action.clone()).await?;
        player.saw(&action, &outcome);
    }
    Ok(in_ticks(ctx.take_transcript(), ctx.tick()).render(None))
}

/// Plays a scenario and holds its transcript against the golden one; the first line that differs is the divergence.
pub(crate) async fn check(ctx: &Ctx, scenario: Scenario) -> Proof {
    let actual = run(ctx, scenario.story).await?;
    match first_difference(scenario.expected(), actual.trim_end()) {
        None => Ok(()),
        Some(divergence) => Err(Stop::Diverged(divergence)),
    }
}

/// The same transcript as if a tick were a second, however long it is on the clock at hand.
fn in_ticks(mut transcript: Transcript, tick: Duration) -> Transcript {
    let seconds =
        |span: Duration| u64::try_from(span.as_nanos() / tick.as_nanos().max(1)).unwrap_or(u64::MAX);
    for step in &mut transcript.steps {
        match &mut step.action {
            Action::Advance(by) => *by = Duration::from_secs(seconds(*by)),
            Action::Call(Request::Put(put)) => {
                let ticks = |Ttl { seconds: whole, nanos }: Ttl| {
                    let span = Duration::new(whole.unsigned_abs(), nanos.unsigned_abs());
                    let ticks = i64::try_from(seconds(span)).unwrap_or(i64::MAX);
                    let seconds = if whole < 0 || nanos < 0 { -ticks } else { ticks };
                    Ttl { seconds, nanos: 0 }
                };
                put.ttl = put.ttl.map(ticks);
            }
            Action::Call(Request::Get(_) | Request::Delete(_) | Request::Scan(..) | Request::Describe(_))
            | Action::Sweep
            | Action::Restart(_)
            | Action::Outage(_)
            | Action::Raw(_) => {}
        }
    }
    transcript
}

fn first_difference(expected: &str, actual: &str) -> Option<Divergence> {
    let (mut ours, mut theirs) = (expected.lines(), actual.lines());
    let mut steps: usize = 0;
    loop {
        let (expected, actual) = (ours.next(), theirs.next());
        // A step's own line is not indented; what follows from it is.
        if actual.is_some_and(|line| !line.starts_with(' ')) {
            steps += 1;
        }
        if expected.is_none() && actual.is_none() {
            return None;
        }
        if expected != actual {
            let shown = |line: Option<&str>| line.map_or("the end", str::trim).to_owned();
            let (expected, actual) = (shown(expected), shown(actual));
            return Some(Divergence { step: steps.checked_sub(1), expected, actual });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(expected: &str, actual: &str) -> Option<(Option<usize>, String, String)> {
        first_difference(expected, actual).map(|found| (found.step, found.expected, found.actual))
    }

    #[test]
    fn the_first_line_that_differs_is_told_with_its_step() {
        let golden = "put a\n    v1\nget a\n    a=1\n    more";
        assert_eq!(difference(golden, golden), None);
        let found = difference(golden, "put a\n    v1\nget a\n    a=2\n    more");
        assert_eq!(found, Some((Some(1), "a=1".to_owned(), "a=2".to_owned())));
        let found = difference(golden, "put a\n    v1\nget a\n    a=1");
        assert_eq!(found, Some((Some(1), "more".to_owned(), "the end".to_owned())));
    }

    #[test]
    fn a_golden_file_is_read_without_its_header() {
        let scenario = Scenario { name: "x", story: "", golden: "---\nsource: a\n---\nput\n    ok\n" };
        assert_eq!(scenario.expected(), "put\n    ok");
    }
}
