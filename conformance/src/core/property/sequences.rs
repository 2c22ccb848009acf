//! A property: random sequences of operations, their number set by the budget, from a fixed seed and a fresh one.

use futures::FutureExt;
use futures::future::BoxFuture;
use proptest::strategy::Strategy;

use super::hunt::{Found, Hunt, Shrinking, hunt};
use super::{REGRESSION, Regression, Sequential, Tally};
use crate::core::{Budget, Ctx, Proof, Stop};

/// The number of sequences of a property, and the minimum event counts for a conclusive result.
pub(crate) struct Sequences<A: Sequential> {
    /// The case's id.
    pub(crate) case: &'static str,
    /// Sequences per seed for the budgets quick, ci and soak; ci and soak have a second, fresh seed.
    pub(crate) count: (u32, u32, u32),
    /// Minimum event counts per 100 sequences: at most half of the mean, or a run with another seed may be inconclusive.
    pub(crate) floors: &'static [(A::Event, u64)],
}

/// Generates sequences of `operations` and plays them.
pub(crate) async fn check<A: Sequential>(
    ctx: &Ctx<A>,
    property: &Sequences<A>,
    operations: &(impl Strategy<Value = Vec<A::Op>, Tree: Send> + Sync),
) -> Proof {
    let (quick, ci, soak) = property.count;
    let count = ctx.budget().pick(quick, ci, soak);
    let seeds = match ctx.budget() {
        Budget::Quick => vec![ctx.seed()],
        Budget::Ci | Budget::Soak => vec![ctx.seed(), fresh_seed()],
    };
    let drawn = u64::from(count) * seeds.len() as u64;
    let mut tally = Tally::default();
    for (nth, seed) in seeds.into_iter().enumerate() {
        let kind = if nth == 0 { "fixed" } else { "fresh" };
        ctx.note(format!("{kind} seed {seed}: {count} sequences"));
        let mut random = random(seed, property.case);
        match hunt(ctx, &mut random, operations, count, attempt).await? {
            Hunt::Nothing(happened) => tally.merge(&happened),
            Hunt::Found(found) => return Err(report(ctx, property.case, seed, *found).await),
        }
    }
    ctx.note(format!("happened: {tally}"));
    floors(ctx, property, drawn, &tally)
}

fn floors<A: Sequential>(
    ctx: &Ctx<A>,
    property: &Sequences<A>,
    drawn: u64,
    tally: &Tally<A::Event>,
) -> Proof {
    let possible = property
        .floors
        .iter()
        .filter(|(event, _)| A::can_happen(*event, ctx.capabilities(), ctx.abilities()));
    for (event, floor) in possible {
        let (happened, least) = (tally.count(*event), floor * drawn / 100);
        if happened < least {
            let why = format!("the event '{event}' happened {happened} times; at least {least} are required");
            return Err(Stop::Inconclusive(why));
        }
    }
    Ok(())
}

#[expect(clippy::ptr_arg, reason = "an Attempt takes the generated value, which is a Vec")]
fn attempt<'a, A: Sequential>(
    ctx: &'a Ctx<A>,
    ops: &'a Vec<A::Op>,
) -> BoxFuture<'a, Result<Tally<A::Event>, Stop>> {
    async move { A::play(ctx, &whole(ctx, ops)).await }.boxed()
}

/// The operations to play: those that this store supports, followed by reads of everything they may have written.
fn whole<A: Sequential>(ctx: &Ctx<A>, ops: &[A::Op]) -> Vec<A::Op> {
    let mut whole = A::within(ops, ctx.capabilities(), ctx.abilities());
    whole.extend(A::reads_of(&whole, ctx.capabilities()));
    whole
}

/// Attaches the shrunk run's transcript and regression.
async fn report<A: Sequential>(ctx: &Ctx<A>, case: &str, seed: u64, found: Found<A, Vec<A::Op>>) -> Stop {
    let Found { value, divergence, transcript } = found;
    let whole = whole(ctx, &value);
    let mut found = Found { value: whole, divergence, transcript };
    found.value.truncate(found.transcript.steps.len());
    let Found { value, divergence, mut transcript } = fewer(ctx, found).await;
    transcript.notes.push(format!("shrunk to {} operations", value.len()));
    ctx.show(transcript);
    let note = format!("expected {}; was {}", divergence.expected, divergence.actual);
    let regression = Regression { case: case.to_owned(), seed, note, operations: value };
    ctx.attach(REGRESSION, regression.to_json());
    Stop::Diverged(divergence)
}

/// Removes, one by one and from the end, every operation and every part of one that the divergence does not need.
async fn fewer<A: Sequential>(ctx: &Ctx<A>, mut found: Found<A, Vec<A::Op>>) -> Found<A, Vec<A::Op>> {
    let mut shrinking = Shrinking::new();
    let mut smaller = true;
    while smaller && !shrinking.is_over() {
        smaller = false;
        for at in (0..found.value.len()).rev() {
            if at >= found.value.len() {
                continue;
            }
            let mut shorter = found.value.clone();
            shorter.remove(at);
            let simpler = A::simplifications(&found.value[at]).into_iter().map(|op| {
                let mut value = found.value.clone();
                value[at] = op;
                value
            });
            for value in [shorter].into_iter().chain(simpler) {
                if let Some((divergence, transcript)) = shrinking.fails(ctx, &value, exactly).await {
                    found = Found { value, divergence, transcript };
                    found.value.truncate(found.transcript.steps.len());
                    smaller = true;
                    break;
                }
            }
        }
    }
    found
}

#[expect(clippy::ptr_arg, reason = "an Attempt takes the generated value, which is a Vec")]
fn exactly<'a, A: Sequential>(
    ctx: &'a Ctx<A>,
    ops: &'a Vec<A::Op>,
) -> BoxFuture<'a, Result<Tally<A::Event>, Stop>> {
    A::play(ctx, ops).boxed()
}

/// A proptest runner seeded from a run's seed and a name.
pub(crate) fn random(seed: u64, name: &str) -> proptest::test_runner::TestRunner {
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    for (at, byte) in name.bytes().enumerate() {
        bytes[8 + at % 24] ^= byte.rotate_left(u32::try_from(at / 24).unwrap_or(0));
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng)
}

/// A random seed.
fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) >> 16
}
