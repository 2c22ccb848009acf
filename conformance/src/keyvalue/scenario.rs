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
pub use crate::core::scenario::Scenario;
use crate::core::scenario::first_difference;
use crate::core::{Ability, Proof, Stop};

/// Clock advance before each write, so that no two writes share a time.
const WRITE_INTERVAL: Duration = Duration::from_micros(1);

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
    let Some(mut divergence) = first_difference(scenario.expected(), actual.trim_end(), rule_of) else {
        return Ok(());
    };
    if let Some((_, rules)) = broken.filter(|(step, _)| divergence.step == Some(*step))
        && !divergence.expected.ends_with("(SCAN-1)")
    {
        divergence.expected = format!("{} ({})", divergence.expected, rules.join(", "));
    }
    Err(Stop::Diverged(divergence))
}

/// A golden `end` is the last message of a Scan.
fn rule_of(line: &str) -> &'static str {
    if line == "end" { ": the last message of a Scan, without a resume_token (SCAN-1)" } else { "" }
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
