//! A property: sequences of operations from one mix, as many as the budget allows, from a fixed seed and a fresh one.

use futures::FutureExt;
use futures::future::BoxFuture;
use prism_contract::keyvalue::Capability;
use prism_contract::keyvalue::request::SelectionInput;

use super::generate::{fresh_seed, random};
use super::hunt::{Found, Hunt, Shrinking, hunt};
use super::simplify::plainer;
use super::{Mix, Regression, Tally, operations, play, within};
use crate::case::Proof;
use crate::model::Event;
use crate::op::{Get, Op, Page, Scan, Space};
use crate::{Budget, Ctx, Stop};

/// What a property draws, how often, and what must have happened for it to prove anything.
pub(crate) struct Sequences {
    /// The case's id.
    pub(crate) case: &'static str,
    pub(crate) mix: Mix,
    /// How many sequences of each seed on each budget; all but the quick one have a second, fresh seed.
    pub(crate) count: (u32, u32, u32),
    /// How often each of these must have happened in a hundred sequences.
    pub(crate) floors: &'static [(Event, u64)],
}

/// Draws and plays the sequences.
pub(crate) async fn check(ctx: &Ctx, property: &Sequences) -> Proof {
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
        match hunt(ctx, &mut random, &operations(property.mix), count, attempt).await? {
            Hunt::Nothing(happened) => tally.merge(&happened),
            Hunt::Found(found) => return Err(report(ctx, property.case, seed, *found).await),
        }
    }
    ctx.note(format!("happened: {tally}"));
    floors(ctx, property, drawn, &tally)
}

fn floors(ctx: &Ctx, property: &Sequences, drawn: u64, tally: &Tally) -> Proof {
    let possible =
        property.floors.iter().filter(|(event, _)| event.can_happen(ctx.claims(), ctx.abilities()));
    for (event, floor) in possible {
        let (happened, least) = (tally.count(*event), floor * drawn / 100);
        if happened < least {
            let why = format!("{event:?} happened {happened} times; under {least} nothing is proved");
            return Err(Stop::Inconclusive(why));
        }
    }
    Ok(())
}

#[expect(clippy::ptr_arg, reason = "an Attempt takes what was drawn, which is a Vec")]
fn attempt<'a>(ctx: &'a Ctx, ops: &'a Vec<Op>) -> BoxFuture<'a, Result<Tally, Stop>> {
    async move { play(ctx, &whole(ctx, ops)).await }.boxed()
}

/// What is played: the operations that this store can be asked for, and a look at everything they may have left behind.
fn whole(ctx: &Ctx, ops: &[Op]) -> Vec<Op> {
    let mut whole = within(ops, ctx.claims(), ctx.abilities());
    let mut records: Vec<(Space, String)> = Vec::new();
    for op in &whole {
        let record = match op {
            Op::Put(put) => (put.space.clone(), put.id.clone()),
            Op::Delete(delete) => (delete.space.clone(), delete.id.clone()),
            Op::Get(_) | Op::Scan(_) | Op::Describe(_) | Op::Advance(_) | Op::Sweep | Op::Restart(_) => {
                continue;
            }
        };
        if !records.contains(&record) {
            records.push(record);
        }
    }
    let (predicate, selection, page) = (None, SelectionInput::default(), Page::First);
    if ctx.claims().contains(Capability::NamespaceScan) {
        let mut spaces: Vec<_> = records.into_iter().map(|(space, _)| space).collect();
        spaces.sort_by(|one, other| one.0.cmp(&other.0));
        spaces.dedup();
        whole.extend(spaces.into_iter().map(|space| {
            let (id, predicate) = (None, predicate.clone());
            Op::Scan(Scan { space, id, predicate, selection, limit: 0, cut: None, page })
        }));
    } else {
        whole.extend(
            records
                .into_iter()
                .map(|(space, id)| Op::Get(Get { space, id, predicate: predicate.clone(), selection, page })),
        );
    }
    whole
}

/// Leaves the shrunk run's transcript and a regression behind.
async fn report(ctx: &Ctx, case: &str, seed: u64, found: Found<Vec<Op>>) -> Stop {
    let Found { value, divergence, transcript } = found;
    let whole = whole(ctx, &value);
    let mut found = Found { value: whole, divergence, transcript };
    found.value.truncate(found.transcript.steps.len());
    let Found { value, divergence, mut transcript } = fewer(ctx, found).await;
    transcript.notes.push(format!("shrunk to {} operations", value.len()));
    ctx.show(transcript);
    let note = format!("expected {}; was {}", divergence.expected, divergence.actual);
    let regression = Regression { case: case.to_owned(), seed, note, operations: value };
    ctx.attach(Regression::ATTACHMENT, regression.to_json());
    Stop::Diverged(divergence)
}

/// Leaves out, one by one and from the end, every operation and every word that the divergence does not need.
async fn fewer(ctx: &Ctx, mut found: Found<Vec<Op>>) -> Found<Vec<Op>> {
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
            let plainer = plainer(&found.value[at]).into_iter().map(|op| {
                let mut value = found.value.clone();
                value[at] = op;
                value
            });
            for value in [shorter].into_iter().chain(plainer) {
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

#[expect(clippy::ptr_arg, reason = "an Attempt takes what was drawn, which is a Vec")]
fn exactly<'a>(ctx: &'a Ctx, ops: &'a Vec<Op>) -> BoxFuture<'a, Result<Tally, Stop>> {
    play(ctx, ops).boxed()
}

#[cfg(test)]
mod tests {
    use prism_contract::keyvalue::Memory;

    use super::*;
    use crate::property::Weights;
    use crate::{Harness, InProcess, Mode, OpenError};

    #[tokio::test]
    async fn a_run_in_which_too_little_happens_is_inconclusive() {
        let only_describes = Weights {
            put: 0,
            get: 0,
            delete: 0,
            scan: 0,
            describe: 1,
            advance: 0,
            retention: 0,
            sweep: 0,
            restart: 0,
        };
        let mix = Mix {
            keys: &[b"a"],
            spaces: &[""],
            ids: &["r"],
            weights: only_describes,
            tokens: 0.0,
            ttls: 0.0,
            conditions: 0.0,
            pages: 0.0,
            length: (1, 5),
        };
        let floors = &[(Event::Restarted, 100), (Event::Applied, 50)];
        let property = Sequences { case: "idle", mix, count: (10, 10, 10), floors };
        let harness = InProcess::new("memory", || async { Ok::<_, OpenError>(Memory::default()) });
        let instance = harness.open().await.expect("memory opens");
        let ctx = Ctx::new(instance, "test".to_owned(), Mode::InProcess, Budget::Quick, 1)
            .offering(harness.claims(), harness.abilities());
        let why = "Applied happened 0 times; under 5 nothing is proved".to_owned();
        assert_eq!(check(&ctx, &property).await, Err(Stop::Inconclusive(why)));
    }
}
