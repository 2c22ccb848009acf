//! Playing operations against a store, each answer held against the model.

use crate::model::{Mismatch, Model};
use crate::op::{Op, Player};
use crate::{Ability, Ctx, Divergence, Stop};

use super::Tally;

/// Plays `ops` in the namespaces at hand. The first answer that the contract does not allow stops it.
pub async fn play(ctx: &Ctx, ops: &[Op]) -> Result<Tally, Stop> {
    let mut model = Model::new(ctx.claims(), ctx.abilities().contains(Ability::ManualClock));
    let mut player = Player::new(ctx);
    let mut tally = Tally::default();
    for op in ops {
        let request = player.request(op);
        let (step, outcome) = ctx.send(&*ctx.store(), request.clone()).await?;
        let events = model.step(&request, &outcome).map_err(|mismatch| diverged(step, &mismatch))?;
        tally.add(events);
        player.saw(&request, &outcome);
    }
    Ok(tally)
}

fn diverged(step: usize, Mismatch { rules, expected, actual }: &Mismatch) -> Stop {
    let expected = format!("{expected} ({})", rules.join(", "));
    Stop::Diverged(Divergence { step: Some(step), expected, actual: actual.clone() })
}
