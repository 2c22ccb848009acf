//! Request validation: refusals that do not depend on the content of the store.

use std::collections::BTreeSet;

use bytes::Bytes;
use prism_contract::keyvalue::request::{
    DeleteRequest, DescribeRequest, GetRequest, ItemInput, KeyPredicate, PreconditionInput, PutRequest,
    ScanRequest, Ttl,
};
use prism_contract::keyvalue::{Capabilities, Capability};

use super::expected::{Expectation, Reason};
use crate::core::StatusCode::{InvalidArgument, Unimplemented};

/// Section of the contract for limits without a rule id.
const LIMITS: &str = "Limits";

/// Seconds from the year 1 to the year 9999: a longer ttl ends after 9999 at any current time (TTL-3).
const ALL_TIME: i64 = 315_537_897_600;

#[derive(Default)]
struct Refusals(Vec<Reason>);

impl Refusals {
    fn require(&mut self, holds: bool, rule: &'static str, text: &str) {
        if !holds {
            self.0.push(Reason { rule, text: text.to_owned() });
        }
    }

    fn namespace(&mut self, name: &str) {
        let first = name.bytes().next();
        let starts = first.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        self.require(starts && name.len() <= 128 && name.bytes().all(allowed), LIMITS, "the namespace");
    }

    fn id(&mut self, id: &str) {
        let holds = (1..=512).contains(&id.len()) && !id.contains('\0');
        self.require(holds, LIMITS, "the id: 1 to 512 bytes without NUL");
    }

    fn key(&mut self, key: &Bytes) {
        self.require((1..=1024).contains(&key.len()), LIMITS, "a key: 1 to 1,024 bytes");
    }

    fn unique<'a>(&mut self, mut keys: impl Iterator<Item = &'a Bytes>, rule: &'static str) {
        let mut seen = BTreeSet::new();
        self.require(keys.all(|key| seen.insert(key)), rule, "a key named twice");
    }

    fn items(&mut self, items: &[ItemInput]) {
        self.require((1..=1000).contains(&items.len()), LIMITS, "1 to 1,000 items");
        let bytes: usize = items.iter().map(|item| item.key.len() + item.value.len()).sum();
        self.require(bytes <= 4 << 20, LIMITS, "4 MiB of items");
        for item in items {
            self.key(&item.key);
            self.require(item.value.len() <= 1 << 20, LIMITS, "a value: at most 1 MiB");
            self.require(item.content_type.len() <= 127, LIMITS, "a content_type: at most 127 bytes");
        }
        self.unique(items.iter().map(|item| &item.key), "PUT-4");
    }

    fn preconditions(&mut self, inputs: &[PreconditionInput]) {
        self.require(inputs.len() <= 100, LIMITS, "at most 100 preconditions");
        for input in inputs {
            self.key(&input.key);
        }
        self.require(inputs.iter().all(|input| input.version >= 0), "COND-2", "a negative version");
        self.unique(inputs.iter().map(|input| &input.key), "COND-4");
    }

    fn token(&mut self, token: i64) {
        self.require(token >= 0, "TOK-6", "a negative token");
    }

    fn ttl(&mut self, ttl: Option<Ttl>) {
        let Some(Ttl { seconds, nanos }) = ttl else { return };
        let duration = nanos.unsigned_abs() < 1_000_000_000 && i64::from(nanos.signum()) * seconds >= 0;
        let positive = duration && (seconds > 0 || (seconds == 0 && nanos > 0));
        self.require(positive, "TTL-3", "a ttl of 0 or less");
        self.require(seconds <= ALL_TIME, "TTL-3", "a ttl that ends after the year 9999");
    }

    fn predicate(&mut self, predicate: Option<&KeyPredicate>) {
        match predicate {
            None | Some(KeyPredicate::MatchAll) => {}
            Some(KeyPredicate::Unset) => self.require(false, "DEL-4", "a predicate without a kind"),
            Some(KeyPredicate::MatchKeys(keys)) => {
                self.require((1..=1000).contains(&keys.len()), LIMITS, "1 to 1,000 keys");
                for key in keys {
                    self.key(key);
                }
            }
            Some(KeyPredicate::MatchRange { start, end }) => {
                self.require(
                    start.len() <= 1025 && end.len() <= 1025,
                    LIMITS,
                    "a bound of at most 1,025 bytes",
                );
                let open = start.is_empty() || end.is_empty();
                self.require(open || start < end, "PRED-2", "a range that ends before it starts");
            }
            Some(KeyPredicate::MatchPrefix(prefix)) => {
                self.require(prefix.len() <= 1024, LIMITS, "a prefix of at most 1,024 bytes");
            }
        }
    }

    /// Validity is checked first, capabilities second (ERR-1, CAP-1).
    fn then(self, capabilities: Capabilities, used: &[(Capability, bool)]) -> Option<Expectation> {
        if !self.0.is_empty() {
            return Some(Expectation::refused(InvalidArgument, self.0));
        }
        let undeclared =
            used.iter().find(|(capability, is_used)| *is_used && !capabilities.contains(*capability));
        undeclared.map(|(capability, _)| {
            let reason = Reason { rule: "CAP-1", text: format!("{capability} is not declared") };
            Expectation::refused(Unimplemented, vec![reason])
        })
    }
}

pub(super) fn put(put: &PutRequest, capabilities: Capabilities) -> Option<Expectation> {
    let mut refusals = Refusals::default();
    refusals.namespace(&put.namespace);
    refusals.id(&put.id);
    refusals.items(&put.items);
    refusals.token(put.item_priority_token);
    refusals.ttl(put.ttl);
    refusals.preconditions(&put.preconditions);
    let used = [
        (Capability::ConditionalWrites, !put.preconditions.is_empty()),
        (Capability::PriorityTokens, put.item_priority_token > 0),
        (Capability::Expiry, put.ttl.is_some()),
    ];
    refusals.then(capabilities, &used)
}

pub(super) fn delete(delete: &DeleteRequest, capabilities: Capabilities) -> Option<Expectation> {
    let mut refusals = Refusals::default();
    refusals.namespace(&delete.namespace);
    refusals.id(&delete.id);
    refusals.require(delete.predicate.is_some(), "DEL-4", "a Delete without a predicate");
    refusals.predicate(delete.predicate.as_ref());
    refusals.token(delete.item_priority_token);
    refusals.preconditions(&delete.preconditions);
    let used = [
        (Capability::ConditionalWrites, !delete.preconditions.is_empty()),
        (Capability::PriorityTokens, delete.item_priority_token > 0),
    ];
    refusals.then(capabilities, &used)
}

/// `token_matches`: the page token, if any, was issued for this request.
pub(super) fn get(get: &GetRequest, token_matches: bool, capabilities: Capabilities) -> Option<Expectation> {
    let mut refusals = Refusals::default();
    refusals.namespace(&get.namespace);
    refusals.id(&get.id);
    refusals.predicate(get.predicate.as_ref());
    refusals.require(token_matches, "PAGE-4", "a token that was not issued for this request");
    refusals.then(capabilities, &[(Capability::Reverse, get.selection.reverse)])
}

/// As [`get`].
pub(super) fn scan(
    scan: &ScanRequest,
    token_matches: bool,
    capabilities: Capabilities,
) -> Option<Expectation> {
    let mut refusals = Refusals::default();
    refusals.namespace(&scan.namespace);
    if !scan.id.is_empty() {
        refusals.id(&scan.id);
    }
    refusals.predicate(scan.predicate.as_ref());
    refusals.require(token_matches, "PAGE-4", "a token that was not issued for this request");
    let used =
        [(Capability::Reverse, scan.selection.reverse), (Capability::NamespaceScan, scan.id.is_empty())];
    refusals.then(capabilities, &used)
}

pub(super) fn describe(describe: &DescribeRequest) -> Option<Expectation> {
    let mut refusals = Refusals::default();
    refusals.namespace(&describe.namespace);
    refusals.then(Capabilities::ALL, &[])
}
