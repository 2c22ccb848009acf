//! The contract of one namespace as a model: pure and synchronous. It shares no code with the reference backend.

use std::collections::BTreeSet;
use std::time::Duration;

use prism_contract::Timestamp;
use prism_contract::timeseries::request::EventInput;
use prism_contract::timeseries::{Event, SeriesEvent};

use super::policies::SuitePolicy;
use super::replies::stored;

/// An event of the log; its position is its index.
#[derive(Debug, Clone)]
struct Entry {
    stored: SeriesEvent,
    is_deleted: bool,
}

/// The events of a namespace, in the order of their Appends.
#[derive(Debug, Clone)]
pub struct Model {
    policy: SuitePolicy,
    /// The server's time.
    pub now: Timestamp,
    log: Vec<Entry>,
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
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The series.
    pub series: &'a str,
    /// Inclusive.
    pub start: Option<Timestamp>,
    /// Exclusive.
    pub end: Option<Timestamp>,
    /// The value of the tag `k`.
    pub tag: Option<&'a str>,
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
    /// These events, or OUT_OF_RANGE: an event of another series behind the token has expired, and a server may decide by
    /// partition (TAIL-6).
    Either(Vec<SeriesEvent>),
}

impl Model {
    /// An empty namespace with this policy.
    pub fn new(policy: SuitePolicy, now: Timestamp) -> Self {
        Self { policy, now, log: Vec::new() }
    }

    /// The place behind the last event.
    pub fn end(&self) -> Place {
        Place { after: self.log.len(), began: None }
    }

    /// RET-1, at a moment.
    fn is_live(&self, time: Timestamp, at: Timestamp) -> bool {
        let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        let retention = self.policy.retention.map(micros);
        retention.is_none_or(|retention| time.as_micros().saturating_add(retention) > at.as_micros())
    }

    fn live(&self) -> impl Iterator<Item = &Entry> {
        self.log.iter().filter(|entry| !entry.is_deleted && self.is_live(entry.stored.event.time, self.now))
    }

    /// ACC-1.
    fn accepts(&self, time: Timestamp) -> bool {
        let (time, now) = (time.as_micros(), self.now.as_micros());
        let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        self.policy.accept_past.is_none_or(|past| now.saturating_sub(time) <= micros(past))
            && self.policy.accept_future.is_none_or(|future| time.saturating_sub(now) <= micros(future))
    }

    /// Whether each event is there already; `None`: the Append is refused, and nothing is written. `detects`: the store
    /// declares DETECTS_DUPLICATES.
    pub fn append(&mut self, events: &[EventInput], detects: bool) -> Option<Vec<bool>> {
        let events: Vec<_> = events.iter().map(stored).collect::<Option<_>>()?;
        let identity = |of: &SeriesEvent| (of.series.clone(), of.event.time, of.event.id.clone());
        let distinct: BTreeSet<_> = events.iter().map(identity).collect();
        let there: BTreeSet<_> = self.live().map(|entry| identity(&entry.stored)).collect();
        let duplicates: Vec<_> = events.iter().map(|event| there.contains(&identity(event))).collect();
        let is_refused =
            |(event, there): (&SeriesEvent, &bool)| !(self.accepts(event.event.time) || *there && detects);
        if distinct.len() < events.len() || events.iter().zip(&duplicates).any(is_refused) {
            return None;
        }
        let new = events.into_iter().zip(&duplicates).filter(|(_, there)| !**there);
        self.log.extend(new.map(|(stored, _)| Entry { stored, is_deleted: false }));
        Some(if detects { duplicates } else { vec![false; duplicates.len()] })
    }

    fn chosen(&self, asked: Asked<'_>) -> impl Iterator<Item = &Entry> {
        self.live().filter(move |entry| {
            let SeriesEvent { series, event } = &entry.stored;
            series.as_str() == asked.series
                && asked.start.is_none_or(|start| event.time >= start)
                && asked.end.is_none_or(|end| event.time < end)
                && asked.tag.is_none_or(|value| event.tags.iter().any(|tag| tag == ("k", value)))
        })
    }

    /// The answer of a Query (QRY-1, QRY-3, QRY-7).
    pub fn query(&self, asked: Asked<'_>) -> Vec<Event> {
        let mut events: Vec<_> = self.chosen(asked).map(|entry| entry.stored.event.clone()).collect();
        events.sort_by(|one, other| (one.time, &one.id).cmp(&(other.time, &other.id)));
        if asked.reverse {
            events.reverse();
        }
        events
    }

    /// Deletes what a Query would answer; returns its number (DEL-1).
    pub fn delete(&mut self, asked: Asked<'_>) -> u64 {
        let gone: BTreeSet<_> = self
            .chosen(asked)
            .map(|entry| (entry.stored.event.time, entry.stored.event.id.clone()))
            .collect();
        let (now, mut count) = (self.now, 0);
        let live: Vec<_> = self.log.iter().map(|entry| self.is_live(entry.stored.event.time, now)).collect();
        for (entry, live) in self.log.iter_mut().zip(live) {
            let SeriesEvent { series, event } = &entry.stored;
            let is_gone = series.as_str() == asked.series && gone.contains(&(event.time, event.id.clone()));
            if is_gone && live && !entry.is_deleted {
                entry.is_deleted = true;
                count += 1;
            }
        }
        count
    }

    /// A Tail of a series from a place (TAIL-1, TAIL-6).
    pub fn tail(&self, series: &str, place: Place) -> Tailed {
        let behind = self.log.iter().skip(place.after).filter(|entry| !entry.is_deleted);
        let wanted: Vec<_> = behind
            .filter(|entry| place.began.is_none_or(|began| self.is_live(entry.stored.event.time, began)))
            .map(|entry| &entry.stored)
            .collect();
        let is_expired = |of: &&&SeriesEvent| !self.is_live(of.event.time, self.now);
        let of_series = |of: &&&SeriesEvent| of.series.as_str() == series;
        if wanted.iter().filter(of_series).any(|of| is_expired(&of)) {
            return Tailed::Expired;
        }
        let events = wanted.iter().filter(of_series).map(|of| (*of).clone()).collect();
        if wanted.iter().any(|of| is_expired(&of)) { Tailed::Either(events) } else { Tailed::Events(events) }
    }
}
