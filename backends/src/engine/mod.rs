//! What every database and every abstraction shares: bounded queues that are fair to namespaces, writes that are committed
//! in groups, connections that reads acquire, and reads that share a statement.
//!
//! Reading order: [`Work`] is a request with the type of its answer, [`Job`] is one that waits, [`queue()`] leads to a writer in
//! [`Group`]s, [`ReadPool`] lends connections, and a [`BatchReader`] reads for many at once.

mod corrupt_row;
mod dispatcher;
mod fair;
mod queue;
mod read_pool;
mod slots;
mod work;

pub(crate) use corrupt_row::CorruptRow;
pub(crate) use dispatcher::{BatchReader, Batchable, ReadOutcome};
#[cfg(feature = "postgres")]
pub(crate) use queue::shed;
pub(crate) use queue::{Intake, Queue, Turn, closed, queue};
pub(crate) use read_pool::{Lease, ReadPool, Right, Source};
pub(crate) use work::{Entry, Group, Job, Work};
