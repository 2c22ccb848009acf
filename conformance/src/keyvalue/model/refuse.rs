//! Requests that the contract refuses, whatever the store holds.

use std::collections::BTreeSet;

use bytes::Bytes;
use prism_contract::keyvalue::request::{
    DeleteRequest, DescribeRequest, GetRequest, ItemInput, KeyPredicate, PreconditionInput, PutRequest,
    ScanRequest, Ttl,
};
use prism_contract::keyvalue::{Capabilities, Capability};

use super::expected::{Expectation, Why};
use crate::core::StatusCode::{InvalidArgument, Unimplemented};

/// Where the contract states a limit without a number of its own.
const LIMITS: &str = "Limits";

/// Seconds from the year 1 to the year 9999: a longer ttl ends after it whatever the time (TTL-3).
const ALL_TIME: i64 = 315_537_897_600;

#[derive(Default)]
struct Refusals(Vec<Why>);

impl Refusals {
    fn unless(&mut self, holds: bool, rule: &'static str, says: &str) {
        if !holds {
            self.0.push(Why { rule, says: says.to_owned() });
        }
    }

    fn namespace(&mut self, name: &str) {
        let first = name.bytes().next();
        let starts = first.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        self.unless(starts && name.len() <= 128 && name.bytes().all(allowed), LIMITS, "the namespace");
    }

    fn id(&mut self, id: &str) {
        let holds = (1..=512).contains(&id.len()) && !id.contains('\0');
        self.unless(holds, LIMITS, "the id: 1 to 512 bytes without NUL");
    }

    fn key(&mut self, key: &Bytes) {
        self.unless((1..=1024).contains(&key.len()), LIMITS, "a key: 1 to 1,024 bytes");
    }

    fn once<'a>(&mut self, mut keys: impl Iterator<Item = &'a Bytes>, rule: &'static str) {
        let mut seen = BTreeSet::new();
        self.unless(keys.all(|key| seen.insert(key)), rule, "a key named twice");
    }

    fn items(&mut self, items: &[ItemInput]) {
        self.unless((1..=1000).contains(&items.len()), LIMITS, "1 to 1,000 items");
        let bytes: usize = items.iter().map(|item| item.key.len() + item.value.len()).sum();
        self.unless(bytes <= 4 << 20, LIMITS, "4 MiB of items");
        for item in items {
            self.key(&item.key);
            self.unless(item.value.len() <= 1 << 20, LIMITS, "a value: at most 1 MiB");
            self.unless(item.content_type.len() <= 127, LIMITS, "a content_type: at most 127 bytes");
        }
        self.once(items.iter().map(|item| &item.key), "PUT-4");
    }

    fn preconditions(&mut self, said: &[PreconditionInput]) {
        self.unless(said.len() <= 100, LIMITS, "at most 100 preconditions");
        for said in said {
            self.key(&said.key);
        }
        self.unless(said.iter().all(|said| said.version >= 0), "COND-2", "a negative version");
        self.once(said.iter().map(|said| &said.key), "COND-4");
    }

    fn token(&mut self, token: i64) {
        self.unless(token >= 0, "TOK-6", "a negative token");
    }

    fn ttl(&mut self, ttl: Option<Ttl>) {
        let Some(Ttl { seconds, nanos }) = ttl else { return };
        let duration = nanos.unsigned_abs() < 1_000_000_000 && i64::from(nanos.signum()) * seconds >= 0;
        let positive = duration && (seconds > 0 || (seconds == 0 && nanos > 0));
        self.unless(positive, "TTL-3", "a ttl of 0 or less");
        self.unless(seconds <= ALL_TIME, "TTL-3", "a ttl that ends after the year 9999");
    }

    fn predicate(&mut self, said: Option<&KeyPredicate>) {
        match said {
            None | Some(KeyPredicate::MatchAll) => {}
            Some(KeyPredicate::Unset) => self.unless(false, "DEL-4", "a predicate without a kind"),
            Some(KeyPredicate::MatchKeys(keys)) => {
                self.unless((1..=1000).contains(&keys.len()), LIMITS, "1 to 1,000 keys");
                for key in keys {
                    self.key(key);
                }
            }
            Some(KeyPredicate::MatchRange { start, end }) => {
                self.unless(
                    start.len() <= 1025 && end.len() <= 1025,
                    LIMITS,
                    "a bound of at most 1,025 bytes",
                );
                let open = start.is_empty() || end.is_empty();
                self.unless(open || start < end, "PRED-2", "a range that ends before it starts");
            }
            Some(KeyPredicate::MatchPrefix(prefix)) => {
                self.unless(prefix.len() <= 1024, LIMITS, "a prefix of at most 1,024 bytes");
            }
        }
    }

    /// A request is checked for validity first, and for what is claimed after that (ERR-1, CAP-1).
    fn then(self, claims: Capabilities, asks: &[(Capability, bool)]) -> Option<Expectation> {
        if !self.0.is_empty() {
            return Some(Expectation::refused(InvalidArgument, self.0));
        }
        let unclaimed = asks.iter().find(|(asked, does)| *does && !claims.contains(*asked));
        unclaimed.map(|(asked, _)| {
            let why = Why { rule: "CAP-1", says: format!("{asked} is not claimed") };
            Expectation::refused(Unimplemented, vec![why])
        })
    }
}

pub(super) fn put(put: &PutRequest, claims: Capabilities) -> Option<Expectation> {
    let mut refusals = Refusals::default();
    refusals.namespace(&put.namespace);
    refusals.id(&put.id);
    refusals.items(&put.items);
    refusals.token(put.item_priority_token);
    refusals.ttl(put.ttl);
    refusals.preconditions(&put.preconditions);
    let asks = [
        (Capability::ConditionalWrites, !put.preconditions.is_empty()),
        (Capability::PriorityTokens, put.item_priority_token > 0),
        (Capability::Expiry, put.ttl.is_some()),
    ];
    refusals.then(claims, &asks)
}

pub(super) fn delete(delete: &DeleteRequest, claims: Capabilities) -> Option<Expectation> {
    let mut refusals = Refusals::default();
    refusals.namespace(&delete.namespace);
    refusals.id(&delete.id);
    refusals.unless(delete.predicate.is_some(), "DEL-4", "a Delete without a predicate");
    refusals.predicate(delete.predicate.as_ref());
    refusals.token(delete.item_priority_token);
    refusals.preconditions(&delete.preconditions);
    let asks = [
        (Capability::ConditionalWrites, !delete.preconditions.is_empty()),
        (Capability::PriorityTokens, delete.item_priority_token > 0),
    ];
    refusals.then(claims, &asks)
}

/// `of_this_request`: its page token, if it has one, was given for this request.
pub(super) fn get(get: &GetRequest, of_this_request: bool, claims: Capabilities) -> Option<Expectation> {
    let mut refusals = Refusals::default();
    refusals.namespace(&get.namespace);
    refusals.id(&get.id);
    refusals.predicate(get.predicate.as_ref());
    refusals.unless(of_this_request, "PAGE-4", "a token that was not given for this request");
    refusals.then(claims, &[(Capability::Reverse, get.selection.reverse)])
}

/// As [`get`].
pub(super) fn scan(scan: &ScanRequest, of_this_request: bool, claims: Capabilities) -> Option<Expectation> {
    let mut refusals = Refusals::default();
    refusals.namespace(&scan.namespace);
    if !scan.id.is_empty() {
        refusals.id(&scan.id);
    }
    refusals.predicate(scan.predicate.as_ref());
    refusals.unless(of_this_request, "PAGE-4", "a token that was not given for this request");
    let asks =
        [(Capability::Reverse, scan.selection.reverse), (Capability::NamespaceScan, scan.id.is_empty())];
    refusals.then(claims, &asks)
}

pub(super) fn describe(describe: &DescribeRequest) -> Option<Expectation> {
    let mut refusals = Refusals::default();
    refusals.namespace(&describe.namespace);
    refusals.then(Capabilities::ALL, &[])
}
