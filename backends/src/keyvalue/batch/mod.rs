//! What a batch of writes makes of the rows it touches, decided in memory before anything is written.
//!
//! A backend loads the rows of an [`Overlay`] under whatever lock keeps others from changing them, asks it to decide each
//! write in order, writes the changes, and commits. The rules about a single key are the contract's own
//! ([`prism_contract::keyvalue::row`]).

mod decide;
mod overlay;
#[cfg(test)]
mod tests;

pub(crate) use decide::Decision;
pub(crate) use overlay::{Change, Overlay, Pending, Place};
