//! The part that all databases and abstractions share: bounded fair queues, group commit, a pool of read connections, and
//! batched reads.
//!
//! Reading order: [`Work`] is a request with the type of its answer, [`Job`] is a waiting request, [`queue()`] passes
//! [`Group`]s to a writer, [`ReadPool`] leases connections, and a [`BatchReader`] executes batched reads.

mod corrupt_row;
mod dispatcher;
mod fair;
mod queue;
mod read_pool;
mod slots;
#[cfg(feature = "postgres")]
mod turns;
mod work;

pub(crate) use corrupt_row::CorruptRow;
pub(crate) use dispatcher::{BatchReader, Batchable, ReadOutcome};
#[cfg(feature = "postgres")]
pub(crate) use queue::shed;
pub(crate) use queue::{Intake, Next, Queue, closed, queue};
pub(crate) use read_pool::{Lease, ReadPermit, ReadPool, Source};
#[cfg(feature = "postgres")]
pub(crate) use turns::Turns;
pub(crate) use work::{Entry, Group, Job, Work};
