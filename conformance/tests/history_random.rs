//! The linearizability checker agrees with brute force, on thousands of small correct and corrupted histories.

mod racing {
    pub(crate) mod brute;
    pub(crate) mod build;
}

use std::sync::Arc;

use bytes::Bytes;
use prism_conformance::ManualClock;
use prism_conformance::keyvalue::history::{History, HistoryVerdict};
use prism_conformance::keyvalue::{EdgeStore, Outcome, Request, Response, Store};
use prism_conformance::linearizability::Limits;
use prism_contract::keyvalue::Memory;
use prism_contract::keyvalue::request::{DeleteRequest, KeyPredicate, PutRequest};
use proptest::prelude::*;
use racing::build::{conditions, delete, deleted, done, get, put, written};

const KEYS: [&str; 2] = ["a", "b"];

/// One operation of a random history: client, kind, and time before and after its linearization point.
#[derive(Debug, Clone)]
struct Move {
    client: usize,
    kind: usize,
    key: usize,
    version: usize,
    token: i64,
    spans: (u64, u64, u64),
    answered: bool,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one =
        (0..3_usize, 0..8_usize, 0..3_usize, 0..4_usize, 0..4_i64, (0..4_u64, 0..6_u64, 0..6_u64), 0..5_u8);
    let one = one.prop_map(|(client, kind, key, version, token, spans, lost)| Move {
        client,
        kind,
        key,
        version,
        token: token.max(1) - 1,
        spans,
        answered: lost != 0,
    });
    proptest::collection::vec(one, 1..7)
}

/// History of the moves on a correct store, each with a distinct linearization point between its call and its answer.
async fn play(moves: &[Move]) -> History {
    let mut planned = Vec::new();
    let mut free = [0; 3];
    for (number, one) in moves.iter().enumerate() {
        let called = free[one.client] + one.spans.0;
        let (moment, returned) = (called + one.spans.1, called + one.spans.1 + one.spans.2);
        free[one.client] = returned + 1;
        planned.push((moment, number, called, returned));
    }
    planned.sort_unstable();
    let store = EdgeStore::new(Arc::new(Memory::default()), Arc::new(ManualClock::default()));
    let mut history = History::default();
    let mut version = 0;
    for (_, number, called, returned) in planned {
        let one = &moves[number];
        let request = request(one, number, version);
        let outcome = match request.clone() {
            Request::Put(put) => store.put(put).await.map(Response::Put),
            Request::Get(get) => store.get(get).await.map(Response::Get),
            Request::Delete(delete) => store.delete(delete).await.map(Response::Delete),
            other => unreachable!("{other:?}"),
        };
        let outcome: Outcome = outcome.into();
        if let Outcome::Answered(Response::Put(answer)) = &outcome {
            version = answer.results[0].version;
        }
        let client = one.client;
        let mut operation = done(client, (called, returned), request, outcome);
        if !one.answered {
            (operation.returned, operation.outcome) = (None, None);
        }
        history.operations.push(operation);
    }
    history.operations.sort_by_key(|operation| operation.called);
    history
}

fn request(one: &Move, number: usize, version: i64) -> Request {
    let value = number.to_string();
    let key = KEYS[one.key % 2];
    let named = || KeyPredicate::MatchKeys(vec![Bytes::from_static(key.as_bytes())]);
    let predicate = if one.key == 2 { KeyPredicate::MatchAll } else { named() };
    let guards = match one.version {
        0 => Vec::new(),
        1 => conditions(&[(KEYS[0], 0)]),
        2 => conditions(&[(key, version)]),
        _ => conditions(&[(KEYS[0], version), (KEYS[1], 0)]),
    };
    match one.kind {
        0 | 1 => Request::Put(put([(key, &value)])),
        2 => {
            Request::Put(PutRequest { item_priority_token: one.token, ..put([("a", &value), ("b", &value)]) })
        }
        3 => Request::Put(PutRequest { preconditions: guards, ..put([(key, &value)]) }),
        4 => Request::Delete(DeleteRequest { item_priority_token: one.token, ..delete(predicate) }),
        5 => Request::Delete(DeleteRequest { preconditions: guards, ..delete(predicate) }),
        _ => get(predicate),
    }
}

/// Corrupts one answer, or replaces it by another one's.
fn corrupt(history: &mut History, at: usize, how: usize) {
    let others: Vec<_> =
        history.operations.iter().filter_map(|operation| operation.outcome.clone()).collect();
    let (size, number) = (history.operations.len(), i64::try_from(how).unwrap());
    let operation = &mut history.operations[at % size];
    match &mut operation.outcome {
        Some(Outcome::Answered(Response::Put(answer))) if how.is_multiple_of(3) => {
            answer.results[0].version += number - 3;
        }
        Some(Outcome::Answered(Response::Put(answer))) => {
            answer.results[0].applied = !answer.results[0].applied;
        }
        Some(Outcome::Answered(Response::Delete(answer))) => {
            answer.deleted_count = (answer.deleted_count + 1) % 3;
        }
        Some(Outcome::Answered(Response::Get(answer)))
            if how.is_multiple_of(3) && !answer.items.is_empty() =>
        {
            answer.items.pop();
        }
        Some(Outcome::Answered(Response::Get(answer))) => {
            let read = others.iter().filter_map(|other| match other {
                Outcome::Answered(Response::Get(read)) => Some(read.clone()),
                _ => None,
            });
            let reads: Vec<_> = read.collect();
            *answer = reads[how % reads.len()].clone();
        }
        Some(Outcome::Failed(failure)) if how.is_multiple_of(3) => {
            failure.failed_preconditions[0].current_version += 1;
        }
        Some(outcome @ Outcome::Failed(_)) => {
            *outcome = match &operation.request {
                Request::Put(put) if put.items.len() == 2 => written([number, number]),
                Request::Delete(_) => deleted(number.unsigned_abs() % 2),
                _ => written([number]),
            }
        }
        Some(Outcome::Answered(Response::Scan(_) | Response::Describe(_)) | Outcome::Done) | None => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_checker_agrees_with_brute_force(
        moves in moves(),
        corruptions in proptest::collection::vec((0..8_usize, 0..7_usize), 0..3)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut history = runtime.block_on(play(&moves));
        for (at, how) in &corruptions {
            corrupt(&mut history, *at, *how);
        }
        let verdict = history.check(Limits::default());
        let linearizable = racing::brute::is_linearizable(&history);
        prop_assert_eq!(verdict == HistoryVerdict::Linearizable, linearizable, "{:?}", verdict);
        prop_assert!(linearizable || matches!(verdict, HistoryVerdict::Violation(_)), "{:?}", verdict);
        prop_assert!(linearizable || !corruptions.is_empty(), "a correct store was reported as a violation");
        if let HistoryVerdict::Violation(violation) = verdict {
            // The shortest violating prefix: without the culprit's answer, an order exists.
            prop_assert!(!racing::brute::is_linearizable(&violation.history));
            let mut before = violation.history.clone();
            let culprit = &mut before.operations[violation.culprit];
            (culprit.returned, culprit.outcome) = (None, None);
            prop_assert!(racing::brute::is_linearizable(&before));
        }
    }
}

#[test]
fn about_half_of_the_corrupted_histories_are_not_linearizable() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut runner = TestRunner::deterministic();
    let strategy = (moves(), 0..8_usize, 0..7_usize);
    let mut violations = 0;
    for _ in 0..1_000 {
        let (moves, at, how) = strategy.new_tree(&mut runner).unwrap().current();
        let mut history = runtime.block_on(play(&moves));
        corrupt(&mut history, at, how);
        violations += usize::from(history.check(Limits::default()) != HistoryVerdict::Linearizable);
    }
    assert!((200..900).contains(&violations), "{violations} of 1,000");
}
