//! Racing conditional writes: exactly one wins, increments add up, and opposite lock orders do not deadlock.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use prism_contract::keyvalue::Capability;
use prism_contract::keyvalue::request::{KeyPredicate, PutRequest};

use crate::core::linearizability::{RoundBarrier, Rounds, answers, diverged, judge, linearizable, race};
use crate::core::{Divergence, Kind, Proof, StatusCode, Stop, case, failure_text, span};
use crate::keyvalue::history::{Client, History, Operation, Record, Recorder, keys};
use crate::keyvalue::{Action, Case, Ctx, Need, Outcome, Request, Response};

pub(super) const CASES: &[Case] = &[
    case!(
        "concurrency::one_conditional_put_wins",
        "Of N concurrent Puts from the same version exactly one wins.",
        ["COND-3", "COND-1"],
        |c| {
            contests(c, true, |record, key, version, client| {
                Request::Put(record.put_if(&[key], &format!("winner {client}"), &[(key, version)]))
            })
            .await
        }
    )
    .kind(Kind::History)
    .needs(CONDITIONAL),
    case!(
        "concurrency::one_put_if_absent_wins",
        "Of N concurrent Puts that demand absence exactly one wins.",
        ["COND-3", "COND-2"],
        |c| {
            contests(c, false, |record, key, version, client| {
                Request::Put(record.put_if(&[key], &format!("winner {client}"), &[(key, version)]))
            })
            .await
        }
    )
    .kind(Kind::History)
    .needs(CONDITIONAL),
    case!(
        "concurrency::one_of_put_and_delete_wins",
        "Of a Put and a Delete from the same version exactly one wins.",
        ["COND-3", "COND-5"],
        |c| {
            contests(c, true, |record, key, version, client| {
                let put = record.put_if(&[key], &format!("winner {client}"), &[(key, version)]);
                if client % 2 == 0 {
                    return Request::Put(put);
                }
                let mut delete = record.delete(keys(&[key]));
                delete.preconditions = put.preconditions;
                Request::Delete(delete)
            })
            .await
        }
    )
    .kind(Kind::History)
    .needs(CONDITIONAL),
    case!(
        "concurrency::increments_add_up",
        "N concurrent increments by compare-and-retry add up to N.",
        ["LIN-2"],
        |c| {
            let mut rounds = Rounds::new(c, FLOOR);
            while let Some(round) = rounds.next() {
                let record = Record { namespace: c.namespace(""), id: format!("r{round}") };
                let recorder = Arc::new(Recorder::default());
                let counted = record.clone();
                let counts = race(&recorder, &c.instance().gateways(), CLIENTS, move |client| {
                    increment(client, counted.clone())
                })
                .await;
                let mut reader = recorder.client(CLIENTS, c.store());
                let last = reader.send(record.read(false)).await;
                let history = recorder.history();
                answers(c, &history)?;
                let done: u64 = counts.iter().map(|count| count.done).sum();
                let unknown: u64 = counts.iter().map(|count| count.unknown).sum();
                let total = last.as_ref().map_or(0, total);
                let could_read = last.is_some_and(|outcome| outcome.items().is_some());
                if could_read && !(done..=done + unknown).contains(&total) {
                    let expected = format!(
                        "{done} increments add up to {done} ({unknown} more have an unknown outcome)"
                    );
                    return Err(diverged(
                        c,
                        &history,
                        history.operations.len() - 1,
                        expected,
                        total.to_string(),
                    ));
                }
                rounds.met(counts.iter().map(|count| count.lost_races).sum());
            }
            rounds.conclude("increments had to be retried")
        }
    )
    .kind(Kind::History)
    .needs(CONDITIONAL),
    case!(
        "concurrency::opposite_orders_do_not_deadlock",
        "Puts and Deletes that name the keys of a record in opposite orders all come to an end.",
        ["LIN-5"],
        |c| {
            let conditions = c.describe().await?.capabilities.contains(Capability::ConditionalWrites);
            let mut rounds = Rounds::new(c, FLOOR);
            while let Some(round) = rounds.next() {
                let record = Record { namespace: c.namespace(""), id: format!("r{round}") };
                let recorder = Arc::new(Recorder::default());
                race(&recorder, &c.instance().gateways(), CLIENTS, move |client| {
                    write_in_opposite_orders(client, record.clone(), conditions)
                })
                .await;
                let history = recorder.history();
                for (at, operation) in history.operations.iter().enumerate() {
                    let Some(Outcome::Failed(failure)) = &operation.outcome else { continue };
                    // A database that resolves a deadlock by failing one of the two had a deadlock.
                    let allowed = [StatusCode::FailedPrecondition, StatusCode::ResourceExhausted];
                    if !allowed.contains(&failure.code) {
                        let actual = failure_text(failure);
                        return Err(diverged(c, &history, at, "OK or FAILED_PRECONDITION", actual));
                    }
                }
                judge(c, &history)?;
                rounds.met(history.overlap());
            }
            rounds.conclude("operations overlapped another client's")
        }
    )
    .kind(Kind::History),
    case!(
        "concurrency::a_stalled_client_holds_no_one_up",
        "Clients that stall in the middle of a write do not keep writes to other records waiting.",
        ["LIN-5"],
        |c| {
            let record = |id: String| Record { namespace: c.namespace(""), id };
            let stores = c.instance().gateways();
            let puts: Vec<PutRequest> =
                (0..2).map(|number| record(format!("stalled{number}")).put(&EIGHT, "late")).collect();
            let mut stalled: Vec<_> =
                puts.iter().zip(stores.iter().cycle()).map(|(put, store)| store.put(put.clone())).collect();
            // Each write starts, and then its client stalls: the future is not polled again.
            let started: Vec<_> = stalled.iter_mut().map(FutureExt::now_or_never).collect();
            let others = (0..8).map(|number| c.put_one("k", "prompt").on(format!("prompt{number}")).ok());
            let answers = tokio::time::timeout(BOUND, join_all(others)).await;
            let Ok(answers) = answers else {
                let expected =
                    format!("writes to other records within {} while two clients stall", span(BOUND));
                return Err(Stop::Diverged(Divergence {
                    step: None,
                    expected,
                    actual: "no answer".to_owned(),
                }));
            };
            for answer in answers {
                answer?;
            }
            for ((put, started), request) in stalled.into_iter().zip(started).zip(puts) {
                let outcome = match started {
                    Some(answer) => answer,
                    None => put.await,
                };
                let id = request.id.clone();
                let step =
                    c.record(Action::Call(Request::Put(request)), outcome.clone().map(Response::Put).into());
                if let Err(failure) = outcome {
                    let actual = failure_text(&failure);
                    return Err(Stop::Diverged(Divergence {
                        step: Some(step),
                        expected: "OK".to_owned(),
                        actual,
                    }));
                }
                c.get()
                    .on(id)
                    .choose(KeyPredicate::MatchAll)
                    .ok()
                    .await?
                    .holds(&EIGHT.map(|key| (key, "late")))?;
            }
            Ok(())
        }
    )
    .kind(Kind::History),
];

const CONDITIONAL: &[Need] = &[Need::Declares(Capability::ConditionalWrites)];

const CLIENTS: usize = 4;

/// Contests per record, entered by the clients one after the other.
const CONTESTS: usize = 12;

/// Minimum operations that overlap another client's.
const FLOOR: usize = 8;

/// Every client enters every contest of a record: a contest is one key, written conditionally on the same version by all.
async fn contests(c: &Ctx, prepared: bool, entry: fn(&Record, &str, i64, usize) -> Request) -> Proof {
    let mut rounds = Rounds::new(c, FLOOR);
    while let Some(round) = rounds.next() {
        let record = Record { namespace: c.namespace(""), id: format!("r{round}") };
        let (recorder, barrier) = (Arc::new(Recorder::default()), Arc::new(RoundBarrier::new(CLIENTS)));
        let versions = if prepared { prepare(c, &recorder, &record).await } else { vec![0; CONTESTS] };
        race(&recorder, &c.instance().gateways(), CLIENTS, move |mut client| {
            let (record, barrier, versions) = (record.clone(), Arc::clone(&barrier), versions.clone());
            async move {
                for (contest, version) in versions.into_iter().enumerate() {
                    barrier.wait(contest);
                    let request = entry(&record, &key(contest), version, client.number());
                    if client.send(request).await.is_none() {
                        return;
                    }
                }
            }
        })
        .await;
        let history = recorder.history();
        answers(c, &history)?;
        for contest in 0..CONTESTS {
            one_winner(c, &history, &key(contest))?;
        }
        linearizable(c, &history)?;
        rounds.met(history.overlap());
    }
    rounds.conclude("conditional writes overlapped another client's")
}

fn key(contest: usize) -> String {
    format!("k{contest:02}")
}

/// Writes the key of each contest and returns its version; 0, with which every contender fails, if the write failed.
async fn prepare(c: &Ctx, recorder: &Arc<Recorder>, record: &Record) -> Vec<i64> {
    let mut client = recorder.client(CLIENTS, c.store());
    let mut versions = Vec::new();
    for contest in 0..CONTESTS {
        let outcome = client.send(Request::Put(record.put(&[&key(contest)], "start"))).await;
        versions.push(outcome.and_then(|outcome| outcome.versions().first().copied()).unwrap_or(0));
    }
    versions
}

fn one_winner(c: &Ctx, history: &History, key: &str) -> Proof {
    let contenders = history.operations.iter().enumerate().filter(|(_, operation)| contends(operation, key));
    let (mut winners, mut last, mut undecided) = (0, None, false);
    for (at, operation) in contenders {
        let outcome = operation.outcome.as_ref();
        winners += usize::from(outcome.is_some_and(|outcome| !matches!(outcome, Outcome::Failed(_))));
        undecided |= outcome.is_none_or(|outcome| !decided(outcome));
        last = last.max(operation.returned.map(|returned| (returned, at)));
    }
    match (winners, last) {
        (1, _) | (_, None) => Ok(()),
        (0, Some(_)) if undecided => Ok(()),
        (_, Some((_, at))) => {
            let actual = format!(
                "{winners} of {CLIENTS} writes of \"{key}\" conditional on the same version were applied"
            );
            Err(diverged(c, history, at, "exactly one winner", actual))
        }
    }
}

fn contends(operation: &Operation, key: &str) -> bool {
    let conditions = match &operation.request {
        Request::Put(put) => &put.preconditions,
        Request::Delete(delete) => &delete.preconditions,
        Request::Get(_) | Request::Scan(..) | Request::Describe(_) => return false,
    };
    conditions.iter().any(|condition| condition.key == key.as_bytes())
}

/// Whether a write applied or failed its precondition; shed load may leave a contest without a winner.
fn decided(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Failed(_)) || outcome.is(StatusCode::FailedPrecondition)
}

/// Outcomes of one client's increments.
#[derive(Default)]
struct Count {
    done: u64,
    unknown: u64,
    lost_races: usize,
}

fn total(outcome: &Outcome) -> u64 {
    let items = outcome.items().unwrap_or_default();
    items.first().and_then(|item| std::str::from_utf8(&item.value).ok()?.parse().ok()).unwrap_or(0)
}

/// Ten increments; each reads, writes on the version it read, and retries if another write came first.
async fn increment(mut client: Client, record: Record) -> Count {
    let mut count = Count::default();
    while count.done < 10 {
        let Some(read) = client.send(record.read(false)).await else { break };
        let Some(items) = read.items() else { break };
        let version = items.first().map_or(0, |item| item.version);
        let next = (total(&read) + 1).to_string();
        let put = record.put_if(&["n"], &next, &[("n", version)]);
        // Gives another client the chance to write first.
        std::thread::yield_now();
        match client.send(Request::Put(put)).await {
            Some(Outcome::Answered(Response::Put(_))) => count.done += 1,
            Some(outcome) if outcome.is(StatusCode::FailedPrecondition) => count.lost_races += 1,
            Some(_) | None => {
                count.unknown += 1;
                break;
            }
        }
    }
    count
}

const EIGHT: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

async fn write_in_opposite_orders(mut client: Client, record: Record, conditions: bool) {
    let mut order = EIGHT;
    if client.number() % 2 == 1 {
        order.reverse();
    }
    for number in 0..10 {
        let value = format!("{}.{number}", client.number());
        let request = match number % 5 {
            1 if conditions => {
                let absent = order.map(|key| (key, 0));
                Request::Put(record.put_if(&order, &value, &absent))
            }
            3 => Request::Delete(record.delete(keys(&order))),
            _ => Request::Put(record.put(&order, &value)),
        };
        if client.send(request).await.is_none() {
            return;
        }
    }
}

/// Time limit of writes while other clients stall.
const BOUND: Duration = Duration::from_secs(5);
