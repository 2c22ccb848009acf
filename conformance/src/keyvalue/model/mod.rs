//! Executable model of the contract: pure, synchronous, and written from the contract's text alone.
//!
//! No code is shared with any backend. The model takes requests as clients send them, keeps the state that the contract
//! requires, and derives the answers that it allows. Versions are the store's choice: the model only requires that they
//! rise. Times are the store's clock: the model only requires that they are consistent.

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

/// Tombstone retention in microseconds (TOK-4).
const RETENTION: i64 = 24 * 60 * 60 * 1_000_000;

/// A record's namespace and id.
type RecordPath = (String, String);

/// The state that the contract requires of a store, at one moment.
#[derive(Debug, Clone)]
pub struct Model {
    capabilities: Capabilities,
    clock: Clock,
    records: BTreeMap<RecordPath, BTreeMap<Bytes, KeyState>>,
    tokens: Tokens,
}

/// State of one key. It is never dropped, because a version must not be reused even after deletion and sweep.
#[derive(Debug, Clone, Default)]
struct KeyState {
    /// The item last written and not deleted since; it may have expired.
    item: Option<StoredItem>,
    /// The highest token seen (TOK-1).
    highest: i64,
    /// Time of deletion; `None`: never deleted, or written since.
    deleted: Option<i64>,
    /// The highest version that the store ever assigned (VER-2).
    newest: i64,
}

/// A stored item. Times are microseconds of the model's clock.
#[derive(Debug, Clone)]
struct StoredItem {
    value: Bytes,
    content_type: String,
    compression: i32,
    version: i64,
    created: i64,
    updated: i64,
    ttl: Option<i64>,
}

impl StoredItem {
    /// Live strictly before its expiry, and absent from then on (TTL-1).
    fn is_live(&self, now: i64) -> bool {
        self.ttl.is_none_or(|ttl| now < self.updated + ttl)
    }
}

impl KeyState {
    fn live(&self, now: i64) -> Option<&StoredItem> {
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

    /// Time of deletion or expiry; `None`: the key is live, or was never written.
    fn dead_since(&self, now: i64) -> Option<i64> {
        let expired = self.item.as_ref().and_then(|item| Some(item.updated + item.ttl?));
        self.deleted.or(expired.filter(|end| *end <= now))
    }

    /// The highest token that is still remembered: a tombstone counts strictly before its start plus the retention (TOK-4).
    fn remembered(&self, now: i64) -> i64 {
        match self.dead_since(now) {
            Some(dead_since) if now >= dead_since + RETENTION => 0,
            Some(_) | None => self.highest,
        }
    }

    /// Whether it had a token whose retention has ended.
    fn has_forgotten(&self, now: i64) -> bool {
        self.highest > 0 && self.remembered(now) == 0
    }
}

impl Model {
    /// Model of an empty store with these capabilities. `manual_clock`: only [`Action::Advance`] moves the store's clock.
    pub fn new(capabilities: Capabilities, manual_clock: bool) -> Self {
        Self {
            capabilities,
            clock: Clock::new(manual_clock),
            records: BTreeMap::new(),
            tokens: Tokens::default(),
        }
    }

    /// Checks one exchange against the contract and applies it. Values that the contract leaves open come from the answer.
    pub fn step(&mut self, action: &Action, outcome: &Outcome) -> Result<Vec<Event>, Mismatch> {
        let expectation = self.expect(action);
        judge::judge(&expectation.answer, outcome, &mut self.clock)?;
        self.apply(action, outcome, expectation.changes);
        Ok(expectation.events)
    }

    /// The answer that the contract allows, and the resulting changes.
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
                None => Expectation::of(Expected::Described(self.capabilities)),
            },
        }
    }

    fn apply(&mut self, action: &Action, outcome: &Outcome, changes: Vec<Change>) {
        for Change { path, key, mut known, result } in changes {
            if let (Outcome::Answered(Response::Put(answer)), Some(at), Some(item)) =
                (outcome, result, &mut known.item)
            {
                item.version = answer.results[at].version;
                known.newest = item.version;
            }
            self.records.entry(path).or_default().insert(key, known);
        }
        self.tokens.learn(action, outcome);
        self.clock.step(action);
    }

    fn key_state(&self, path: &RecordPath, key: &Bytes) -> KeyState {
        self.records.get(path).and_then(|record| record.get(key)).cloned().unwrap_or_default()
    }
}
