//! Expected answers and effects of Put and Delete.

use std::collections::BTreeSet;

use bytes::Bytes;
use prism_contract::keyvalue::request::{
    DeleteRequest, ItemInput, KeyPredicate, PreconditionInput, PutRequest, Ttl,
};

use super::expected::{Change, Event, Expectation, Expected, ExpectedResult};
use super::read::selects;
use super::{KeyState, Model, RecordPath, StoredItem, refuse};

/// A ttl in microseconds, rounded up (TTL-3).
fn ttl_micros(Ttl { seconds, nanos }: Ttl) -> i64 {
    seconds.saturating_mul(1_000_000).saturating_add((i64::from(nanos) + 999) / 1_000)
}

impl Model {
    pub(super) fn expect_put(&self, put: &PutRequest) -> Expectation {
        let path = (put.namespace.clone(), put.id.clone());
        let refused = refuse::put(put, self.capabilities);
        if let Some(early) = refused.or_else(|| self.preconditions_fail(&path, &put.preconditions)) {
            return early;
        }
        let mut expectation = Expectation::of(Expected::Done);
        if !put.preconditions.is_empty() {
            expectation = expectation.with(Event::Held);
        }
        let mut written = Vec::new();
        for (at, item) in put.items.iter().enumerate() {
            let known = self.key_state(&path, &item.key);
            let ttl = put.ttl.map(ttl_micros);
            let (result, after) = self.put_item(&known, item, put.item_priority_token, ttl);
            self.push_put_events(&mut expectation.events, &known, &result);
            if let Some(known) = after {
                let (path, key) = (path.clone(), item.key.clone());
                expectation.changes.push(Change { path, key, known, result: Some(at) });
            }
            written.push(result);
        }
        expectation.answer = Expected::Results(written);
        expectation
    }

    fn put_item(
        &self,
        known: &KeyState,
        item: &ItemInput,
        token: i64,
        ttl: Option<i64>,
    ) -> (ExpectedResult, Option<KeyState>) {
        let now = self.clock.now();
        let (live, seen, key) = (known.live(now), known.remembered(now), item.key.clone());
        // TOK-1: with a token the write applies only above the highest seen; TOK-2: without one it always does.
        if token > 0 && token <= seen {
            let rules: &[_] = if live.is_some() { &["TOK-1", "TOK-3"] } else { &["TOK-4", "TOK-3"] };
            return (ExpectedResult { key, applied: false, version: known.current(now), rules }, None);
        }
        let rules: &[_] = match (token, live) {
            (0, _) => &["TOK-2", "PUT-1"],
            (_, Some(_)) => &["TOK-1"],
            (_, None) => &["TOK-1", "TOK-4"],
        };
        // PUT-5: created_at survives an overwrite and is new after a delete or an expiry.
        let created = live.map_or(now, |item| item.created);
        let written = StoredItem {
            value: item.value.clone(),
            content_type: item.content_type.clone(),
            compression: item.compression,
            version: 0,
            created,
            updated: now.max(created),
            ttl,
        };
        let after =
            KeyState { item: Some(written), highest: token.max(seen), deleted: None, newest: known.newest };
        (ExpectedResult { key, applied: true, version: known.newest, rules }, Some(after))
    }

    fn push_put_events(&self, events: &mut Vec<Event>, known: &KeyState, result: &ExpectedResult) {
        let now = self.clock.now();
        events.push(if result.applied { Event::Applied } else { Event::Superseded });
        if result.applied && known.live(now).is_some() {
            events.push(Event::Overwritten);
        }
        if !result.applied && known.live(now).is_none() {
            events.push(Event::Tombstone);
        }
        if known.is_expired(now) {
            events.push(Event::Expired);
        }
        if known.has_forgotten(now) {
            events.push(Event::Forgotten);
        }
    }

    pub(super) fn expect_delete(&self, delete: &DeleteRequest) -> Expectation {
        let path = (delete.namespace.clone(), delete.id.clone());
        let refused = refuse::delete(delete, self.capabilities);
        if let Some(early) = refused.or_else(|| self.preconditions_fail(&path, &delete.preconditions)) {
            return early;
        }
        let mut expectation = Expectation::of(Expected::Done);
        if !delete.preconditions.is_empty() {
            expectation = expectation.with(Event::Held);
        }
        let mut deleted = 0;
        for key in self.keys_to_delete(&path, delete.predicate.as_ref()) {
            let known = self.key_state(&path, &key);
            let named = matches!(delete.predicate, Some(KeyPredicate::MatchKeys(_)));
            self.push_delete_events(&mut expectation.events, &known, delete.item_priority_token);
            let Some(after) = self.delete_key(&known, delete.item_priority_token, named) else { continue };
            // DEL-2: only live items count.
            if known.live(self.clock.now()).is_some() {
                deleted += 1;
                expectation.events.push(Event::Deleted);
            }
            expectation.changes.push(Change { path: path.clone(), key, known: after, result: None });
        }
        expectation.answer = Expected::Deleted(deleted);
        expectation
    }

    /// Keys that the predicate names, and keys of the record that it selects (DEL-3).
    fn keys_to_delete(&self, path: &RecordPath, predicate: Option<&KeyPredicate>) -> BTreeSet<Bytes> {
        let mut keys = BTreeSet::new();
        if let Some(KeyPredicate::MatchKeys(named)) = predicate {
            keys.extend(named.iter().cloned());
        }
        let held = self.records.get(path).into_iter().flat_map(|record| record.keys());
        keys.extend(held.filter(|key| selects(predicate, key)).cloned());
        keys
    }

    /// State of a key after a Delete that selected it; `None`: unchanged (TOK-4).
    fn delete_key(&self, known: &KeyState, token: i64, named: bool) -> Option<KeyState> {
        let now = self.clock.now();
        let seen = known.remembered(now);
        if token > 0 && token <= seen {
            return None;
        }
        let is_live = known.live(now).is_some();
        // A tombstone for an absent key: only with a token, and only if match_keys named the key.
        let leaves_a_tombstone = named && token > 0;
        if !is_live && !leaves_a_tombstone {
            return None;
        }
        Some(KeyState { item: None, highest: token.max(seen), deleted: Some(now), newest: known.newest })
    }

    fn push_delete_events(&self, events: &mut Vec<Event>, known: &KeyState, token: i64) {
        let now = self.clock.now();
        if known.is_expired(now) {
            events.push(Event::Expired);
        }
        if token > 0 && token <= known.remembered(now) {
            events.push(if known.live(now).is_some() { Event::Superseded } else { Event::Tombstone });
        }
    }

    /// COND-1: all hold, or every failing one is named with its current version; COND-5: the same for a Delete.
    fn preconditions_fail(
        &self,
        path: &RecordPath,
        preconditions: &[PreconditionInput],
    ) -> Option<Expectation> {
        let now = self.clock.now();
        let current = preconditions.iter().map(|condition| (condition, self.key_state(path, &condition.key)));
        let mut events = vec![Event::Failed];
        let mut failing = Vec::new();
        for (condition, known) in current {
            if known.is_expired(now) {
                events.push(Event::Expired);
            }
            if known.current(now) != condition.version {
                failing.push((condition.key.clone(), known.current(now)));
            }
        }
        (!failing.is_empty()).then(|| Expectation {
            answer: Expected::PreconditionsFail(failing),
            changes: Vec::new(),
            events,
        })
    }
}
