//! The reference backend: the whole contract in memory, as simply as possible. Nothing survives the process.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::log::{LogPosition, SweptEvents};
use super::{
    Append, Bucket, Capabilities, DeleteEvents, Event, EventKey, EventPage, Expired, Histogram, ListSeries,
    Partitions, Position, Query, Series, SeriesEvent, SeriesPage, Start, Tail, TailPage, TimeSeriesBackend,
};
use crate::{Error, Lifecycle, Namespace, Swept, Timestamp};

/// Maximum events that one sweep removes.
const SWEEP: usize = 10_000;

/// An in-memory store that keeps every rule that a single process can keep. One lock guards everything, so every operation
/// is atomic. It is the backend to compare others with, and not optimized. Each namespace is one log, whatever its policy's
/// partitions.
#[derive(Debug)]
pub struct Memory {
    incarnation: [u8; 16],
    state: Mutex<BTreeMap<Namespace, Log>>,
    appended: Notify,
}

/// The events of a namespace, by series and time and in append order.
#[derive(Debug, Default)]
struct Log {
    /// The position of the last event that was appended.
    end: u64,
    /// The number of partitions that the first Append came with.
    partitions: u32,
    series: BTreeMap<Series, BTreeMap<EventKey, Stored>>,
    order: BTreeMap<u64, (Series, EventKey)>,
    swept: BTreeMap<Series, SweptEvents>,
}

#[derive(Debug)]
struct Stored {
    position: u64,
    event: Event,
}

impl Default for Memory {
    fn default() -> Self {
        Self { incarnation: random(), state: Mutex::default(), appended: Notify::new() }
    }
}

/// Random bytes: each store has other ones.
fn random() -> [u8; 16] {
    let (first, second) = (RandomState::new().hash_one(0), RandomState::new().hash_one(1));
    (u128::from(first) << 64 | u128::from(second)).to_le_bytes()
}

fn is_live(time: Timestamp, expired: Option<Timestamp>) -> bool {
    expired.is_none_or(|expired| time > expired)
}

impl Memory {
    /// A std mutex: never held across an await. No panic can leave the state half written, so poison is ignored.
    fn state(&self) -> MutexGuard<'_, BTreeMap<Namespace, Log>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at(&self, position: u64) -> Position {
        LogPosition { incarnation: self.incarnation, partitions: vec![position] }.encode()
    }

    /// Reads a position, which must not be beyond the end of the log.
    fn read(&self, position: &Position, log: Option<&Log>) -> Result<u64, Error> {
        let end = log.map_or(0, |log| log.end);
        Ok(LogPosition::decode(position, &self.incarnation, &[end])?.partitions[0])
    }
}

#[async_trait]
impl Lifecycle for Memory {
    async fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn sweep(&self, _: Timestamp) -> Result<Swept, Error> {
        Ok(Swept::default())
    }

    async fn close(&self) {}
}

#[async_trait]
impl TimeSeriesBackend for Memory {
    fn capabilities(&self, _: &Namespace) -> Capabilities {
        Capabilities::ALL
    }

    async fn append(&self, append: Append) -> Result<Vec<bool>, Error> {
        let mut state = self.state();
        let expired = append.expired;
        let log = state.get(&append.namespace);
        let is_there = |event: &SeriesEvent| {
            let stored = log.and_then(|log| log.series.get(&event.series)?.get(&event.event.key()));
            stored.is_some() && is_live(event.event.time, expired)
        };
        let duplicates: Vec<_> = append.events.iter().map(is_there).collect();
        append.refuse(append.outside().filter(|at| !duplicates[*at]))?;
        let partitions = append.partitions;
        let log = state.entry(append.namespace).or_insert_with(|| Log { partitions, ..Log::default() });
        let new = append.events.into_iter().zip(&duplicates).filter(|(_, duplicate)| !**duplicate);
        for (SeriesEvent { series, event }, _) in new {
            log.end += 1;
            log.remove(&series, &event.key(), true);
            log.order.insert(log.end, (series.clone(), event.key()));
            let stored = Stored { position: log.end, event };
            log.series.entry(series).or_default().insert(stored.event.key(), stored);
        }
        drop(state);
        self.appended.notify_waiters();
        Ok(duplicates)
    }

    async fn query(&self, query: &Query) -> Result<EventPage, Error> {
        let state = self.state();
        let log = state.get(&query.namespace);
        let end = log.map_or(0, |log| log.end);
        let snapshot = query.snapshot.as_ref().map_or(Ok(end), |snapshot| self.read(snapshot, log))?;
        let mut page = EventPage { events: Vec::new(), next: None, snapshot: self.at(snapshot) };
        let Some(events) = log.and_then(|log| log.series.get(&query.series)) else { return Ok(page) };
        let mut bytes = 0;
        for stored in in_direction(events, query) {
            let Stored { position, event } = stored;
            let is_wanted = *position <= snapshot
                && query.range.contains(event.time)
                && is_live(event.time, query.expired)
                && query.tags.match_all(&event.tags);
            if !is_wanted {
                continue;
            }
            let event = event.shown(query.without_payload);
            let weight = event.weight(&query.series);
            if !query.page.fits(page.events.len(), bytes, weight) {
                page.next = page.events.last().map(Event::key);
                return Ok(page);
            }
            bytes += weight;
            page.events.push(event);
        }
        Ok(page)
    }

    async fn position(
        &self,
        namespace: &Namespace,
        _: Option<&Series>,
        start: Start,
    ) -> Result<Position, Error> {
        let end = self.state().get(namespace).map_or(0, |log| log.end);
        Ok(self.at(match start {
            Start::Beginning => 0,
            Start::Now => end,
        }))
    }

    async fn tail(&self, tail: &Tail) -> Result<TailPage, Error> {
        let state = self.state();
        let log = state.get(&tail.namespace);
        let after = self.read(&tail.after, log)?;
        let mut page = TailPage { events: Vec::new(), position: tail.after.clone(), more: false };
        let Some(log) = log else { return Ok(page) };
        let of_tail = |series: &Series| tail.series.as_ref().is_none_or(|of| of == series);
        let mut swept = log.swept.iter().filter(|(series, _)| of_tail(series));
        if swept.any(|(_, swept)| swept.expire(after, tail.passed_over)) {
            return Err(Error::TokenExpired);
        }
        let mut bytes = 0;
        for (position, (series, key)) in log.order.range((Bound::Excluded(after), Bound::Unbounded)) {
            let Some(stored) = log.series.get(series).and_then(|events| events.get(key)) else { continue };
            let is_wanted = of_tail(series)
                && tail.tags.match_all(&stored.event.tags)
                && is_live(key.time, tail.passed_over);
            if !is_wanted {
                continue;
            }
            if !is_live(key.time, tail.expired) {
                return Err(Error::TokenExpired);
            }
            let event = stored.event.shown(tail.without_payload);
            let weight = event.weight(series);
            if !tail.page.fits(page.events.len(), bytes, weight) {
                (page.position, page.more) = (self.at(position - 1), true);
                return Ok(page);
            }
            bytes += weight;
            page.events.push(SeriesEvent { series: series.clone(), event });
        }
        page.position = self.at(log.end);
        Ok(page)
    }

    async fn appended(&self, tail: &Tail) {
        // Registered before the log is looked at, so that no Append is missed in between.
        let appended = self.appended.notified();
        let mut appended = std::pin::pin!(appended);
        appended.as_mut().enable();
        let is_at_end = {
            let state = self.state();
            let log = state.get(&tail.namespace);
            self.read(&tail.after, log).is_ok_and(|after| after == log.map_or(0, |log| log.end))
        };
        if is_at_end {
            appended.await;
        }
    }

    async fn list_series(&self, list: &ListSeries) -> Result<SeriesPage, Error> {
        let state = self.state();
        let mut page = SeriesPage::default();
        let Some(log) = state.get(&list.namespace) else { return Ok(page) };
        for (series, events) in &log.series {
            let is_live = events.keys().any(|key| is_live(key.time, list.expired));
            if !is_live
                || !series.as_str().starts_with(&list.prefix)
                || list.after.as_ref().is_some_and(|after| series <= after)
            {
                continue;
            }
            if page.series.len() == list.limit {
                page.next = page.series.last().cloned();
                break;
            }
            page.series.push(series.clone());
        }
        Ok(page)
    }

    async fn histogram(&self, histogram: &Histogram) -> Result<Vec<Bucket>, Error> {
        let state = self.state();
        let mut buckets: BTreeMap<Timestamp, Bucket> = BTreeMap::new();
        let events = state.get(&histogram.namespace).and_then(|log| log.series.get(&histogram.series));
        for Stored { event, .. } in events.into_iter().flat_map(BTreeMap::values) {
            let is_wanted = histogram.range.contains(event.time)
                && is_live(event.time, histogram.expired)
                && histogram.tags.match_all(&event.tags);
            if is_wanted {
                let start = histogram.start_of(event.time);
                let bucket = buckets.entry(start).or_insert(Bucket { start, count: 0, payload_bytes: 0 });
                bucket.count += 1;
                bucket.payload_bytes += event.payload.len() as u64;
            }
        }
        Ok(buckets.into_values().collect())
    }

    async fn delete_events(&self, delete: DeleteEvents) -> Result<u64, Error> {
        let mut state = self.state();
        let Some(log) = state.get_mut(&delete.namespace) else { return Ok(0) };
        let range = delete.range.live(delete.expired);
        let events = log.series.get(&delete.series).into_iter().flat_map(BTreeMap::keys);
        let removed: Vec<_> = events.filter(|key| range.contains(key.time)).cloned().collect();
        for key in &removed {
            log.remove(&delete.series, key, false);
        }
        Ok(removed.len() as u64)
    }

    async fn expire(&self, expired: Expired<'_>) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        for (namespace, log) in self.state().iter_mut() {
            let Some(expired) = expired(namespace) else { continue };
            let old = log.order.values().filter(|(_, key)| !is_live(key.time, Some(expired)));
            let old: Vec<_> = old.take(SWEEP).cloned().collect();
            for (series, key) in &old {
                log.remove(series, key, true);
            }
            swept.expired += old.len() as u64;
            swept.more |= old.len() == SWEEP;
        }
        Ok(swept)
    }

    async fn repartitioned(&self, configured: Partitions<'_>) -> Result<Option<(Namespace, u32)>, Error> {
        let state = self.state();
        let mut logs = state.iter().map(|(namespace, log)| (namespace, log.partitions));
        let other =
            logs.find(|(name, fixed)| configured(name).is_some_and(|partitions| partitions != *fixed));
        Ok(other.map(|(namespace, fixed)| (namespace.clone(), fixed)))
    }
}

impl Log {
    /// Removes an event, if it is there; one that has expired ends the tokens before it.
    fn remove(&mut self, series: &Series, key: &EventKey, has_expired: bool) {
        let Some(events) = self.series.get_mut(series) else { return };
        if let Some(Stored { position, .. }) = events.remove(key) {
            self.order.remove(&position);
            if has_expired {
                self.swept.entry(series.clone()).or_default().insert(position, key.time);
            }
        }
        if events.is_empty() {
            self.series.remove(series);
        }
    }
}

/// The events beyond the page before, in the direction of the Query.
fn in_direction<'a>(
    events: &'a BTreeMap<EventKey, Stored>,
    query: &'a Query,
) -> Box<dyn Iterator<Item = &'a Stored> + 'a> {
    let bound = query.after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
    if query.reverse {
        Box::new(events.range((Bound::Unbounded, bound)).rev().map(|(_, stored)| stored))
    } else {
        Box::new(events.range((bound, Bound::Unbounded)).map(|(_, stored)| stored))
    }
}
