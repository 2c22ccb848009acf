//! Pages of a Query, and Histograms. What a page has read beyond its end is kept for the next one, as far as there is room.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use prism_contract::Error;
use prism_contract::timeseries::log::LogPosition;
use prism_contract::timeseries::{Bucket, EventKey, EventPage, Histogram, Query, TimeRange};

use super::error::Failure;
use super::offsets::At;
use super::readers::Range;
use super::scan::{Filter, Found, Scan, first_time};
use super::topic::Topic;
use super::{Inner, delivery_bound};

/// Maximum scans that are kept for a next page, and their bytes in total.
const KEPT: usize = 64;
const KEPT_BYTES: usize = 64 << 20;

/// Attempts to read on after brokers have removed the records that were to be read.
const RESTARTS: u32 = 1;

/// Scans that wait for the next page of their Query.
#[derive(Default)]
pub(super) struct Kept(Mutex<VecDeque<Running>>);

/// A scan, and where it reads.
struct Running {
    topic: Topic,
    range: Range,
    scan: Scan,
}

impl Kept {
    fn take(&self, topic: &Topic, to: u64, filter: &Filter, after: &EventKey) -> Option<Running> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|running| {
            running.topic.incarnation == topic.incarnation
                && running.range.to == to
                && running.scan.after() == Some(after)
                && running.scan.filter() == filter
        })?;
        kept.remove(at)
    }

    fn put(&self, running: Running) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back(running);
        let total = |kept: &VecDeque<Running>| kept.iter().map(|running| running.scan.bytes()).sum::<usize>();
        while kept.len() > KEPT || total(&kept) > KEPT_BYTES {
            kept.pop_front();
        }
    }
}

impl Inner {
    /// Reads a page.
    pub(super) async fn query(&self, query: &Query) -> Result<EventPage, Error> {
        let Some(topic) = self.registry.find(&query.namespace).await? else {
            let snapshot = self.absent(&query.namespace, query.snapshot.as_ref())?;
            return Ok(EventPage { events: Vec::new(), next: None, snapshot });
        };
        let partition = topic.partition(&query.series);
        let to = match &query.snapshot {
            Some(snapshot) => self.read_position(&topic, Some(partition), snapshot).await?[0],
            None => self.end_of(&topic, partition).await?,
        };
        let snapshot = LogPosition { incarnation: topic.incarnation, partitions: vec![to] }.encode();
        let range = query.range.live(query.expired);
        // Without the retention: it moves on between pages.
        let filter = Filter {
            series: query.series.clone(),
            range: query.range,
            tags: query.tags.clone(),
            without_payload: query.without_payload,
        };
        let (mut events, mut bytes) = (Vec::new(), 0);
        let mut after = query.after.clone();
        let mut take = |found: &Found| {
            if !range.contains(found.event.time) {
                return true;
            }
            let weight = found.event.weight(&query.series);
            if !query.page.fits(events.len(), bytes, weight) {
                return false;
            }
            bytes += weight;
            events.push(found.event.clone());
            true
        };
        let kept = after.as_ref().and_then(|after| self.kept.take(&topic, to, &filter, after));
        let mut running = match kept {
            Some(running) => running,
            None => self.start(&topic, (partition, to), filter.clone(), range, after.clone()).await?,
        };
        running.scan.begin_page(query.page);
        let mut restarts = 0;
        loop {
            let has_room = match running.scan.emit(&mut take) {
                // A page ends before a damaged event, unless that is its first.
                Err(_) if running.scan.after() != query.after.as_ref() => {
                    after = running.scan.after().cloned();
                    break;
                }
                emitted => emitted?,
            };
            after = running.scan.after().cloned().or(after);
            if !has_room {
                self.kept.put(running);
                break;
            }
            if running.scan.has_ended() && !running.scan.is_cut() {
                after = None;
                break;
            }
            if let Some(passed) = running.scan.pause() {
                after = Some(passed);
                self.kept.put(running);
                break;
            }
            running = self.advance(running, range, &mut restarts).await?;
        }
        Ok(EventPage { events, next: after, snapshot })
    }

    /// Counts events.
    pub(super) async fn histogram(&self, histogram: &Histogram) -> Result<Vec<Bucket>, Error> {
        let Some(topic) = self.registry.find(&histogram.namespace).await? else { return Ok(Vec::new()) };
        let partition = topic.partition(&histogram.series);
        let to = self.end_of(&topic, partition).await?;
        let range = histogram.range.live(histogram.expired);
        let filter = Filter {
            series: histogram.series.clone(),
            range,
            tags: histogram.tags.clone(),
            without_payload: true,
        };
        let mut buckets: Vec<Bucket> = Vec::new();
        let mut take = |found: &Found| {
            let (start, payload) = (histogram.start_of(found.event.time), found.payload_bytes as u64);
            match buckets.last_mut().filter(|bucket| bucket.start == start) {
                Some(bucket) => {
                    bucket.count += 1;
                    bucket.payload_bytes += payload;
                }
                None => buckets.push(Bucket { start, count: 1, payload_bytes: payload }),
            }
            true
        };
        let mut running = self.start(&topic, (partition, to), filter.clone(), range, None).await?;
        let mut restarts = 0;
        loop {
            running.scan.emit(&mut take)?;
            if running.scan.has_ended() && !running.scan.is_cut() {
                return Ok(buckets);
            }
            running = self.advance(running, range, &mut restarts).await?;
        }
    }

    /// Reads further. A scan that is cut begins again after the last event that was emitted, and so does one whose records the
    /// brokers have removed meanwhile: they had expired.
    async fn advance(&self, running: Running, live: TimeRange, restarts: &mut u32) -> Result<Running, Error> {
        let (topic, Range { partition, to, .. }) = (running.topic.clone(), running.range);
        let (filter, page) = (running.scan.filter().clone(), running.scan.page());
        let after = running.scan.after().cloned();
        if !running.scan.has_ended() {
            match self.read(running).await {
                Err(Failure::OutOfRange) if *restarts < RESTARTS => *restarts += 1,
                Err(Failure::OutOfRange) => {
                    return Err(Error::unavailable("the brokers remove records faster than they are read"));
                }
                Err(failure) => return Err(self.lost(&topic, failure)),
                Ok(running) => return Ok(running),
            }
        }
        let mut running = self.start(&topic, (partition, to), filter, live, after).await?;
        if let Some(page) = page {
            running.scan.begin_page(page);
        }
        Ok(running)
    }

    /// Begins a scan at the first record that may be of the range.
    async fn start(
        &self,
        topic: &Topic,
        (partition, to): (u32, u64),
        filter: Filter,
        live: TimeRange,
        after: Option<EventKey>,
    ) -> Result<Running, Error> {
        let at = match first_time(live, after.as_ref()).div_euclid(1_000) {
            // No record is earlier, so the brokers need not search.
            0 => At::Start,
            millis => At::Time(millis),
        };
        let asked = [(&*topic.name, partition, at), (&*self.registry.name, 0, At::End)];
        let mut answers = self.offsets.of(&asked).await?.into_iter();
        let first = answers.next().unwrap_or(Ok(None));
        let records = answers.next().unwrap_or(Ok(None));
        // A longer window than this gateway knows was recorded before its first event was written.
        if let Some(end) = records.map_err(|failure| self.registry.unread(failure))? {
            self.registry.refresh_to(end).await?;
        }
        let window =
            self.registry.get(&topic.namespace).map_or(topic.record.window, |topic| topic.record.window);
        let slack = i64::try_from(window).unwrap_or(i64::MAX).saturating_mul(1_000);
        let slack = slack.saturating_add(delivery_bound(&self.options)).saturating_add(1_000);
        // `None`: no record is of this time or later.
        let first = first.map_err(|failure| self.lost(topic, failure))?.unwrap_or(to);
        let mut scan = Scan::new(filter, slack, self.options.scan_bytes as usize, after);
        if first >= to || live.is_empty() {
            scan.end();
        }
        Ok(Running { topic: topic.clone(), range: Range { partition, from: first, to }, scan })
    }

    async fn read(&self, running: Running) -> Result<Running, Failure> {
        let Running { topic, range, mut scan } = running;
        scan.begin_read();
        let (mut scan, left) = self.readers.read(&topic.name, vec![range], scan).await?;
        let range = left.first().copied().unwrap_or(range);
        if range.from >= range.to {
            scan.end();
        }
        Ok(Running { topic, range, scan })
    }
}
