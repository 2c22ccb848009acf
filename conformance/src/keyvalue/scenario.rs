//! Scenarios: operation sequences whose transcript is the same on every store that conforms to the contract.
//!
//! A scenario file holds a comment of a few lines, then operations in text form ([`super::op`]), one per line. The
//! transcript shows versions and times by rank only, so one golden file serves every backend, in process and over the
//! wire, on a manual clock and on the real one. Time therefore advances before each write, and no scenario depends on
//! two events at the same time.

use std::time::Duration;

use prism_contract::keyvalue::request::Ttl;

use super::model::{Mismatch, Model};
use super::op::{Op, Player, parse_all};
use super::{Action, Ctx, Outcome, Request, Transcript};
use crate::core::{Ability, Divergence, Proof, Stop};

/// Clock advance before each write, so that no two writes share a time.
const WRITE_INTERVAL: Duration = Duration::from_micros(1);

/// An operation sequence and the transcript it must yield.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name, and the name of its files.
    pub name: &'static str,
    /// The operations, as text.
    pub story: &'static str,
    /// The golden file, an insta snapshot.
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

/// Runs a story and returns its transcript. Checks only that the harness works.
pub async fn run(ctx: &Ctx, story: &str) -> Result<String, Stop> {
    play(ctx, story).await.map(|(transcript, _)| transcript)
}

/// The step of the first outcome that the model does not allow, and the rules that it may break.
type Broken = Option<(usize, Vec<&'static str>)>;

/// Plays a story on the store and on the model. The golden file decides; the model knows the rules of each step.
async fn play(ctx: &Ctx, story: &str) -> Result<(String, Broken), Stop> {
    let ops = parse_all(story).map_err(|why| Stop::Broken(why.to_string()))?;
    let mut player = Player::new(ctx);
    let mut model = Model::new(ctx.capabilities(), ctx.abilities().contains(Ability::ManualClock));
    let mut broken = None;
    for op in &ops {
        if matches!(op, Op::Put(_)) {
            ctx.instance().advance(WRITE_INTERVAL).await;
            // Every outcome of an advance is allowed.
            let _ = model.step(&Action::Advance(WRITE_INTERVAL), &Outcome::Done);
        }
        let action = player.action(op);
        let (step, outcome) = ctx.act(action.clone()).await?;
        if broken.is_none()
            && let Err(Mismatch { rules, .. }) = model.step(&action, &outcome)
        {
            broken = Some((step, rules));
        }
        player.saw(&action, &outcome);
    }
    Ok((in_ticks(ctx.take_transcript(), ctx.tick()).render(None), broken))
}

/// Runs a scenario and compares its transcript with the golden one; the first line that differs is the divergence.
pub(crate) async fn check(ctx: &Ctx, scenario: Scenario) -> Proof {
    let (actual, broken) = play(ctx, scenario.story).await?;
    let Some(mut divergence) = first_difference(scenario.expected(), actual.trim_end()) else {
        return Ok(());
    };
    if let Some((_, rules)) = broken.filter(|(step, _)| divergence.step == Some(*step))
        && !divergence.expected.ends_with("(SCAN-1)")
    {
        divergence.expected = format!("{} ({})", divergence.expected, rules.join(", "));
    }
    Err(Stop::Diverged(divergence))
}

/// The transcript with durations in ticks, shown as seconds, independent of the clock's tick length.
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

fn first_difference<'a>(expected: &'a str, actual: &'a str) -> Option<Divergence> {
    let (mut expected_lines, mut actual_lines) = (expected.lines(), actual.lines());
    let mut steps: usize = 0;
    loop {
        let (expected, actual) = (expected_lines.next(), actual_lines.next());
        // The request line of a step is not indented; its outcome lines are.
        let outcome = |line: Option<&'a str>| line.filter(|line| line.starts_with(' ')).map(str::trim);
        if expected.is_none() && actual.is_none() {
            return None;
        }
        if expected != actual && (outcome(expected).is_some() || outcome(actual).is_some()) {
            let shown = |line| outcome(line).unwrap_or("nothing more").to_owned();
            // A golden `end` is the last message of a Scan.
            let rule = match outcome(expected) {
                Some("end") => ": the last message of a Scan, without a resume_token (SCAN-1)",
                Some(_) | None => "",
            };
            let (expected, actual) = (shown(expected) + rule, shown(actual));
            return Some(Divergence { step: steps.checked_sub(1), expected, actual });
        }
        if expected != actual {
            let shown = |line: Option<&str>| line.unwrap_or("the end").to_owned();
            return Some(Divergence { step: Some(steps), expected: shown(expected), actual: shown(actual) });
        }
        if outcome(actual).is_none() {
            steps += 1;
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
    fn first_difference_reports_its_step() {
        let golden = "put a\n    v1\nget a\n    a=1\n    more";
        assert_eq!(difference(golden, golden), None);
        let found = difference(golden, "put a\n    v1\nget a\n    a=2\n    more");
        assert_eq!(found, Some((Some(1), "a=1".to_owned(), "a=2".to_owned())));
        let found = difference(golden, "put a\n    v1\nget a\n    a=1");
        assert_eq!(found, Some((Some(1), "more".to_owned(), "nothing more".to_owned())));
        let scan = "scan r\n    a=1\n    end";
        let found = difference(scan, "scan r\n    a=1\n    more");
        let expected = "end: the last message of a Scan, without a resume_token (SCAN-1)";
        assert_eq!(found, Some((Some(0), expected.to_owned(), "more".to_owned())));
        let found = difference(golden, "put a\nget a\n    a=1\n    more");
        assert_eq!(found, Some((Some(0), "v1".to_owned(), "nothing more".to_owned())));
        let found = difference("put a\nget a", "put a\n    v1\nget a");
        assert_eq!(found, Some((Some(0), "nothing more".to_owned(), "v1".to_owned())));
        let found = difference("put a\nget a", "put a\nget b");
        assert_eq!(found, Some((Some(1), "get a".to_owned(), "get b".to_owned())));
    }

    #[test]
    fn golden_file_header_is_stripped() {
        let scenario = Scenario { name: "x", story: "", golden: "---\nsource: a\n---\nput\n    ok\n" };
        assert_eq!(scenario.expected(), "put\n    ok");
    }
}
