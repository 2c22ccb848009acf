//! Property tests: random operations compared with a model, and the shrinking of divergences.
//!
//! A property generates sequences of operations from a seed and plays each in fresh namespaces. The first divergence is
//! shrunk: a failing case attaches the transcript and the [`Regression`] of the shrunk run. A run with too few events is
//! inconclusive, not passed.

mod hunt;
mod regression;
mod sequences;
mod tally;

use std::fmt::{Debug, Display};

use futures::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Abilities, Abstraction, Ctx, Stop};

pub(crate) use hunt::{Hunt, hunt};
pub use regression::{REGRESSION, Regression, replay};
pub(crate) use sequences::{Sequences, check, random};
pub use tally::Tally;

/// An abstraction whose operations can be generated, compared with its model, serialized and simplified.
pub trait Sequential: Abstraction {
    /// An operation, independent of earlier responses of the store. Displayed as a line of text.
    type Op: Debug + Display + Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// An event of a run.
    type Event: Debug + Display + Clone + Copy + Ord + Send + Sync + 'static;

    /// The id of the case that replays regressions without a known case.
    const GENERAL: &'static str;

    /// Whether an event can happen with these capabilities and abilities.
    fn can_happen(event: Self::Event, capabilities: Self::Capabilities, abilities: Abilities) -> bool;

    /// Plays operations in the current namespaces, up to the first response that the model does not allow.
    fn play<'c>(ctx: &'c Ctx<Self>, ops: &'c [Self::Op]) -> BoxFuture<'c, Result<Tally<Self::Event>, Stop>>;

    /// The operations that a store with these capabilities and abilities supports.
    fn within(ops: &[Self::Op], capabilities: Self::Capabilities, abilities: Abilities) -> Vec<Self::Op>;

    /// Reads of everything that these operations may have written.
    fn reads_of(ops: &[Self::Op], capabilities: Self::Capabilities) -> Vec<Self::Op>;

    /// All simplifications of an operation by one part; empty if it cannot be simplified.
    fn simplifications(op: &Self::Op) -> Vec<Self::Op>;
}
