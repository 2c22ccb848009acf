//! Events of a series in the order of time and id, from a partition, which has them in the order of arrival.
//!
//! An event may be late by no more than the acceptance window and the time that an accepted Append takes, on gateways whose clocks
//! differ. So once a record has been read, all events that are older than it by more than that have been, and can be given
//! out. Of an identity that was appended more than once the lowest offset is the event.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use prism_contract::timeseries::{Event, EventKey, Series, Tags, TimeRange};
use prism_contract::{Error, Timestamp};
use rdkafka::message::BorrowedMessage;

use super::readers::{Flow, Sink};
use super::record::Record;

/// Records after which a read looks whether it has enough.
const STEP: usize = 1_000;

/// Bytes of an event in the buffer besides its own.
const OVERHEAD: usize = 192;

/// What a scan looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) series: Series,
    pub(super) range: TimeRange,
    pub(super) tags: Tags,
    pub(super) without_payload: bool,
}

/// An event of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) event: Event,
    /// Bytes of its payload, which may be left out.
    pub(super) payload_bytes: usize,
}

/// A scan in progress.
pub(super) struct Scan {
    filter: Filter,
    /// How much older than a record that was read an event may be that comes after it, in microseconds.
    slack: i64,
    /// Maximum bytes of the buffer.
    most: usize,
    /// Events at or before this one have been given out.
    after: Option<EventKey>,
    /// By identity; `None`: an event that does not match.
    buffer: BTreeMap<EventKey, Option<Found>>,
    bytes: usize,
    /// The first event that the buffer had no room for: it has none from there on.
    cut: Option<EventKey>,
    /// The latest time of a record that was read.
    latest: i64,
    /// Whether no event of the range comes any more.
    has_ended: bool,
    /// Records since the last look.
    step: usize,
    damaged: Option<Error>,
}

impl Scan {
    pub(super) fn new(filter: Filter, slack: i64, most: usize, after: Option<EventKey>) -> Self {
        Self {
            filter,
            slack,
            most,
            after,
            buffer: BTreeMap::new(),
            bytes: 0,
            cut: None,
            latest: i64::MIN,
            has_ended: false,
            step: 0,
            damaged: None,
        }
    }

    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    pub(super) fn after(&self) -> Option<&EventKey> {
        self.after.as_ref()
    }

    /// The bytes that it holds.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Notes that the last record of the snapshot was read.
    pub(super) fn end(&mut self) {
        self.has_ended = true;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether events are left that the buffer had no room for: another scan has to begin after the last that was given out.
    pub(super) fn is_cut(&self) -> bool {
        self.buffer.is_empty() && self.cut.is_some()
    }

    /// Gives out events whose turn it is, in order, while `take` accepts them; `false`: it did not.
    ///
    /// # Errors
    /// A record of the series is damaged.
    pub(super) fn give(&mut self, mut take: impl FnMut(&Found) -> bool) -> Result<bool, Error> {
        if let Some(error) = self.damaged.take() {
            return Err(error);
        }
        let before = if self.has_ended { i64::MAX } else { self.latest.saturating_sub(self.slack) };
        while let Some(first) = self.buffer.first_entry() {
            if first.key().time.as_micros() >= before {
                break;
            }
            if first.get().as_ref().is_some_and(|found| !take(found)) {
                return Ok(false);
            }
            let (key, found) = first.remove_entry();
            self.bytes -= weight(&key, found.as_ref());
            self.after = Some(key);
        }
        Ok(true)
    }

    fn offer(&mut self, record: &Record<'_>) -> Result<(), prism_contract::Invalid> {
        let time = record.time()?;
        self.latest = self.latest.max(time.as_micros());
        if self.latest.saturating_sub(self.slack) > self.filter.range.end {
            self.has_ended = true;
        }
        if record.series() != self.filter.series.as_str().as_bytes() || !self.filter.range.contains(time) {
            return Ok(());
        }
        let key = record.key()?;
        if self.after.as_ref().is_some_and(|after| key <= *after)
            || self.cut.as_ref().is_some_and(|cut| key >= *cut)
        {
            return Ok(());
        }
        if let Entry::Vacant(vacant) = self.buffer.entry(key) {
            let found = if self.filter.tags.is_empty() || self.filter.tags.match_all(&record.tags()?) {
                let event = record.event(self.filter.without_payload)?;
                Some(Found { event, payload_bytes: record.payload_bytes() })
            } else {
                None
            };
            self.bytes += weight(vacant.key(), found.as_ref());
            vacant.insert(found);
            self.trim();
        }
        Ok(())
    }

    /// Leaves out the last events of a buffer that is full: they are read again when their turn comes.
    fn trim(&mut self) {
        while self.bytes > self.most && self.buffer.len() > 1 {
            let Some((key, found)) = self.buffer.pop_last() else { return };
            self.bytes -= weight(&key, found.as_ref());
            self.cut = Some(key);
        }
    }
}

impl Sink for Scan {
    fn take(&mut self, _: usize, message: &BorrowedMessage<'_>) -> Flow {
        if let Some(record) = Record::of(message)
            && let Err(why) = self.offer(&record)
        {
            self.damaged = Some(damaged(message, &why.to_string()));
            return Flow::Enough;
        }
        self.step += 1;
        if self.has_ended || self.step >= STEP {
            self.step = 0;
            return Flow::Enough;
        }
        Flow::More
    }
}

/// The error of a record that cannot be read.
pub(super) fn damaged(message: &BorrowedMessage<'_>, why: &str) -> Error {
    use rdkafka::Message;
    let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
    Error::data_loss(0, format!("the record {offset} of partition {partition} of the topic {topic} {why}"))
}

fn weight(key: &EventKey, found: Option<&Found>) -> usize {
    let Some(found) = found else { return OVERHEAD + key.id.as_bytes().len() };
    let Event { id, payload, content_type, tags, .. } = &found.event;
    let tags: usize = tags.iter().map(|(key, value)| key.len() + value.len()).sum();
    OVERHEAD + 2 * id.as_bytes().len() + payload.len() + content_type.len() + tags
}

/// The time from which a scan reads: that of the event after which it goes on, or the start of its range.
pub(super) fn first_time(range: TimeRange, after: Option<&EventKey>) -> i64 {
    let after = after.map(|after| after.time.as_micros());
    after.map_or(range.start, |after| after.max(range.start)).max(Timestamp::EPOCH.as_micros())
}
