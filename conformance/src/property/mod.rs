//! Random operations held against the model, and relations between answers that need no model.
//!
//! A property draws sequences of operations from a seed, plays each in fresh namespaces and asks the [`Model`] about every
//! answer. The first divergence is shrunk: the transcript and the [`Regression`] that a failing case leaves behind are the
//! shrunk run's. A run in which too little happened is inconclusive, not passed.
//!
//! [`Model`]: crate::model::Model

mod generate;
mod hunt;
mod metamorphic;
mod play;
mod regression;
mod sequences;
mod simplify;
mod tally;

pub use generate::{Mix, Weights, operations, within};
pub use play::play;
pub use regression::{Regression, committed, replay};
pub use tally::Tally;

pub(crate) use metamorphic::{
    pages_concatenate, predicates_filter, records_make_the_namespace, reverse_mirrors, scans_resume,
};
pub(crate) use sequences::{Sequences, check};
