//! Plays operations against a store, and checks each answer against the model.

use crate::core::{Ability, Divergence, Stop};
use crate::keyvalue::Ctx;
use crate::keyvalue::model::{Mismatch, Model};
use crate::keyvalue::op::{Op, Player};

use super::Tally;

/// Plays `ops` in the run's namespaces, until the first answer that the contract does not allow.
pub async fn play(ctx: &Ctx, ops: &[Op]) -> Result<Tally, Stop> {
    let mut model = Model::new(ctx.capabilities(), ctx.abilities().contains(Ability::ManualClock));
    let mut player = Player::new(ctx);
    let mut tally = Tally::default();
    for op in ops {
        let action = player.action(op);
        let (step, outcome) = ctx.act(action.clone()).await?;
        let events = model.step(&action, &outcome).map_err(|mismatch| diverged(step, &mismatch))?;
        tally.add(events);
        player.saw(&action, &outcome);
    }
    Ok(tally)
}

fn diverged(step: usize, Mismatch { rules, expected, actual }: &Mismatch) -> Stop {
    let expected = format!("{expected} ({})", rules.join(", "));
    Stop::Diverged(Divergence { step: Some(step), expected, actual: actual.clone() })
}
