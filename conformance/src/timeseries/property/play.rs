//! Plays operations against a store, and checks each answer against the model.

use super::Tally;
use crate::core::{Divergence, Stop};
use crate::timeseries::Ctx;
use crate::timeseries::model::{Mismatch, Model};
use crate::timeseries::op::{Op, Player};

/// Plays `ops` in the run's namespaces, until the first answer that the contract does not allow.
///
/// # Errors
/// The divergence, or why the harness failed.
pub async fn play(ctx: &Ctx, ops: &[Op]) -> Result<Tally, Stop> {
    let mut player = Player::start(ctx).await?;
    let mut model = Model::new(ctx.capabilities(), player.started());
    let mut tally = Tally::default();
    for op in ops {
        let action = model.informed(player.action(op));
        let (step, outcome) = ctx.act(action.clone()).await?;
        let events = model.step(&action, &outcome).map_err(|mismatch| diverged(step, &mismatch))?;
        tally.add(events);
        player.saw(&action, &outcome, |token| model.knows(token));
    }
    Ok(tally)
}

fn diverged(step: usize, Mismatch { rules, expected, actual }: &Mismatch) -> Stop {
    let expected = format!("{expected} ({})", rules.join(", "));
    Stop::Diverged(Divergence { step: Some(step), expected, actual: actual.clone() })
}
