//! Brute-force linearizability check of a small history: every order is tried against a separate specification.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use prism_conformance::StatusCode;
use prism_conformance::keyvalue::history::{History, Operation};
use prism_conformance::keyvalue::{Outcome, Request, Response};
use prism_contract::keyvalue::request::{KeyPredicate, PreconditionInput};

/// Live items: value and version.
type Items = BTreeMap<Bytes, (Bytes, i64)>;

#[derive(Clone, Default)]
struct Record {
    items: Items,
    tokens: BTreeMap<Bytes, i64>,
    highest: BTreeMap<Bytes, i64>,
}

/// Whether some order explains `history`, which is that of a single record.
pub(crate) fn is_linearizable(history: &History) -> bool {
    let answered = history.operations.iter().filter_map(|op| op.outcome.as_ref()).flat_map(versions);
    let named = history.operations.iter().flat_map(|op| match &op.request {
        Request::Put(put) => put.preconditions.iter().map(|condition| condition.version).collect(),
        Request::Delete(delete) => delete.preconditions.iter().map(|condition| condition.version).collect(),
        _ => Vec::new(),
    });
    let seen: BTreeSet<i64> = answered.chain(named).collect();
    linearize(&history.operations, &mut vec![false; history.operations.len()], &Record::default(), &seen)
}

fn versions(outcome: &Outcome) -> Vec<i64> {
    match outcome {
        Outcome::Answered(Response::Put(answer)) => {
            answer.results.iter().map(|result| result.version).collect()
        }
        Outcome::Answered(Response::Get(answer)) => answer.items.iter().map(|item| item.version).collect(),
        Outcome::Failed(failure) => failure.failed_preconditions.iter().map(|f| f.current_version).collect(),
        _ => Vec::new(),
    }
}

fn linearize(
    operations: &[Operation],
    placed: &mut Vec<bool>,
    record: &Record,
    seen: &BTreeSet<i64>,
) -> bool {
    if operations.iter().zip(&*placed).all(|(op, placed)| *placed || op.outcome.is_none()) {
        return true;
    }
    for at in 0..operations.len() {
        let too_early = (0..operations.len()).any(|other| {
            !placed[other] && operations[other].returned.is_some_and(|end| end < operations[at].called)
        });
        if placed[at] || too_early {
            continue;
        }
        placed[at] = true;
        if steps(&operations[at], record, seen).iter().any(|next| linearize(operations, placed, next, seen)) {
            return true;
        }
        placed[at] = false;
    }
    false
}

/// All states that the operation, with its answer, can lead to.
fn steps(operation: &Operation, record: &Record, seen: &BTreeSet<i64>) -> Vec<Record> {
    match (&operation.request, &operation.outcome) {
        (Request::Get(get), Some(Outcome::Answered(Response::Get(answer)))) => {
            let live = record.items.iter().filter(|(key, _)| selects(get.predicate.as_ref(), key));
            let live: Vec<_> = live
                .map(|(key, (value, version))| {
                    (key.clone(), value.clone(), *version, record.tokens.get(key).copied().unwrap_or(0))
                })
                .collect();
            let read: Vec<_> = answer
                .items
                .iter()
                .map(|item| {
                    let key = item.key.clone().into_bytes();
                    (key, item.value.clone(), item.version, item.priority_token)
                })
                .collect();
            if live == read { vec![record.clone()] } else { Vec::new() }
        }
        (Request::Get(_), _) => vec![record.clone()],
        (Request::Put(put), outcome) => {
            match guarded(record, &put.preconditions, outcome.as_ref()) {
                Some(true) => {}
                Some(false) => return vec![record.clone()],
                None => return Vec::new(),
            }
            let mut next = vec![record.clone()];
            for (at, item) in put.items.iter().enumerate() {
                let token = put.item_priority_token;
                let result = match outcome {
                    Some(Outcome::Answered(Response::Put(answer))) => answer.results.get(at).copied(),
                    _ => None,
                };
                next = next
                    .into_iter()
                    .flat_map(|record| write(record, &item.key, &item.value, token, result, seen))
                    .collect();
            }
            next
        }
        (Request::Delete(delete), outcome) => {
            match guarded(record, &delete.preconditions, outcome.as_ref()) {
                Some(true) => {}
                Some(false) => return vec![record.clone()],
                None => return Vec::new(),
            }
            let mut next = record.clone();
            let token = delete.item_priority_token;
            let stale =
                |next: &Record, key: &Bytes| token > 0 && token <= next.tokens.get(key).copied().unwrap_or(0);
            let live: Vec<Bytes> =
                record.items.keys().filter(|key| selects(delete.predicate.as_ref(), key)).cloned().collect();
            let mut removed = 0;
            for key in live.into_iter().filter(|key| !stale(record, key)) {
                next.items.remove(&key);
                removed += 1;
                let token = token.max(next.tokens.get(&key).copied().unwrap_or(0));
                next.tokens.insert(key, token);
            }
            if let Some(KeyPredicate::MatchKeys(keys)) = &delete.predicate {
                for key in keys.iter().filter(|key| !stale(record, key)) {
                    let token = token.max(next.tokens.get(key).copied().unwrap_or(0));
                    next.tokens.insert(key.clone(), token);
                }
            }
            match outcome {
                Some(Outcome::Answered(Response::Delete(answer))) if answer.deleted_count != removed => {
                    Vec::new()
                }
                _ => vec![next],
            }
        }
        _ => unreachable!("these histories have no other operation"),
    }
}

/// Whether the preconditions hold; `None`: the answer contradicts them.
fn guarded(record: &Record, conditions: &[PreconditionInput], outcome: Option<&Outcome>) -> Option<bool> {
    let current = |key: &Bytes| record.items.get(key).map_or(0, |(_, version)| *version);
    let failing: Vec<_> = conditions
        .iter()
        .filter(|condition| current(&condition.key) != condition.version)
        .map(|condition| (condition.key.clone(), current(&condition.key)))
        .collect();
    match outcome {
        Some(Outcome::Failed(failure)) if failure.code == StatusCode::FailedPrecondition => {
            let named = failure.failed_preconditions.iter();
            let named: Vec<_> = named.map(|f| (f.key.clone(), f.current_version)).collect();
            (!failing.is_empty() && named == failing).then_some(false)
        }
        Some(_) => failing.is_empty().then_some(true),
        // An unanswered write was applied, or was refused without effect.
        None => Some(failing.is_empty()),
    }
}

fn write(
    mut record: Record,
    key: &Bytes,
    value: &Bytes,
    token: i64,
    result: Option<prism_contract::keyvalue::PutResult>,
    seen: &BTreeSet<i64>,
) -> Vec<Record> {
    let current = record.items.get(key).map_or(0, |(_, version)| *version);
    if token > 0 && token <= record.tokens.get(key).copied().unwrap_or(0) {
        let possible = result.is_none_or(|result| !result.applied && result.version == current);
        return if possible { vec![record] } else { Vec::new() };
    }
    let highest = record.highest.get(key).copied().unwrap_or(0);
    let tokens = record.tokens.get(key).copied().unwrap_or(0).max(token);
    record.tokens.insert(key.clone(), tokens);
    // An unknown version may be any version in an answer or a precondition, or else the lowest allowed one.
    let versions: Vec<i64> = match result {
        Some(result) if result.applied => vec![result.version],
        Some(_) => Vec::new(),
        None => seen.iter().copied().chain([highest + 1]).collect(),
    };
    let risen = versions.into_iter().filter(|version| *version > highest);
    risen
        .map(|version| {
            let mut record = record.clone();
            record.items.insert(key.clone(), (value.clone(), version));
            record.highest.insert(key.clone(), version);
            record
        })
        .collect()
}

fn selects(predicate: Option<&KeyPredicate>, key: &Bytes) -> bool {
    match predicate {
        None | Some(KeyPredicate::MatchAll) => true,
        Some(KeyPredicate::MatchKeys(keys)) => keys.contains(key),
        Some(KeyPredicate::MatchRange { start, end }) => key >= start && (end.is_empty() || key < end),
        Some(KeyPredicate::MatchPrefix(prefix)) => key.starts_with(prefix),
        Some(KeyPredicate::Unset) => false,
    }
}
