//! What a Put or a Delete makes of a record.

use std::collections::BTreeSet;

use bytes::Bytes;
use prism_contract::keyvalue::request::{
    DeleteRequest, ItemInput, KeyPredicate, PreconditionInput, PutRequest, Ttl,
};

use super::expected::{Change, Event, Expectation, Expected, Written};
use super::read::chooses;
use super::{Known, Life, Model, Place, refuse};

/// A ttl in microseconds, rounded up (TTL-3).
fn ttl_micros(Ttl { seconds, nanos }: Ttl) -> i64 {
    seconds.saturating_mul(1_000_000).saturating_add((i64::from(nanos) + 999) / 1_000)
}

impl Model {
    pub(super) fn expect_put(&self, put: &PutRequest) -> Expectation {
        let place = (put.namespace.clone(), put.id.clone());
        let refused = refuse::put(put, self.claims);
        if let Some(early) = refused.or_else(|| self.preconditions_fail(&place, &put.preconditions)) {
            return early;
        }
        let mut expectation = Expectation::of(Expected::Done);
        if !put.preconditions.is_empty() {
            expectation = expectation.with(Event::Held);
        }
        let mut written = Vec::new();
        for (at, item) in put.items.iter().enumerate() {
            let known = self.known(&place, &item.key);
            let ttl = put.ttl.map(ttl_micros);
            let (result, after) = self.put_item(&known, item, put.item_priority_token, ttl);
            self.note_put(&mut expectation.events, &known, &result);
            if let Some(known) = after {
                let (place, key) = (place.clone(), item.key.clone());
                expectation.changes.push(Change { place, key, known, result: Some(at) });
            }
            written.push(result);
        }
        expectation.answer = Expected::Results(written);
        expectation
    }

    fn put_item(
        &self,
        known: &Known,
        item: &ItemInput,
        token: i64,
        ttl: Option<i64>,
    ) -> (Written, Option<Known>) {
        let now = self.clock.now();
        let (live, seen, key) = (known.live(now), known.remembered(now), item.key.clone());
        // TOK-1: with a token the write applies only above the highest seen; TOK-2: without one it always does.
        if token > 0 && token <= seen {
            let rules: &[_] = if live.is_some() { &["TOK-1", "TOK-3"] } else { &["TOK-4", "TOK-3"] };
            return (Written { key, applied: false, version: known.current(now), rules }, None);
        }
        let rules: &[_] = match (token, live) {
            (0, _) => &["TOK-2", "PUT-1"],
            (_, Some(_)) => &["TOK-1"],
            (_, None) => &["TOK-1", "TOK-4"],
        };
        // PUT-5: created_at survives an overwrite and is new after a delete or an expiry.
        let created = live.map_or(now, |item| item.created);
        let written = Life {
            value: item.value.clone(),
            content_type: item.content_type.clone(),
            compression: item.compression,
            version: 0,
            created,
            updated: now.max(created),
            ttl,
        };
        let after =
            Known { item: Some(written), highest: token.max(seen), deleted: None, newest: known.newest };
        (Written { key, applied: true, version: known.newest, rules }, Some(after))
    }

    fn note_put(&self, events: &mut Vec<Event>, known: &Known, result: &Written) {
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
        let place = (delete.namespace.clone(), delete.id.clone());
        let refused = refuse::delete(delete, self.claims);
        if let Some(early) = refused.or_else(|| self.preconditions_fail(&place, &delete.preconditions)) {
            return early;
        }
        let mut expectation = Expectation::of(Expected::Done);
        if !delete.preconditions.is_empty() {
            expectation = expectation.with(Event::Held);
        }
        let mut deleted = 0;
        for key in self.keys_to_delete(&place, delete.predicate.as_ref()) {
            let known = self.known(&place, &key);
            let named = matches!(delete.predicate, Some(KeyPredicate::MatchKeys(_)));
            self.note_delete(&mut expectation.events, &known, delete.item_priority_token);
            let Some(after) = self.delete_key(&known, delete.item_priority_token, named) else { continue };
            // DEL-2: only live items count.
            if known.live(self.clock.now()).is_some() {
                deleted += 1;
                expectation.events.push(Event::Deleted);
            }
            expectation.changes.push(Change { place: place.clone(), key, known: after, result: None });
        }
        expectation.answer = Expected::Deleted(deleted);
        expectation
    }

    /// Those that the predicate names, and those that the record may hold and the predicate chooses (DEL-3).
    fn keys_to_delete(&self, place: &Place, predicate: Option<&KeyPredicate>) -> BTreeSet<Bytes> {
        let mut keys = BTreeSet::new();
        if let Some(KeyPredicate::MatchKeys(named)) = predicate {
            keys.extend(named.iter().cloned());
        }
        let held = self.records.get(place).into_iter().flat_map(|record| record.keys());
        keys.extend(held.filter(|key| chooses(predicate, key)).cloned());
        keys
    }

    /// What is known of a key after a Delete that chose it; `None`: it is left alone (TOK-4).
    fn delete_key(&self, known: &Known, token: i64, named: bool) -> Option<Known> {
        let now = self.clock.now();
        let seen = known.remembered(now);
        if token > 0 && token <= seen {
            return None;
        }
        let lives = known.live(now).is_some();
        // A tombstone where nothing lives: only with a token, and only where match_keys named the key.
        let leaves_a_tombstone = named && token > 0;
        if !lives && !leaves_a_tombstone {
            return None;
        }
        Some(Known { item: None, highest: token.max(seen), deleted: Some(now), newest: known.newest })
    }

    fn note_delete(&self, events: &mut Vec<Event>, known: &Known, token: i64) {
        let now = self.clock.now();
        if known.is_expired(now) {
            events.push(Event::Expired);
        }
        if token > 0 && token <= known.remembered(now) {
            events.push(if known.live(now).is_some() { Event::Superseded } else { Event::Tombstone });
        }
    }

    /// COND-1: all hold, or every one that fails is named with its current version; COND-5: for a Delete alike.
    fn preconditions_fail(&self, place: &Place, said: &[PreconditionInput]) -> Option<Expectation> {
        let now = self.clock.now();
        let currents = said.iter().map(|said| (said, self.known(place, &said.key)));
        let mut events = vec![Event::Failed];
        let mut failing = Vec::new();
        for (said, known) in currents {
            if known.is_expired(now) {
                events.push(Event::Expired);
            }
            if known.current(now) != said.version {
                failing.push((said.key.clone(), known.current(now)));
            }
        }
        (!failing.is_empty()).then(|| Expectation {
            answer: Expected::PreconditionsFail(failing),
            changes: Vec::new(),
            events,
        })
    }
}
