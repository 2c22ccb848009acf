//! One namespace of the model: its events in the order of their Appends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use prism_contract::Timestamp;
use prism_contract::timeseries::request::EventInput;
use prism_contract::timeseries::{Bucket, Event, SeriesEvent};

use crate::timeseries::policies::SuitePolicy;
use crate::timeseries::replies::stored;

/// An event of the log; its position is its index.
#[derive(Debug, Clone)]
struct Entry {
    stored: SeriesEvent,
    /// The number of the DeleteEvents that removed it.
    deleted: Option<u64>,
    /// What was appended with the same identity later.
    repeats: Vec<SeriesEvent>,
}

/// The events of a namespace, in the order of their Appends.
#[derive(Debug, Clone)]
pub struct Log {
    policy: SuitePolicy,
    entries: Vec<Entry>,
    deletes: u64,
}

/// What a Query reads: the log at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// The number of events before its end.
    pub end: usize,
    /// When it was taken.
    pub began: Timestamp,
    /// The number of DeleteEvents before it.
    deletes: u64,
}

/// Where a Tail is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The number of events before it.
    pub after: usize,
    /// When a Tail from the beginning began.
    pub began: Option<Timestamp>,
}

/// What a Query asks for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The series.
    pub series: String,
    /// Inclusive.
    pub start: Option<Timestamp>,
    /// Exclusive.
    pub end: Option<Timestamp>,
    /// Tags that each event must have.
    pub tags: BTreeMap<String, String>,
    /// The mirror.
    pub reverse: bool,
}

/// The outcome of a Tail that the contract allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tailed {
    /// These events.
    Events(Vec<SeriesEvent>),
    /// OUT_OF_RANGE.
    Expired,
    /// These events, or OUT_OF_RANGE: an event of another series or with other tags behind the token has expired, and a server
    /// may decide by partition (TAIL-6).
    Either(Vec<SeriesEvent>),
}

/// The answer that the contract allows an Append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// OK, with these `duplicate` flags.
    Accepted(Vec<bool>),
    /// INVALID_ARGUMENT.
    Refused,
    /// OK with these flags, or INVALID_ARGUMENT: an event that is there is outside the window (ACC-2).
    Either(Vec<bool>),
}

/// An event that a resumed Query may answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The event.
    pub event: Event,
    /// Whether it must be answered: it was neither deleted nor has it expired since the Query began.
    pub must: bool,
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

impl Log {
    /// An empty namespace with this policy.
    pub fn new(policy: SuitePolicy) -> Self {
        Self { policy, entries: Vec::new(), deletes: 0 }
    }

    /// The number of events ever written: the position of the log's end.
    pub fn end(&self) -> usize {
        self.entries.len()
    }

    /// The log at this moment.
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        Snapshot { end: self.end(), began: now, deletes: self.deletes }
    }

    /// RET-1, at a moment.
    fn is_live(&self, time: Timestamp, at: Timestamp) -> bool {
        let retention = self.policy.retention.map(micros);
        retention.is_none_or(|retention| time.as_micros().saturating_add(retention) > at.as_micros())
    }

    fn live(&self, now: Timestamp) -> impl Iterator<Item = &Entry> {
        let is_live =
            move |entry: &&Entry| entry.deleted.is_none() && self.is_live(entry.stored.event.time, now);
        self.entries.iter().filter(is_live)
    }

    /// The number of live events.
    pub fn count(&self, now: Timestamp) -> usize {
        self.live(now).count()
    }

    /// ACC-1.
    fn accepts(&self, time: Timestamp, now: Timestamp) -> bool {
        let (time, now) = (time.as_micros(), now.as_micros());
        self.policy.accept_past.is_none_or(|past| now.saturating_sub(time) <= micros(past))
            && self.policy.accept_future.is_none_or(|future| time.saturating_sub(now) <= micros(future))
    }

    /// The allowed answer of an Append. `detects`: the store declares DETECTS_DUPLICATES.
    pub fn append(&self, events: &[EventInput], detects: bool, now: Timestamp) -> Appended {
        let Some(events) = events.iter().map(stored).collect::<Option<Vec<_>>>() else {
            return Appended::Refused;
        };
        let identity = |of: &SeriesEvent| (of.series.clone(), of.event.time, of.event.id.clone());
        let distinct: BTreeSet<_> = events.iter().map(identity).collect();
        let there: BTreeSet<_> = self.live(now).map(|entry| identity(&entry.stored)).collect();
        let duplicates: Vec<_> = events.iter().map(|event| there.contains(&identity(event))).collect();
        let outside = |at: &usize| !self.accepts(events[*at].event.time, now);
        if events.is_empty()
            || distinct.len() < events.len()
            || (0..events.len()).any(|at| outside(&at) && !duplicates[at])
        {
            return Appended::Refused;
        }
        if detects {
            return Appended::Accepted(duplicates);
        }
        let flags = vec![false; events.len()];
        if (0..events.len()).any(|at| outside(&at)) {
            Appended::Either(flags)
        } else {
            Appended::Accepted(flags)
        }
    }

    /// Writes the events of an accepted Append; returns which of them are new.
    pub fn write(&mut self, events: &[EventInput], now: Timestamp) -> Vec<bool> {
        let mut new = Vec::new();
        for stored in events.iter().filter_map(stored) {
            let identity = |of: &SeriesEvent| (of.series.clone(), of.event.time, of.event.id.clone());
            let live = self.is_live(stored.event.time, now);
            let there = self.entries.iter_mut().find(|entry| {
                live && entry.deleted.is_none() && identity(&entry.stored) == identity(&stored)
            });
            new.push(there.is_none());
            match there {
                Some(entry) => entry.repeats.push(stored),
                None => self.entries.push(Entry { stored, deleted: None, repeats: Vec::new() }),
            }
        }
        new
    }

    fn chosen<'a>(&'a self, asked: &'a Asked) -> impl Iterator<Item = (usize, &'a Entry)> {
        self.entries.iter().enumerate().filter(move |(_, entry)| {
            let SeriesEvent { series, event } = &entry.stored;
            series.as_str() == asked.series
                && asked.start.is_none_or(|start| event.time >= start)
                && asked.end.is_none_or(|end| event.time < end)
                && has_tags(event, &asked.tags)
        })
    }

    /// The events that a Query of this snapshot may answer, in its order (QRY-1, QRY-3, QRY-5, QRY-7).
    pub fn query(&self, asked: &Asked, snapshot: Snapshot, now: Timestamp) -> Vec<Candidate> {
        let candidate = |(at, entry): (usize, &Entry)| {
            let event = &entry.stored.event;
            let was_there = entry.deleted.is_none_or(|deleted| deleted >= snapshot.deletes);
            let is_there = at < snapshot.end && was_there && self.is_live(event.time, snapshot.began);
            let must = entry.deleted.is_none() && self.is_live(event.time, now);
            is_there.then(|| Candidate { event: event.clone(), must })
        };
        let mut events: Vec<_> = self.chosen(asked).filter_map(candidate).collect();
        events
            .sort_by(|one, other| (one.event.time, &one.event.id).cmp(&(other.event.time, &other.event.id)));
        if asked.reverse {
            events.reverse();
        }
        events
    }

    /// The number of live events that a DeleteEvents removes, which are then gone (DEL-1).
    pub fn delete(&mut self, asked: &Asked, now: Timestamp) -> u64 {
        let live: BTreeSet<_> = self
            .chosen(asked)
            .filter(|(_, entry)| entry.deleted.is_none() && self.is_live(entry.stored.event.time, now))
            .map(|(at, _)| at)
            .collect();
        for at in &live {
            self.entries[*at].deleted = Some(self.deletes);
        }
        self.deletes += 1;
        live.len() as u64
    }

    /// The names of the series with a live event, in byte order (SER-1).
    pub fn series(&self, prefix: &str, now: Timestamp) -> Vec<String> {
        let names: BTreeSet<_> = self.live(now).map(|entry| entry.stored.series.as_str()).collect();
        names.into_iter().filter(|name| name.starts_with(prefix)).map(str::to_owned).collect()
    }

    /// The buckets of a Histogram (HIS-1).
    pub fn histogram(&self, asked: &Asked, start: Timestamp, bucket: i64, now: Timestamp) -> Vec<Bucket> {
        let mut buckets: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
        for candidate in self.query(asked, self.snapshot(now), now).into_iter().filter(|event| event.must) {
            let offset = (candidate.event.time.as_micros() - start.as_micros()) / bucket.max(1);
            let (count, bytes) = buckets.entry(start.as_micros() + offset * bucket).or_default();
            *count += 1;
            *bytes += candidate.event.payload.len() as u64;
        }
        let bucket = |(start, (count, payload_bytes))| {
            Timestamp::from_micros(start).ok().map(|start| Bucket { start, count, payload_bytes })
        };
        buckets.into_iter().filter_map(bucket).collect()
    }

    /// A Tail from a place, of a series or of all, with these tags (TAIL-1, TAIL-6).
    pub fn tail(
        &self,
        series: Option<&str>,
        tags: &BTreeMap<String, String>,
        place: Place,
        now: Timestamp,
    ) -> Tailed {
        let behind = self.entries.iter().skip(place.after).filter(|entry| entry.deleted.is_none());
        let behind: Vec<_> = behind
            .filter(|entry| place.began.is_none_or(|began| self.is_live(entry.stored.event.time, began)))
            .map(|entry| &entry.stored)
            .collect();
        let is_expired = |of: &SeriesEvent| !self.is_live(of.event.time, now);
        let wanted = behind.iter().copied().filter(|of| {
            series.is_none_or(|series| of.series.as_str() == series) && has_tags(&of.event, tags)
        });
        let events: Vec<_> = wanted.cloned().collect();
        if events.iter().any(is_expired) {
            return Tailed::Expired;
        }
        if behind.into_iter().any(is_expired) { Tailed::Either(events) } else { Tailed::Events(events) }
    }

    /// Whether a Tail from a place passes over events after the last one that it brings. Those of a namespace have several logs, in
    /// each of which that may be another one.
    pub fn passes_over(&self, series: Option<&str>, tags: &BTreeMap<String, String>, place: Place) -> bool {
        let behind = self.entries.iter().skip(place.after).filter(|entry| entry.deleted.is_none());
        let mut passed = behind
            .map(|entry| &entry.stored)
            .filter(|of| series.is_none_or(|series| of.series.as_str() == series))
            .map(|of| {
                let is_live = place.began.is_none_or(|began| self.is_live(of.event.time, began));
                !is_live || !has_tags(&of.event, tags)
            });
        if series.is_some() { passed.last().unwrap_or(false) } else { passed.any(|is_passed| is_passed) }
    }

    /// Whether this is an event that was appended more than once, with the content of any of its Appends (TAIL-3).
    pub fn was_repeated(&self, event: &SeriesEvent, without_payload: bool) -> bool {
        let is_it = |appended: &SeriesEvent| {
            let SeriesEvent { series, event: of } = appended;
            let payload = if without_payload { Bytes::new() } else { of.payload.clone() };
            *series == event.series && Event { payload, ..of.clone() } == event.event
        };
        let mut repeated =
            self.entries.iter().filter(|entry| entry.deleted.is_none() && !entry.repeats.is_empty());
        repeated.any(|entry| is_it(&entry.stored) || entry.repeats.iter().any(is_it))
    }
}

/// QRY-3.
fn has_tags(event: &Event, tags: &BTreeMap<String, String>) -> bool {
    tags.iter().all(|(key, value)| event.tags.iter().any(|tag| tag == (key.as_str(), value.as_str())))
}
