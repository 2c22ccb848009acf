//! The queues of Appends: one for each writer, by partition. Two transactions that write to the same partition wait for each
//! other, so groups of Appends to any partition would be committed one after the other.

use std::sync::Arc;

use futures::future::join_all;
use prism_contract::Error;
use prism_contract::timeseries::Append;

use super::commit::AppendCommit;
use super::tails::Tails;
use crate::observe::Load;
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

    /// Adds the load of all queues.
    pub(super) fn load(&self, namespaces: usize, load: &mut Load) {
        self.0.iter().for_each(|queue| queue.load("append", namespaces, load));
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

#[cfg(test)]
mod tests {
    use prism_contract::timeseries::{Event, EventId, Series, SeriesEvent, Tags, Window};
    use prism_contract::{Namespace, Timestamp};

    use super::*;

    fn append(series: &str, partitions: u32) -> Append {
        let event = Event {
            time: Timestamp::EPOCH,
            id: EventId::new("id").unwrap(),
            payload: "".into(),
            content_type: String::new(),
            tags: Tags::default(),
        };
        Append {
            namespace: Namespace::new("n").unwrap(),
            events: vec![SeriesEvent { series: Series::new(series).unwrap(), event }],
            now: Timestamp::EPOCH,
            window: Window::default(),
            expired: None,
            partitions,
        }
    }

    #[test]
    fn appends_to_one_partition_share_a_queue_and_all_queues_are_used() {
        for partitions in [1, 3, 8] {
            let mut queues = vec![None; partitions as usize];
            for number in 0..100 {
                let append = append(&format!("s{number}"), partitions);
                let partition = partition::hash(&append.events[0].series) % i64::from(partitions);
                let queue = *queues[usize::try_from(partition).unwrap()].get_or_insert(index(&append, 2));
                assert_eq!(index(&append, 2), queue, "partition {partition} of {partitions}");
            }
            let used = [0, 1].map(|queue| queues.contains(&Some(queue)));
            assert_eq!(used, [true, partitions > 1], "{partitions} partitions");
        }
    }
}
