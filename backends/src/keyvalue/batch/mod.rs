//! The effect of a batch of writes on its rows, decided in memory before anything is written.
//!
//! A backend loads the rows of an [`Overlay`] under a lock that keeps others from changing them, has it decide each write
//! in order, writes the changes, and commits. The rules about a single key are the contract's
//! ([`prism_contract::keyvalue::row`]).

mod decide;
mod overlay;
#[cfg(test)]
mod tests;

pub(crate) use decide::Decision;
pub(crate) use overlay::{Change, FullKey, Overlay, Pending};
