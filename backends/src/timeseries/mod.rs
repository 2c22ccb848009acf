//! TimeSeries on any database: partitions. On any SQL database: Appends and their groups, the columns of an event, and wake-ups
//! of Tails.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod appends;
pub(crate) mod partition;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) mod stored_tags;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod wakes;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use appends::Appends;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) use wakes::{Buckets, Wakes};
