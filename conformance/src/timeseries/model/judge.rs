//! The allowed outcomes of each method.

use std::collections::BTreeMap;

use bytes::Bytes;
use prism_contract::Timestamp;
use prism_contract::timeseries::request::{
    AppendRequest, DeleteEventsRequest, HistogramRequest, ListSeriesRequest, QueryRequest, QueryResponse,
    TailFrom, TailRequest, TimeInput,
};
use prism_contract::timeseries::{Capability, Event as Stored, SeriesEvent};

use super::{
    Appended, Asked, Candidate, Event, Judged, Mismatch, Model, Place, Resume, Tailed, expect, fails, same,
    unexpected,
};
use crate::core::StatusCode::{InvalidArgument, OutOfRange};
use crate::timeseries::replies::timestamp;
use crate::timeseries::{Outcome, Response};

fn at(time: Option<TimeInput>) -> Option<Timestamp> {
    time.and_then(timestamp)
}

/// QRY-2, HIS-2, DEL-4.
fn is_empty(start: Option<Timestamp>, end: Option<Timestamp>) -> bool {
    start.zip(end).is_some_and(|(start, end)| start >= end)
}

impl Model {
    pub(super) fn append(&mut self, append: &AppendRequest, outcome: &Outcome) -> Judged {
        let (now, detects) = (self.now, self.has(Capability::DetectsDuplicates));
        let log = self.log(&append.namespace);
        let rules = &["ACC-1", "APP-4", "APP-6"];
        let flags = match (log.append(&append.events, detects, now), outcome) {
            (Appended::Refused, _) => {
                return fails(rules, InvalidArgument, outcome).map(|()| vec![Event::Refused]);
            }
            (Appended::Either(_), Outcome::Failed(failure)) if failure.code == InvalidArgument => {
                return Ok(vec![Event::Refused]);
            }
            (Appended::Accepted(flags) | Appended::Either(flags), _) => flags,
        };
        let Outcome::Answered(Response::Append(answer)) = outcome else {
            return Err(unexpected(&["ACC-1", "ACC-2", "APP-8"], "OK", outcome));
        };
        let identities: Vec<_> =
            append.events.iter().map(|event| (at(event.time), event.id.clone())).collect();
        let answered: Vec<_> =
            answer.results.iter().map(|result| (Some(result.time), result.id.clone())).collect();
        expect(identities == answered, &["LIM-2"], "the time and the id of each event", "others")?;
        let actual: Vec<_> = answer.results.iter().map(|result| result.duplicate).collect();
        same(&["APP-8", "APP-3", "DEL-3", "RET-1"], "duplicate", &flags, &actual)?;
        let mut happened = Vec::new();
        for event in &append.events {
            let asked = Asked::all_of(&event.series);
            let latest = log.query(&asked, log.snapshot(now), now).last().map(|last| last.event.time);
            let is_late = latest.is_some_and(|latest| at(event.time).is_some_and(|time| time < latest));
            match log.write(std::slice::from_ref(event), now)[..] {
                [true] if is_late => happened.extend([Event::Written, Event::Late]),
                [true] => happened.push(Event::Written),
                _ => happened.push(Event::Duplicate),
            }
        }
        Ok(happened)
    }

    pub(super) fn query(&mut self, query: &QueryRequest, cut: Option<usize>, outcome: &Outcome) -> Judged {
        let asked = Asked {
            series: query.series.clone(),
            start: at(query.start),
            end: at(query.end),
            tags: query.tags.clone(),
            reverse: query.reverse,
        };
        if is_empty(asked.start, asked.end) {
            return fails(&["QRY-2"], InvalidArgument, outcome).map(|()| Vec::new());
        }
        let Outcome::Answered(Response::Query(messages)) = outcome else {
            return Err(unexpected(&["QRY-1", "QRY-9"], "OK", outcome));
        };
        let now = self.now;
        let new = Resume { snapshot: self.log(&query.namespace).snapshot(now), after: None };
        let is_resumed = !query.resume_token.is_empty();
        let mut resume = if is_resumed { self.queries.get(&query.resume_token).cloned() } else { Some(new) }
            .ok_or_else(|| unexpected(&["QRY-9"], "INVALID_ARGUMENT", outcome))?;
        let mut candidates = self.log(&query.namespace).query(&asked, resume.snapshot, now);
        if let Some(after) = &resume.after {
            let at = candidates.iter().position(|of| of.event.key() == *after);
            candidates.drain(..at.map_or(0, |at| at + 1));
        }
        let answered: Vec<_> = messages.iter().flat_map(|message| message.events.clone()).collect();
        let left = matched(&candidates, &answered, query.without_payload)?;
        let (tail_token, resume_token) = ends(messages)?;
        let at_limit = query.limit > 0 && answered.len() as u64 >= query.limit;
        let over = query.limit > 0 && answered.len() as u64 > query.limit;
        expect(!over, &["QRY-4"], "at most as many events as the limit", "more")?;
        let is_cut = cut == Some(messages.len());
        if resume_token.is_empty() {
            let missing = left.iter().filter(|candidate| candidate.must).count();
            expect(
                missing == 0,
                &["QRY-1", "QRY-4"],
                "a resume_token, or every event",
                format!("{missing} fewer"),
            )?;
            expect(!tail_token.is_empty(), &["QRY-11"], "a tail_token", "none")?;
            self.tails.insert(tail_token, Place { after: resume.snapshot.end, began: None });
        } else {
            expect(at_limit || is_cut, &["QRY-4"], "no resume_token at the end", "a resume_token")?;
            if let Some(last) = answered.last() {
                resume.after = Some(last.key());
            }
            self.queries.insert(resume_token.clone(), resume);
        }
        let mut happened = vec![Event::Read; answered.len()];
        if !resume_token.is_empty() && left.iter().any(|candidate| candidate.must) {
            happened.push(Event::Cut);
        }
        if is_resumed {
            happened.push(Event::Resumed);
        }
        Ok(happened)
    }

    /// Where a Tail begins: `None` if the request is not valid.
    fn place(&mut self, tail: &TailRequest) -> Option<Place> {
        match &tail.from {
            TailFrom::Beginning => Some(Place { after: 0, began: Some(self.now) }),
            TailFrom::Now => Some(Place { after: self.log(&tail.namespace).end(), began: None }),
            TailFrom::Token(token) => self.tails.get(token).copied(),
            TailFrom::Unset => None,
        }
    }

    /// The number of events that a Tail brings until it has caught up, if the contract leaves one number.
    pub(super) fn tailed(&mut self, tail: &TailRequest) -> Option<usize> {
        let (place, now) = (self.place(tail)?, self.now);
        if !self.has(Capability::ExactTail) {
            return None;
        }
        let series = (!tail.series.is_empty()).then_some(tail.series.as_str());
        match self.log(&tail.namespace).tail(series, &tail.tags, place, now) {
            Tailed::Events(events) | Tailed::Either(events) => Some(events.len()),
            Tailed::Expired => None,
        }
    }

    pub(super) fn tail(&mut self, tail: &TailRequest, outcome: &Outcome) -> Judged {
        let (now, is_exact) = (self.now, self.has(Capability::ExactTail));
        let Some(place) = self.place(tail) else {
            return fails(&["TAIL-10"], InvalidArgument, outcome).map(|()| Vec::new());
        };
        let end = self.log(&tail.namespace).end();
        let series = (!tail.series.is_empty()).then_some(tail.series.as_str());
        let log = self.log(&tail.namespace);
        let passed_over = log.passes_over(series, &tail.tags, place);
        let mut events = match (log.tail(series, &tail.tags, place, now), outcome) {
            (Tailed::Either(_), Outcome::Failed(failure)) if failure.code == OutOfRange => {
                return Ok(vec![Event::TokenExpired]);
            }
            (Tailed::Expired, _) => {
                return fails(&["TAIL-6"], OutOfRange, outcome).map(|()| vec![Event::TokenExpired]);
            }
            (Tailed::Events(events) | Tailed::Either(events), _) => events,
        };
        let Outcome::Answered(Response::Tail(messages)) = outcome else {
            return Err(unexpected(&["TAIL-1", "TAIL-3", "TAIL-6"], "OK", outcome));
        };
        let mut answered: Vec<_> = messages.iter().flat_map(|message| message.events.clone()).collect();
        if series.is_none() {
            // The order of series is free (TAIL-9).
            events.sort_by(|one, other| one.series.cmp(&other.series));
            answered.sort_by(|one, other| one.series.cmp(&other.series));
        }
        let shown = |of: SeriesEvent| SeriesEvent { event: shown(&of.event, tail.without_payload), ..of };
        if !is_exact {
            let mut next = 0;
            answered.retain(|event| {
                let left = &events[next..];
                let is_expected = left.first().is_some_and(|of| shown(of.clone()) == *event);
                next += usize::from(is_expected);
                // A repeat has any content that was appended, and comes after its event.
                let is_early =
                    left.iter().any(|of| of.series == event.series && of.event.key() == event.event.key());
                is_expected || is_early || !log.was_repeated(event, tail.without_payload)
            });
        }
        let events: Vec<_> = events.into_iter().map(shown).collect();
        same(&["TAIL-1", "TAIL-2", "TAIL-3", "APP-11"], "events", &events, &answered)?;
        let token = messages.last().map(|last| last.token.clone()).unwrap_or_default();
        expect(!token.is_empty(), &["TAIL-3"], "a token", "none")?;
        // A token is past what was passed over only in a message that comes after it (TAIL-4): by its heartbeat, at the latest.
        let is_idle = messages.len() > 1 && messages.last().is_some_and(|last| last.events.is_empty());
        if is_idle || !passed_over {
            self.tails.insert(token, Place { after: end, began: place.began });
        }
        let is_resumed = matches!(tail.from, TailFrom::Token(_));
        let continued = if is_resumed { answered.len() } else { 0 };
        Ok([vec![Event::Tailed; answered.len()], vec![Event::Continued; continued]].concat())
    }

    pub(super) fn list(&mut self, list: &ListSeriesRequest, outcome: &Outcome) -> Judged {
        let Outcome::Answered(Response::ListSeries(messages)) = outcome else {
            return Err(unexpected(&["SER-1"], "OK", outcome));
        };
        let now = self.now;
        let after = self.lists.get(&list.resume_token).cloned();
        let is_known = list.resume_token.is_empty() || after.is_some();
        expect(is_known, &["SER-1"], "INVALID_ARGUMENT", "OK")?;
        let mut names = self.log(&list.namespace).series(&list.prefix, now);
        names.retain(|name| after.as_ref().is_none_or(|after| name > after));
        let left = names.len();
        if list.limit > 0 {
            names.truncate(usize::try_from(list.limit).unwrap_or(usize::MAX));
        }
        let answered: Vec<_> = messages.iter().flat_map(|message| message.series.clone()).collect();
        same(&["SER-1", "RET-1"], "series", &names, &answered)?;
        let token = messages.last().map(|last| last.resume_token.clone()).unwrap_or_default();
        if token.is_empty() {
            expect(names.len() == left, &["SER-1"], "a resume_token", "none")?;
        } else if let Some(last) = answered.last().cloned().or(after) {
            self.lists.insert(token, last);
        }
        Ok(vec![Event::Listed; answered.len()])
    }

    pub(super) fn histogram(&mut self, histogram: &HistogramRequest, outcome: &Outcome) -> Judged {
        let (start, end) = (at(histogram.start), at(histogram.end));
        let (Some(start), Some(_), Some(bucket)) = (start, end, histogram.bucket) else {
            return fails(&["HIS-2"], InvalidArgument, outcome).map(|()| Vec::new());
        };
        if is_empty(Some(start), end) {
            return fails(&["HIS-2"], InvalidArgument, outcome).map(|()| Vec::new());
        }
        let Outcome::Answered(Response::Histogram(messages)) = outcome else {
            return Err(unexpected(&["HIS-1"], "OK", outcome));
        };
        let (series, tags) = (histogram.series.clone(), histogram.tags.clone());
        let asked = Asked { series, start: Some(start), end, tags, reverse: false };
        let bucket = bucket.seconds * 1_000_000 + i64::from(bucket.nanos) / 1_000;
        let now = self.now;
        let expected = self.log(&histogram.namespace).histogram(&asked, start, bucket, now);
        let expected: Vec<_> = expected.iter().map(|of| (of.start, of.count, of.payload_bytes)).collect();
        let buckets = messages.iter().flat_map(|message| &message.buckets);
        let actual: Vec<_> = buckets.map(|of| (of.start, of.count, of.payload_bytes)).collect();
        same(&["HIS-1", "RET-1", "QRY-3"], "buckets", &expected, &actual)?;
        Ok(vec![Event::Counted; actual.len()])
    }

    pub(super) fn delete(&mut self, delete: &DeleteEventsRequest, outcome: &Outcome) -> Judged {
        let (start, end) = (at(delete.start), at(delete.end));
        let bounded = start.is_some() || end.is_some();
        if is_empty(start, end) || bounded == delete.all {
            return fails(&["DEL-4"], InvalidArgument, outcome).map(|()| Vec::new());
        }
        let Outcome::Answered(Response::DeleteEvents(answer)) = outcome else {
            return Err(unexpected(&["DEL-1", "DEL-2"], "OK", outcome));
        };
        let now = self.now;
        let asked = Asked { start, end, ..Asked::all_of(&delete.series) };
        let count = self.log(&delete.namespace).delete(&asked, now);
        same(&["DEL-1", "DEL-2"], "deleted_count", &count, &answer.deleted_count)?;
        Ok(vec![Event::Deleted; usize::try_from(count).unwrap_or(usize::MAX)])
    }
}

impl Asked {
    fn all_of(series: &str) -> Self {
        let (series, tags) = (series.to_owned(), BTreeMap::new());
        Self { series, start: None, end: None, tags, reverse: false }
    }
}

/// The event as a request without payloads shows it.
fn shown(event: &Stored, without_payload: bool) -> Stored {
    let payload = if without_payload { Bytes::new() } else { event.payload.clone() };
    Stored { payload, ..event.clone() }
}

/// The candidates behind the last event of the answer, which leaves out none that must be answered.
fn matched<'a>(
    candidates: &'a [Candidate],
    answered: &[Stored],
    without_payload: bool,
) -> Result<&'a [Candidate], Mismatch> {
    let mut next = 0;
    let mut expected = Vec::new();
    for event in answered {
        while let Some(candidate) = candidates.get(next) {
            let is_it = shown(&candidate.event, without_payload) == *event;
            next += 1;
            if is_it || candidate.must {
                expected.push(shown(&candidate.event, without_payload));
                break;
            }
        }
    }
    same(
        &["QRY-1", "QRY-3", "QRY-4", "QRY-6", "QRY-7", "APP-1", "RET-1"],
        "events",
        &expected,
        &answered.to_vec(),
    )?;
    Ok(&candidates[next..])
}

/// The tail token and the resume token, which only the last message has.
fn ends(messages: &[QueryResponse]) -> Result<(Bytes, Bytes), Mismatch> {
    let Some((last, before)) = messages.split_last() else { return Ok(Default::default()) };
    let early =
        before.iter().any(|message| !message.tail_token.is_empty() || message.resume_token.is_empty());
    expect(!early, &["QRY-4", "QRY-11"], "an end in the last message only", "one in an earlier message")?;
    Ok((last.tail_token.clone(), last.resume_token.clone()))
}
