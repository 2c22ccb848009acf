//! The load of a store, for metrics: its queues, its batches, its connections and its write-ahead log.
//!
//! A store counts as it works, with one addition for each event; a reader of metrics asks for the sums ([`Observe::load`]).

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prism_contract::Namespace;

/// A store whose load can be observed.
pub trait Observe: Send + Sync {
    /// The load at this moment, and what was counted since the store was opened. Of the namespaces with waiting requests, at
    /// most `namespaces` are listed per queue: those with most.
    fn load(&self, namespaces: usize) -> Load;
}

/// The load of a store.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Load {
    /// Its queues of requests. Those with the same name are to be added up.
    pub queues: Vec<QueueLoad>,
    /// Its groups of requests that are executed together.
    pub batches: Vec<BatchLoad>,
    /// Its connections.
    pub pools: Vec<PoolLoad>,
    /// Its write-ahead log; `None`: it has none, or the database manages it.
    pub wal: Option<WalLoad>,
    /// The file that holds its data; `None`: it has none.
    pub file: Option<PathBuf>,
}

/// A queue of requests.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QueueLoad {
    /// Such as `write`.
    pub queue: &'static str,
    /// Requests that wait.
    pub waiting: u64,
    /// Requests that were shed (RESOURCE_EXHAUSTED) because the queue was full or the wait too long.
    pub shed: u64,
    /// The namespaces with most waiting requests, most first.
    pub namespaces: Vec<NamespaceLoad>,
}

/// The waiting requests of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceLoad {
    /// The namespace.
    pub namespace: Namespace,
    /// Its waiting requests.
    pub waiting: u64,
    /// How long the oldest of them has waited.
    pub oldest: Duration,
}

/// Groups of requests that are executed together.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchLoad {
    /// The queue that they come from.
    pub queue: &'static str,
    /// Requests per group.
    pub sizes: Distribution,
    /// Time that a group took, in microseconds; `None`: not measured.
    pub micros: Option<Distribution>,
}

/// Connections to a database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolLoad {
    /// What they are for, such as `read`.
    pub pool: &'static str,
    /// Maximum in use.
    pub size: u64,
    /// In use.
    pub taken: u64,
}

/// A write-ahead log.
#[derive(Debug, Clone, PartialEq)]
pub struct WalLoad {
    /// Its size in bytes.
    pub bytes: u64,
    /// Time of a checkpoint, in microseconds.
    pub checkpoint_micros: Distribution,
    /// Checkpoints that failed.
    pub failed: u64,
}

/// How often a value was in each of some ranges, counted by several threads.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One more than bounds, for values above the last.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// The counts of a [`Histogram`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Distribution {
    /// The upper bounds of the ranges, inclusive and ascending.
    pub bounds: &'static [u64],
    /// The number of values in each range, and of those above the last bound.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: u64,
}

impl Histogram {
    /// Bounds of numbers of requests.
    pub const SIZES: &'static [u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

    /// Bounds of times in microseconds, from 0.1 ms to 10 s and close together around 10 ms.
    pub const MICROS: &'static [u64] = &[
        100, 250, 500, 1_000, 2_000, 4_000, 6_000, 8_000, 10_000, 12_000, 16_000, 25_000, 50_000, 100_000,
        250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
    ];

    /// An empty one with these bounds, ascending.
    pub fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::default()).collect();
        Self { bounds, counts, sum: AtomicU64::default() }
    }

    /// Counts a value.
    pub fn record(&self, value: u64) {
        let range = self.bounds.partition_point(|bound| *bound < value);
        self.counts[range].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Counts a duration in microseconds.
    pub fn record_time(&self, time: Duration) {
        self.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// Adds counts of one with the same bounds.
    pub fn add(&self, more: &Distribution) {
        debug_assert_eq!(self.bounds, more.bounds);
        for (count, more) in self.counts.iter().zip(&more.counts) {
            count.fetch_add(*more, Ordering::Relaxed);
        }
        self.sum.fetch_add(more.sum, Ordering::Relaxed);
    }

    /// The counts so far.
    pub fn distribution(&self) -> Distribution {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Distribution { bounds: self.bounds, counts, sum: self.sum.load(Ordering::Relaxed) }
    }
}

impl Distribution {
    /// The number of all values.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Adds the counts of one with the same bounds.
    pub fn add(&mut self, other: &Self) {
        if self.counts.is_empty() {
            self.clone_from(other);
            return;
        }
        debug_assert_eq!(self.bounds, other.bounds);
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum += other.sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_in_the_range_that_ends_with_it() {
        let histogram = Histogram::new(&[1, 4, 8]);
        for value in [0, 1, 2, 4, 5, 8, 9, 100] {
            histogram.record(value);
        }
        let counted = histogram.distribution();
        assert_eq!((counted.counts.as_slice(), counted.sum, counted.count()), (&[2, 2, 2, 2][..], 129, 8));
    }

    #[test]
    fn distributions_are_added_by_range() {
        let (one, other) = (Histogram::new(&[10]), Histogram::new(&[10]));
        one.record(3);
        other.record(30);
        let mut sum = Distribution::default();
        sum.add(&one.distribution());
        sum.add(&other.distribution());
        assert_eq!(sum, Distribution { bounds: &[10], counts: vec![1, 1], sum: 33 });
    }
}
