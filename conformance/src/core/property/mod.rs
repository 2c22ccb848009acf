//! Random operations held against a model, and the shrinking of those that make a store diverge.
//!
//! A property draws sequences of operations from a seed and plays each in fresh namespaces. The first divergence is shrunk:
//! the transcript and the [`Regression`] that a failing case leaves behind are the shrunk run's. A run in which too little
//! happened is inconclusive, not passed.

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

/// An abstraction whose operations can be drawn, played against its model, written down and made plainer.
pub trait Sequential: Abstraction {
    /// An operation as a line of text, whatever the store has answered before.
    type Op: Debug + Display + Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// Something that came to pass in a run.
    type Event: Debug + Clone + Copy + Ord + Send + Sync + 'static;

    /// The id of the case that replays operations which no case is named for.
    const GENERAL: &'static str;

    /// Whether an event can come to pass where the store claims and the harness can do no more than this.
    fn can_happen(event: Self::Event, claims: Self::Capabilities, abilities: Abilities) -> bool;

    /// Plays operations in the namespaces at hand. The first answer that the model does not allow stops it.
    fn play<'c>(ctx: &'c Ctx<Self>, ops: &'c [Self::Op]) -> BoxFuture<'c, Result<Tally<Self::Event>, Stop>>;

    /// The operations that a store can be asked for which claims no more than this.
    fn within(ops: &[Self::Op], claims: Self::Capabilities, abilities: Abilities) -> Vec<Self::Op>;

    /// Reads of everything that these operations may have left behind.
    fn reads_of(ops: &[Self::Op], claims: Self::Capabilities) -> Vec<Self::Op>;

    /// The same operation with one thing less, in each way there is; none where it is as plain as it can be.
    fn plainer(op: &Self::Op) -> Vec<Self::Op>;
}
