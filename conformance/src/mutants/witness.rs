//! Witnesses: short sequences on which a mutant answers otherwise than the correct store, so that no mutant is equivalent.
//!
//! A witness judges nothing. It is run on both stores, and what was answered is compared.

pub(super) mod durability;
pub(super) mod pages;
pub(super) mod predicates;
pub(super) mod races;
pub(super) mod refusals;
pub(super) mod tokens;
pub(super) mod values;
pub(super) mod writes;

use std::future::Future;
use std::pin::Pin;

use crate::case::Proof;
use crate::{Budget, Ctx, Harness, Mode, Outcome, Stop};

use super::MutantHarness;

/// A witness' code.
pub(super) type Witness = for<'a> fn(&'a Ctx) -> Pin<Box<dyn Future<Output = Proof> + Send + 'a>>;

/// What a store answered to a witness.
pub(super) async fn answers(harness: &MutantHarness, witness: Witness) -> Result<Vec<Outcome>, Stop> {
    let ctx = Ctx::new(harness.open().await?, "witness".to_owned(), Mode::InProcess, Budget::Quick, 1)
        .offering(harness.claims(), harness.abilities());
    witness(&ctx).await?;
    Ok(ctx.take_transcript().steps.into_iter().map(|step| step.outcome).collect())
}
