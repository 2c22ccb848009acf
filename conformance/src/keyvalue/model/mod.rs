//! The contract as a model: pure, synchronous, and written from the contract's words alone.
//!
//! It shares no code with any backend: it takes requests as clients say them, keeps what the contract says must be known,
//! and says what the contract allows for an answer. Versions are the store's own choice, so the model only asks that they
//! rise; times are the store's clock, so the model only asks that they agree with each other.

mod clock;
mod expected;
mod judge;
mod pages;
mod read;
mod refuse;
mod write;

use std::collections::BTreeMap;

use bytes::Bytes;
use prism_contract::keyvalue::Capabilities;

use crate::keyvalue::{Action, Outcome, Request, Response};
use clock::Clock;
use expected::{Change, Expectation, Expected};
use pages::Tokens;

pub use expected::Event;
pub use judge::Mismatch;

/// How long a tombstone is kept, in microseconds (TOK-4).
const RETENTION: i64 = 24 * 60 * 60 * 1_000_000;

/// A record's namespace and id.
type Place = (String, String);

/// What the contract says a store must know, at one moment.
#[derive(Debug, Clone)]
pub struct Model {
    claims: Capabilities,
    clock: Clock,
    records: BTreeMap<Place, BTreeMap<Bytes, Known>>,
    tokens: Tokens,
}

/// What there is to know of one key. It is never thrown away: that a version is not used twice outlives everything.
#[derive(Debug, Clone, Default)]
struct Known {
    /// The item last written and not deleted since; it may have expired.
    item: Option<Life>,
    /// The highest token seen (TOK-1).
    highest: i64,
    /// When it was deleted; `None`: never, or it was written since.
    deleted: Option<i64>,
    /// The highest version the store ever gave it (VER-2).
    newest: i64,
}

/// An item from its Put on. Times are microseconds of the model's own clock.
#[derive(Debug, Clone)]
struct Life {
    value: Bytes,
    content_type: String,
    compression: i32,
    version: i64,
    created: i64,
    updated: i64,
    ttl: Option<i64>,
}

impl Life {
    /// An item is live strictly before its end, and absent from then on (TTL-1).
    fn is_live(&self, now: i64) -> bool {
        self.ttl.is_none_or(|ttl| now < self.updated + ttl)
    }
}

impl Known {
    fn live(&self, now: i64) -> Option<&Life> {
        self.item.as_ref().filter(|item| item.is_live(now))
    }

    /// Whether its item has expired and was not deleted or written since.
    fn is_expired(&self, now: i64) -> bool {
        self.item.as_ref().is_some_and(|item| !item.is_live(now))
    }

    /// The version a precondition compares with; 0: absent (COND-2).
    fn current(&self, now: i64) -> i64 {
        self.live(now).map_or(0, |item| item.version)
    }

    /// When it died; `None`: it lives, or never did.
    fn died(&self, now: i64) -> Option<i64> {
        let expired = self.item.as_ref().and_then(|item| Some(item.updated + item.ttl?));
        self.deleted.or(expired.filter(|end| *end <= now))
    }

    /// The highest token that is still remembered: a tombstone is honoured strictly before its death plus the retention
    /// (TOK-4).
    fn remembered(&self, now: i64) -> i64 {
        match self.died(now) {
            Some(died) if now >= died + RETENTION => 0,
            Some(_) | None => self.highest,
        }
    }

    /// Whether it had a token that the retention has made forgotten.
    fn has_forgotten(&self, now: i64) -> bool {
        self.highest > 0 && self.remembered(now) == 0
    }
}

impl Model {
    /// Of an empty store that claims `claims`. `stands_still`: its clock moves only where a request lets time pass.
    pub fn new(claims: Capabilities, stands_still: bool) -> Self {
        Self { claims, clock: Clock::new(stands_still), records: BTreeMap::new(), tokens: Tokens::default() }
    }

    /// Holds one exchange against the contract and takes it in. What the contract leaves open is learned from the answer.
    pub fn step(&mut self, action: &Action, outcome: &Outcome) -> Result<Vec<Event>, Mismatch> {
        let expectation = self.expect(action);
        judge::judge(&expectation.answer, outcome, &mut self.clock)?;
        self.settle(action, outcome, expectation.changes);
        Ok(expectation.events)
    }

    /// What the contract allows for an answer, and what becomes of the store.
    fn expect(&self, action: &Action) -> Expectation {
        let request = match action {
            Action::Call(request) => request,
            Action::Sweep => return Expectation::of(Expected::Done).with(Event::Swept),
            Action::Restart(_) => return Expectation::of(Expected::Done).with(Event::Restarted),
            Action::Advance(_) | Action::Outage(_) | Action::Raw(_) => {
                return Expectation::of(Expected::Done);
            }
        };
        match request {
            Request::Put(put) => self.expect_put(put),
            Request::Get(get) => self.expect_get(get),
            Request::Delete(delete) => self.expect_delete(delete),
            Request::Scan(scan, cut) => self.expect_scan(scan, *cut),
            Request::Describe(describe) => match refuse::describe(describe) {
                Some(refusal) => refusal,
                None => Expectation::of(Expected::Described(self.claims)),
            },
        }
    }

    fn settle(&mut self, action: &Action, outcome: &Outcome, changes: Vec<Change>) {
        for Change { place, key, mut known, result } in changes {
            if let (Outcome::Answered(Response::Put(answer)), Some(at), Some(item)) =
                (outcome, result, &mut known.item)
            {
                item.version = answer.results[at].version;
                known.newest = item.version;
            }
            self.records.entry(place).or_default().insert(key, known);
        }
        self.tokens.learn(action, outcome);
        self.clock.step(action);
    }

    fn known(&self, place: &Place, key: &Bytes) -> Known {
        self.records.get(place).and_then(|record| record.get(key)).cloned().unwrap_or_default()
    }
}
