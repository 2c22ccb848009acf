//! The queues of Appends: one for each writer, by partition. Two transactions that write to the same partition wait for each
//! other, so groups of Appends to any partition would be committed one after the other.

use std::sync::Arc;

use futures::future::join_all;
use prism_contract::Error;
use prism_contract::timeseries::Append;

use super::commit::AppendCommit;
use super::tails::Tails;
use crate::postgres::Options;
use crate::postgres::engine::{Engine, WriteQueue};
use crate::timeseries::partition;

/// As many queues as there are writers, each with one writer, and with an equal share of the waiting requests and bytes.
pub(super) struct AppendQueues(Vec<WriteQueue<AppendCommit>>);

impl AppendQueues {
    pub(super) fn start(engine: &Engine, options: &Options, tails: &Arc<Tails>) -> Self {
        let count = options.writers.max(1);
        let options = Options {
            writers: 1,
            queue_length: options.queue_length.div_ceil(count),
            queue_bytes: options.queue_bytes.div_ceil(u32::try_from(count).unwrap_or(u32::MAX)),
            ..options.clone()
        };
        let queue = |_| engine.start_writers(&options, AppendCommit::new(Arc::clone(tails)));
        Self((0..count).map(queue).collect())
    }

    /// Queues an Append and waits for its answer.
    pub(super) async fn append(&self, append: Append) -> Result<Vec<bool>, Error> {
        let queue = index(&append, self.0.len());
        self.0[queue].queue.append(append).await
    }

    /// Finishes queued Appends.
    pub(super) async fn close(&self) {
        join_all(self.0.iter().map(WriteQueue::close)).await;
    }
}

/// The queue of an Append: that of the partition of its first event. One with events for several partitions may wait for a
/// writer of another queue.
fn index(append: &Append, count: usize) -> usize {
    let Some(first) = append.events.first() else { return 0 };
    let partition = partition::hash(&first.series) % i64::from(append.partitions.max(1));
    usize::try_from(partition).unwrap_or(0) % count
}
