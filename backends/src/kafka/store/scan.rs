//! Events of a series in the order of time and id, from a partition, which has them in the order of arrival.
//!
//! An event may be late by no more than the acceptance window and the time that an accepted Append takes, on gateways whose clocks
//! differ. So once a record has been read, all events that are older than it by more than that have been, and can be
//! emitted. Of an identity that was appended more than once the lowest offset is the event.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use prism_contract::timeseries::{Event, EventId, EventKey, Limits, Series, Tags, TimeRange};
use prism_contract::{Error, Invalid, PageSize, Timestamp};
use rdkafka::message::Message;

use super::readers::{Flow, Sink};
use super::record::Record;

/// Records after which a read looks whether it has enough.
const STEP: usize = 1_000;

/// Maximum records that a read scans, and their bytes: a Query that finds few events gives up its reader now and then, and keeps
/// its progress.
const SCANNED: usize = 100_000;
const SCANNED_BYTES: usize = 64 << 20;

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
    /// The page that is read for: a read ends when so much can be emitted. `None`: it ends when the buffer is full.
    page: Option<PageSize>,
    /// Events at or before this one have been emitted.
    after: Option<EventKey>,
    /// By identity; `None`: an event that does not match.
    buffer: BTreeMap<EventKey, Option<Found>>,
    bytes: usize,
    /// The first event that the buffer had no room for: it has none from there on.
    cut: Option<EventKey>,
    /// The latest time of a record that was read.
    latest: i64,
    /// Whether nothing more is to be read.
    has_ended: bool,
    /// Records since the last look, and those of this read with their bytes.
    step: usize,
    scanned: usize,
    scanned_bytes: usize,
    damaged: Option<Error>,
}

impl Scan {
    pub(super) fn new(filter: Filter, slack: i64, most: usize, after: Option<EventKey>) -> Self {
        Self {
            filter,
            slack,
            most,
            page: None,
            after,
            buffer: BTreeMap::new(),
            bytes: 0,
            cut: None,
            latest: i64::MIN,
            has_ended: false,
            step: 0,
            scanned: 0,
            scanned_bytes: 0,
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

    /// The page that is read for.
    pub(super) fn page(&self) -> Option<PageSize> {
        self.page
    }

    /// Begins another page.
    pub(super) fn begin_page(&mut self, page: PageSize) {
        self.page = Some(page);
    }

    /// Begins another read.
    pub(super) fn begin_read(&mut self) {
        (self.step, self.scanned, self.scanned_bytes) = (0, 0, 0);
    }

    /// Notes that the last record of the snapshot was read.
    pub(super) fn end(&mut self) {
        self.has_ended = true;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether events are left that the buffer had no room for: another scan has to begin after the last that was emitted.
    pub(super) fn is_cut(&self) -> bool {
        self.buffer.is_empty() && self.cut.is_some()
    }

    /// The time before which all events of the range have been read.
    fn complete(&self) -> i64 {
        if self.has_ended { i64::MAX } else { self.latest.saturating_sub(self.slack) }
    }

    /// Whether the read has scanned as much as it may.
    fn is_long(&self) -> bool {
        self.scanned >= SCANNED || self.scanned_bytes >= SCANNED_BYTES
    }

    /// Emits complete events, in order, while `take` accepts them; `false`: it did not.
    ///
    /// # Errors
    /// A record of the series is damaged, and all events that are complete without it have been emitted.
    pub(super) fn emit(&mut self, mut take: impl FnMut(&Found) -> bool) -> Result<bool, Error> {
        let before = self.complete();
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
        self.damaged.clone().map_or(Ok(true), Err)
    }

    /// Ends a page whose last read has scanned as much as it may, after [`Scan::emit`]: all events up to the answer have been emitted. `None`:
    /// the page may read further, or the scan has passed over nothing that the answer could tell.
    pub(super) fn pause(&mut self) -> Option<EventKey> {
        if self.has_ended || !self.is_long() {
            return None;
        }
        let time = Timestamp::from_micros(self.complete().checked_sub(1)?).ok()?;
        // The last identity of its time.
        let id = EventId::new(vec![u8::MAX; Limits::V1.id_bytes as usize]).ok()?;
        let passed = EventKey { time, id };
        let is_further = time >= Timestamp::EPOCH && self.after.as_ref().is_none_or(|after| *after < passed);
        is_further.then(|| self.after.insert(passed).clone())
    }

    fn offer(&mut self, record: &Record<'_>) -> Result<(), Invalid> {
        let is_of_series = record.series() == self.filter.series.as_str().as_bytes();
        let range = self.filter.range;
        let parsed = match record.parse() {
            Ok(parsed) => parsed,
            // Another series, or another time.
            Err(_) if !is_of_series => return Ok(()),
            Err(_)
                if record.times().is_some_and(|(first, last)| last < range.start || range.end <= first) =>
            {
                return Ok(());
            }
            Err(why) => return Err(why),
        };
        self.latest = self.latest.max(parsed.time.as_micros());
        let cut = self.cut.as_ref().map_or(i64::MAX, |cut| cut.time.as_micros());
        if self.latest.saturating_sub(self.slack) > range.end.min(cut) {
            self.has_ended = true;
        }
        if !is_of_series || !range.contains(parsed.time) {
            return Ok(());
        }
        let key = parsed.key()?;
        if self.after.as_ref().is_some_and(|after| key <= *after)
            || self.cut.as_ref().is_some_and(|cut| key >= *cut)
        {
            return Ok(());
        }
        if let Entry::Vacant(vacant) = self.buffer.entry(key) {
            let found = if self.filter.tags.is_empty() || self.filter.tags.match_all(&parsed.tags()?) {
                let event = parsed.event(vacant.key().clone(), self.filter.without_payload)?;
                Some(Found { event, payload_bytes: parsed.payload_bytes() })
            } else {
                None
            };
            self.bytes += weight(vacant.key(), found.as_ref());
            vacant.insert(found);
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

    /// Whether the first event of the buffer can be emitted.
    fn is_first_complete(&self) -> bool {
        let first = self.buffer.first_key_value();
        first.is_some_and(|(key, _)| key.time.as_micros() < self.complete())
    }

    /// Whether the events that can be emitted fill a page.
    fn fills_page(&self) -> bool {
        let Some(page) = self.page else { return false };
        let before = self.complete();
        let (mut items, mut bytes) = (0, 0);
        for (key, found) in &self.buffer {
            if key.time.as_micros() >= before {
                return false;
            }
            items += usize::from(found.is_some());
            bytes += weight(key, found.as_ref());
            if items >= page.items() || bytes >= page.bytes() {
                return true;
            }
        }
        false
    }
}

impl Sink for Scan {
    fn take(&mut self, _: usize, message: &impl Message) -> Flow {
        self.step += 1;
        self.scanned += 1;
        self.scanned_bytes += message.payload().map_or(0, <[u8]>::len);
        if let Some(record) = Record::of(message)
            && let Err(why) = self.offer(&record)
        {
            self.damaged = Some(damaged(message, &why.to_string()));
            return Flow::Enough;
        }
        if self.bytes > self.most {
            // What can be emitted makes room.
            if self.is_first_complete() {
                return Flow::Enough;
            }
            self.trim();
        }
        if self.has_ended || self.is_long() {
            return Flow::Enough;
        }
        if self.step < STEP {
            return Flow::More;
        }
        self.step = 0;
        if self.fills_page() { Flow::Enough } else { Flow::More }
    }
}

/// The error of a record that cannot be read.
pub(super) fn damaged(message: &impl Message, why: &str) -> Error {
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

#[cfg(test)]
mod tests {
    use rdkafka::message::Timestamp as Stamp;

    use super::super::record::samples;
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn scan(most: usize) -> Scan {
        let filter = Filter {
            series: Series::new("s").unwrap(),
            range: TimeRange::ALL,
            tags: Tags::default(),
            without_payload: false,
        };
        // Events are late by up to ten seconds.
        Scan::new(filter, 10 * SECOND, most, None)
    }

    /// Gives a scan an event of a series at a second.
    fn offer(scan: &mut Scan, series: &str, second: i64) -> Flow {
        let event = samples::event(second * SECOND, "id");
        scan.take(0, &samples::of(series, second, &event))
    }

    /// The seconds of the events that a scan emits.
    fn emitted(scan: &mut Scan) -> (Vec<i64>, Result<bool, &'static str>) {
        let mut seconds = Vec::new();
        let more = scan.emit(|found| {
            seconds.push(found.event.time.as_micros() / SECOND);
            true
        });
        (seconds, more.map_err(|error| error.reason()))
    }

    #[test]
    fn a_full_buffer_ends_the_scan_where_no_more_events_before_its_cut_can_come() {
        // Room for three events.
        let mut scan = scan(3 * (OVERHEAD + 4));
        let read = (5..1_000).take_while(|second| offer(&mut scan, "s", *second) == Flow::More).count();
        // The cut is the event of second 8: a record of second 18 may still be followed by an earlier one, of 19 not.
        assert_eq!((read, scan.has_ended()), (14, true));
        assert_eq!(emitted(&mut scan), (vec![5, 6, 7], Ok(true)));
        assert!(scan.is_cut());
    }

    #[test]
    fn complete_events_make_room_in_a_full_buffer() {
        let mut scan = scan(3 * (OVERHEAD + 4));
        let flows = [5, 6, 7, 16].map(|second| offer(&mut scan, "s", second));
        assert_eq!(flows, [Flow::More, Flow::More, Flow::More, Flow::Enough]);
        assert_eq!(emitted(&mut scan), (vec![5], Ok(true)));
        scan.end();
        assert_eq!(emitted(&mut scan), (vec![6, 7, 16], Ok(true)));
        assert!(!scan.is_cut());
    }

    #[test]
    fn a_damaged_record_of_another_series_or_time_is_passed_over() {
        let mut scan = scan(1 << 20);
        scan.filter.range = TimeRange { start: 0, end: 100 * SECOND };
        for (series, millis) in [("other", 1_000), ("s", 100_000)] {
            let damaged = samples::with(series, 1, Stamp::CreateTime(millis), b"?");
            assert_eq!(scan.take(0, &damaged), Flow::More);
        }
        assert_eq!(offer(&mut scan, "s", 1), Flow::More);
        scan.end();
        assert_eq!(emitted(&mut scan), (vec![1], Ok(true)));
    }

    #[test]
    fn complete_events_are_emitted_before_the_error_of_a_damaged_one() {
        let mut scan = scan(1 << 20);
        for second in [1, 2, 12] {
            offer(&mut scan, "s", second);
        }
        assert_eq!(scan.take(0, &samples::with("s", 3, Stamp::CreateTime(12_000), b"?")), Flow::Enough);
        // The second event may still be preceded by a late one.
        assert_eq!(emitted(&mut scan), (vec![1], Err("DATA_LOSS")));
        assert_eq!(emitted(&mut scan), (vec![], Err("DATA_LOSS")), "also on the next page");
    }

    #[test]
    fn a_long_scan_pauses_and_keeps_its_progress() {
        let mut scan = scan(1 << 20);
        scan.begin_page(PageSize::default());
        let flows = (0..SCANNED).map(|_| offer(&mut scan, "other", 60)).filter(|flow| *flow != Flow::More);
        assert_eq!(flows.collect::<Vec<_>>(), [Flow::Enough]);
        assert_eq!(emitted(&mut scan), (vec![], Ok(true)));
        let passed = scan.pause().unwrap();
        assert_eq!(passed.time.as_micros(), 50 * SECOND - 1);
        assert_eq!(scan.pause(), None);
        assert_eq!(scan.after(), Some(&passed));
        // Another read goes on, and an event of that time comes after it.
        scan.begin_read();
        assert_eq!(offer(&mut scan, "s", 50), Flow::More);
        scan.end();
        assert_eq!(emitted(&mut scan), (vec![50], Ok(true)));
    }

    #[test]
    fn a_read_ends_once_a_page_is_full() {
        let mut scan = scan(1 << 20);
        scan.begin_page(PageSize::new(2, 0));
        for second in [1, 2, 3] {
            offer(&mut scan, "s", second);
        }
        let flows: Vec<_> = (3..STEP).map(|_| offer(&mut scan, "other", 60)).collect();
        assert_eq!(flows.iter().position(|flow| *flow == Flow::Enough), Some(STEP - 4));
    }
}
