//! The log of a namespace: its topic, and what this process knows of its ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prism_contract::Namespace;
use prism_contract::timeseries::Series;
use tokio::sync::Notify;

use crate::timeseries::partition;

/// What Prism keeps about a namespace, in the registry topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    /// How many topics the namespace has had.
    pub(super) generation: u32,
    /// The number of partitions that series are distributed over.
    pub(super) partitions: u32,
    /// The longest acceptance window that an Append had, past and future, in milliseconds.
    pub(super) window: u64,
    /// The topic's retention in milliseconds; `None`: for ever.
    pub(super) retention: Option<u64>,
}

impl Record {
    /// Its text.
    pub(super) fn encode(self) -> String {
        let Self { generation, partitions, window, retention } = self;
        let retention = retention.map_or("none".to_owned(), |retention| retention.to_string());
        format!(
            "1 generation={generation} partitions={partitions} window_ms={window} retention_ms={retention}"
        )
    }

    /// Reads the text; `None`: it is of another form.
    pub(super) fn decode(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        (words.next()? == "1").then_some(())?;
        let mut value = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=');
        Some(Self {
            generation: value("generation")?.parse().ok()?,
            partitions: value("partitions")?
                .parse()
                .ok()
                .filter(|partitions| (1..=256).contains(partitions))?,
            window: value("window_ms")?.parse().ok()?,
            retention: match value("retention_ms")? {
                "none" => None,
                millis => Some(millis.parse().ok()?),
            },
        })
    }
}

/// A topic of a namespace. Clones share what is known of its ends.
#[derive(Clone)]
pub(super) struct Topic {
    pub(super) name: Arc<str>,
    pub(super) namespace: Namespace,
    pub(super) record: Record,
    /// Of all topics that the namespace may have had, this one: its tokens hold it.
    pub(super) incarnation: [u8; 16],
    pub(super) ends: Arc<Ends>,
}

/// The ends of a topic's partitions, as far as they are known, and the Tails that wait for more.
pub(super) struct Ends {
    of_partitions: Box<[AtomicU64]>,
    grown: Box<[Notify]>,
    any: Notify,
}

impl Topic {
    /// The partition of a series.
    pub(super) fn partition(&self, series: &Series) -> u32 {
        let partitions = i64::from(self.record.partitions.max(1));
        u32::try_from(partition::hash(series) % partitions).unwrap_or_default()
    }
}

impl Ends {
    pub(super) fn new(partitions: u32) -> Self {
        let of = 0..partitions;
        Self {
            of_partitions: of.clone().map(|_| AtomicU64::new(0)).collect(),
            grown: of.map(|_| Notify::new()).collect(),
            any: Notify::new(),
        }
    }

    /// The end of a partition, as far as it is known.
    pub(super) fn get(&self, partition: u32) -> u64 {
        self.of_partitions.get(partition as usize).map_or(0, |end| end.load(Ordering::Acquire))
    }

    /// Learns of an end; wakes the Tails that wait for it.
    pub(super) fn learn(&self, partition: u32, end: u64) {
        let Some(known) = self.of_partitions.get(partition as usize) else { return };
        if known.fetch_max(end, Ordering::AcqRel) < end {
            self.grown[partition as usize].notify_waiters();
            self.any.notify_waiters();
        }
    }

    /// Learns of an end that was asked for when `known` was the end; `false`: it is lower, so the topic is not what it was. An
    /// end that was acknowledged since may be higher.
    pub(super) fn learn_asked(&self, partition: u32, known: u64, end: u64) -> bool {
        self.learn(partition, end);
        known <= end
    }

    /// Wakes all Tails.
    pub(super) fn wake(&self) {
        self.grown.iter().for_each(Notify::notify_waiters);
        self.any.notify_waiters();
    }

    /// What wakes a Tail of a partition, or of all.
    pub(super) fn grown(&self, partition: Option<u32>) -> &Notify {
        partition.and_then(|partition| self.grown.get(partition as usize)).unwrap_or(&self.any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_another_form_is_refused() {
        let record = Record { generation: 2, partitions: 8, window: 90_000, retention: Some(3_600_000) };
        let text = "1 generation=2 partitions=8 window_ms=90000 retention_ms=3600000";
        assert_eq!(record.encode(), text);
        for record in [record, Record { retention: None, ..record }] {
            assert_eq!(Record::decode(&record.encode()), Some(record));
        }
        let others = [
            "",
            "2 generation=2 partitions=8 window_ms=9 retention_ms=none",
            "1 generation=2 partitions=0 window_ms=9 retention_ms=none",
        ];
        for other in others {
            assert_eq!(Record::decode(other), None, "{other}");
        }
    }

    #[test]
    fn an_end_below_one_that_was_seen_is_noticed() {
        let ends = Ends::new(2);
        ends.learn(0, 1);
        ends.learn(1, 5);
        assert!(ends.learn_asked(1, 5, 5));
        assert!(!ends.learn_asked(1, 5, 4));
        // It grew while it was asked for.
        assert!(ends.learn_asked(1, 3, 4));
        assert_eq!((ends.get(0), ends.get(1), ends.get(9)), (1, 5, 0));
    }
}
