//! TimeSeries on any SQL database: Appends and their groups, the columns of an event, partitions, and wake-ups of Tails.

mod appends;
pub(crate) mod partition;
pub(crate) mod stored_tags;
mod wakes;

pub(crate) use appends::Appends;
pub(crate) use wakes::{Buckets, Wakes};
