//! The Appends and reads of a history, prepared for its check.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use prism_contract::timeseries::request::{AppendRequest, TailFrom};
use prism_contract::timeseries::{EventKey, SeriesEvent};

use super::{History, Operation};
use crate::timeseries::replies::stored;
use crate::timeseries::{Outcome, Request, Response};

/// An event's series, time and id.
pub(super) type Identity = (String, EventKey);

pub(super) fn identity(of: &SeriesEvent) -> Identity {
    (of.series.as_str().to_owned(), of.event.key())
}

/// An Append of a history.
pub(super) struct Append {
    /// Its index in the history.
    pub(super) at: usize,
    pub(super) called: u64,
    /// When it was acknowledged; `None`: it was not.
    pub(super) acknowledged: Option<u64>,
    /// Whether it certainly wrote nothing.
    pub(super) is_refused: bool,
    pub(super) events: Vec<SeriesEvent>,
}

impl Append {
    fn of(at: usize, operation: &Operation, append: &AppendRequest) -> Self {
        let (acknowledged, is_refused) = match &operation.outcome {
            Some(Outcome::Answered(_)) => (operation.returned, false),
            Some(Outcome::Failed(failure)) => (None, !failure.is_ambiguous()),
            Some(Outcome::Done) | None => (None, false),
        };
        let events = append.events.iter().filter_map(stored).collect();
        Self { at, called: operation.called, acknowledged, is_refused, events }
    }

    /// Its events of a series.
    pub(super) fn of_series<'a>(&'a self, series: &'a str) -> impl Iterator<Item = &'a SeriesEvent> {
        self.events.iter().filter(move |event| event.series.as_str() == series)
    }
}

/// The reads that a Tail continues.
#[derive(Clone, Default)]
pub(super) struct Before {
    /// The last one; `None`: the Tail began before the first event.
    pub(super) read: Option<usize>,
    /// Their events.
    pub(super) events: BTreeSet<Identity>,
}

/// A read that was answered.
pub(super) struct Read {
    /// Its index in the history.
    pub(super) at: usize,
    pub(super) series: String,
    pub(super) called: u64,
    pub(super) returned: u64,
    pub(super) events: Vec<SeriesEvent>,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    /// All events of the series, by time.
    Query,
    /// What followed, in the order of Appends; `None`: after an unknown place.
    Tail(Option<Before>),
}

/// The Appends and reads of a history.
pub(super) struct Index {
    pub(super) appends: Vec<Append>,
    pub(super) reads: Vec<Read>,
    /// The Append of each event, as an index into `appends`.
    pub(super) of_event: BTreeMap<Identity, usize>,
}

impl Index {
    pub(super) fn of(history: &History) -> Self {
        let mut index = Self { appends: vec![], reads: vec![], of_event: BTreeMap::new() };
        let mut by_answer: Vec<_> = history.operations.iter().enumerate().collect();
        // A token is used after it was answered, so that reads are known before those that continue them.
        by_answer.sort_by_key(|(_, operation)| operation.returned.unwrap_or(u64::MAX));
        let mut tokens: BTreeMap<Bytes, Before> = BTreeMap::new();
        for (at, operation) in by_answer {
            match &operation.request {
                Request::Append(append) => {
                    let append = Append::of(at, operation, append);
                    for event in &append.events {
                        index.of_event.insert(identity(event), index.appends.len());
                    }
                    index.appends.push(append);
                }
                request => index.reads.extend(read(at, operation, request, &mut tokens)),
            }
        }
        index
    }
}

fn read(
    at: usize,
    operation: &Operation,
    request: &Request,
    tokens: &mut BTreeMap<Bytes, Before>,
) -> Option<Read> {
    let (called, returned) = (operation.called, operation.returned?);
    let Some(Outcome::Answered(response)) = &operation.outcome else { return None };
    match (request, response) {
        (Request::Query(query, None), Response::Query(messages)) if query.resume_token.is_empty() => {
            let of = prism_contract::timeseries::Series::new(query.series.clone()).ok()?;
            let events = messages.iter().flat_map(|message| message.events.clone());
            let events: Vec<_> = events.map(|event| SeriesEvent { series: of.clone(), event }).collect();
            let before = Before { read: Some(at), events: events.iter().map(identity).collect() };
            tokens.insert(messages.last()?.tail_token.clone(), before);
            Some(Read { at, series: query.series.clone(), called, returned, events, kind: Kind::Query })
        }
        (Request::Tail(tail, _), Response::Tail(messages)) if !tail.series.is_empty() => {
            let events: Vec<_> = messages.iter().flat_map(|message| message.events.clone()).collect();
            let before = match &tail.from {
                TailFrom::Beginning => Some(Before::default()),
                TailFrom::Token(token) => tokens.get(token).cloned(),
                TailFrom::Now | TailFrom::Unset => None,
            };
            if let Some(before) = &before {
                let mut all = Before { read: Some(at), ..before.clone() };
                all.events.extend(events.iter().map(identity));
                tokens.insert(messages.last()?.token.clone(), all);
            }
            let series = tail.series.clone();
            Some(Read { at, series, called, returned, events, kind: Kind::Tail(before) })
        }
        _ => None,
    }
}
