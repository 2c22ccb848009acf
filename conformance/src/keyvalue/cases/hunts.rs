//! Hunts for anomalies that show only under load: torn writes, lost updates, duplicate versions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use prism_contract::keyvalue::request::{KeyPredicate, PutRequest};
use prism_contract::keyvalue::{Capability, Item};

use crate::core::linearizability::{RoundBarrier, Rounds, answers, diverged, judge, race};
use crate::core::{Kind, Proof, case};
use crate::keyvalue::history::{Client, History, Record, Recorder, keys, range};
use crate::keyvalue::{Case, Ctx, Need, Outcome, Request, Response};

pub(super) const CASES: &[Case] = &[
    case!(
        "hunts::a_get_sees_one_moment",
        "A Get reads one moment of its record: never some items of a Put and not the others.",
        ["LIN-3", "PUT-3"],
        |c| {
            hunt(
                c,
                |record, client, number| reads_and_whole_puts(record, client, number, false),
                puts_are_atomic,
            )
            .await
        }
    )
    .kind(Kind::History),
    case!(
        "hunts::no_scan_message_holds_half_a_put",
        "No message of a Scan holds some items of a Put and not the others.",
        ["PUT-3"],
        |c| {
            hunt(
                c,
                |record, client, number| reads_and_whole_puts(record, client, number, true),
                puts_are_atomic,
            )
            .await
        }
    )
    .kind(Kind::History),
    case!(
        "hunts::a_range_delete_takes_a_put_whole",
        "A range Delete racing a Put of several items removes all of what it wrote, or nothing of it.",
        ["LIN-4", "DEL-5"],
        |c| {
            let request = |record: &Record, client: usize, number: usize| match client {
                0 | 1 => Request::Put(record.put(&TOGETHER, &format!("{client}.{number}"))),
                2 => Request::Delete(record.delete(range("a", "f"))),
                _ => record.read(number % 3 == 2),
            };
            hunt(c, request, |c, history| {
                for (at, operation) in history.operations.iter().enumerate() {
                    if let Some(Outcome::Answered(Response::Delete(answer))) = &operation.outcome
                        && answer.deleted_count != 0
                        && answer.deleted_count != TOGETHER.len() as u64
                    {
                        let actual = format!("{} of the 5 items of one Put", answer.deleted_count);
                        return Err(diverged(c, history, at, "all of a Put or nothing of it", actual));
                    }
                }
                puts_are_atomic(c, history)
            })
            .await
        }
    )
    .kind(Kind::History),
    case!(
        "hunts::versions_rise_in_the_order_of_visibility",
        "Whoever reads an item sees its versions rise, and the write of the highest version stays.",
        ["VER-1", "LIN-1"],
        |c| {
            let request = |record: &Record, client: usize, number: usize| {
                if client < 3 && number % 3 != 2 {
                    Request::Put(record.put(&["k"], &format!("{client}.{number}")))
                } else {
                    record.read(false)
                }
            };
            hunt(c, request, |c, history| {
                let mut seen = [0; CLIENTS + 1];
                let mut written = BTreeMap::new();
                for (at, operation) in history.operations.iter().enumerate() {
                    let Some(outcome) = &operation.outcome else { continue };
                    if let (Request::Put(put), [version]) = (&operation.request, &*outcome.versions()) {
                        written.insert(*version, put.items[0].value.clone());
                    }
                    let read = outcome.items().and_then(|items| items.first().map(|item| item.version));
                    let Some(version) = outcome.versions().first().copied().or(read) else { continue };
                    if version < seen[operation.client] {
                        let expected =
                            format!("version {} or later: this client has seen it", seen[operation.client]);
                        return Err(diverged(c, history, at, expected, format!("version {version}")));
                    }
                    seen[operation.client] = version;
                }
                let Some((at, last)) = history.operations.iter().enumerate().next_back() else {
                    return Ok(());
                };
                let final_item =
                    last.outcome.as_ref().and_then(Outcome::items).and_then(|items| items.first().copied());
                match (final_item, written.last_key_value()) {
                    (Some(item), Some((version, value)))
                        if item.version <= *version && item.value != *value =>
                    {
                        let expected = format!("\"{}\" of version {version}", value.escape_ascii());
                        let actual = format!("\"{}\" of version {}", item.value.escape_ascii(), item.version);
                        Err(diverged(c, history, at, expected, actual))
                    }
                    _ => Ok(()),
                }
            })
            .await
        }
    )
    .kind(Kind::History),
    case!(
        "hunts::no_two_writes_share_a_version",
        "No two writes of a key are given the same version, with Deletes in between.",
        ["VER-1", "VER-2"],
        |c| {
            let request = |record: &Record, client: usize, number: usize| {
                if number % 4 == 3 {
                    Request::Delete(record.delete(KeyPredicate::MatchAll))
                } else {
                    Request::Put(record.put(&["k", "l"], &format!("{client}.{number}")))
                }
            };
            hunt(c, request, |c, history| {
                let mut assigned = BTreeSet::new();
                for (at, operation) in history.operations.iter().enumerate() {
                    let Some(outcome) = &operation.outcome else { continue };
                    for (key, version) in outcome.versions().into_iter().enumerate() {
                        if !assigned.insert((key, version)) {
                            let actual = format!("version {version} again");
                            return Err(diverged(
                                c,
                                history,
                                at,
                                "a version not assigned to another write",
                                actual,
                            ));
                        }
                    }
                }
                Ok(())
            })
            .await
        }
    )
    .kind(Kind::History),
    case!(
        "hunts::deleted_items_are_gone_at_once",
        "An item is gone for its client as soon as its Delete is answered, whatever else is written.",
        ["DEL-1"],
        |c| {
            let request = |record: &Record, client: usize, number: usize| {
                let own = keys(&[OWN[client]]);
                match number % 4 {
                    0 => Request::Put(record.put(&[OWN[client]], &format!("{client}.{number}"))),
                    1 => Request::Delete(record.delete(own)),
                    2 => Request::Get(record.get(own)),
                    _ => record.read(true),
                }
            };
            hunt(c, request, |c, history| {
                let mut deleted = [false; CLIENTS];
                for (at, operation) in history.operations.iter().enumerate() {
                    let (Some(outcome), Some(deleted)) =
                        (&operation.outcome, deleted.get_mut(operation.client))
                    else {
                        continue;
                    };
                    match outcome {
                        Outcome::Answered(Response::Delete(_)) => *deleted = true,
                        Outcome::Answered(Response::Put(_) | Response::Describe(_))
                        | Outcome::Failed(_)
                        | Outcome::Done => {
                            *deleted = false;
                        }
                        Outcome::Answered(Response::Get(_) | Response::Scan(_)) => {
                            let own = OWN[operation.client];
                            let items = outcome.items().unwrap_or_default();
                            if *deleted && items.iter().any(|item| item.key.as_bytes() == own.as_bytes()) {
                                let expected =
                                    format!("no item \"{own}\": this client's Delete was acknowledged");
                                return Err(diverged(c, history, at, expected, shown(&items)));
                            }
                        }
                    }
                }
                Ok(())
            })
            .await
        }
    )
    .kind(Kind::History),
    case!(
        "hunts::the_highest_token_wins",
        "Of concurrent Puts with tokens the highest one stays, in whatever order they arrive.",
        ["TOK-1"],
        [Need::Declares(Capability::PriorityTokens)],
        |c| {
            let mut rounds = Rounds::new(c, FLOOR);
            while let Some(round) = rounds.next() {
                let record = Record { namespace: c.namespace(""), id: format!("r{round}") };
                let (recorder, barrier) =
                    (Arc::new(Recorder::default()), Arc::new(RoundBarrier::new(CLIENTS)));
                let target = record.clone();
                race(&recorder, &c.instance().gateways(), CLIENTS, move |client| {
                    with_tokens(client, target.clone(), Arc::clone(&barrier))
                })
                .await;
                let read = recorder.client(CLIENTS, c.store()).send(record.read(false)).await;
                let history = recorder.history();
                answers(c, &history)?;
                let all_done = history
                    .operations
                    .iter()
                    .all(|operation| !matches!(operation.outcome, Some(Outcome::Failed(_))));
                for item in read.iter().filter_map(Outcome::items).flatten().filter(|_| all_done) {
                    if item.value != "3" || item.priority_token != 4 {
                        let actual = format!("{} with token {}", shown(&[item]), item.priority_token);
                        let last = history.operations.len() - 1;
                        return Err(diverged(
                            c,
                            &history,
                            last,
                            "the write with token 4, the highest",
                            actual,
                        ));
                    }
                }
                judge(c, &history)?;
                rounds.met(history.overlap());
            }
            rounds.conclude("operations overlapped another client's")
        }
    )
    .kind(Kind::History),
];

const CLIENTS: usize = 4;

/// Operations of one client in one round.
const OPERATIONS: usize = 12;

/// Minimum operations that overlap another client's.
const FLOOR: usize = 12;

/// Items that are always written together.
const TOGETHER: [&str; 5] = ["a", "b", "c", "d", "e"];

type Check = fn(&Ctx, &History) -> Proof;

/// Rounds of clients, each on a fresh record. `request` is the next request of a client; `check` is the case's own check,
/// which runs before the general one of the history.
async fn hunt(c: &Ctx, request: fn(&Record, usize, usize) -> Request, check: Check) -> Proof {
    let mut rounds = Rounds::new(c, FLOOR);
    while let Some(round) = rounds.next() {
        let record = Record { namespace: c.namespace(""), id: format!("r{round}") };
        let recorder = Arc::new(Recorder::default());
        let target = record.clone();
        race(&recorder, &c.instance().gateways(), CLIENTS, move |client| {
            run_client(client, target.clone(), request)
        })
        .await;
        recorder.client(CLIENTS, c.store()).send(record.read(false)).await;
        let history = recorder.history();
        answers(c, &history)?;
        check(c, &history)?;
        judge(c, &history)?;
        rounds.met(history.overlap());
    }
    rounds.conclude("operations overlapped another client's")
}

async fn run_client(mut client: Client, record: Record, request: fn(&Record, usize, usize) -> Request) {
    for number in 0..OPERATIONS {
        let request = request(&record, client.number(), number);
        if client.send(request).await.is_none() {
            return;
        }
    }
}

fn reads_and_whole_puts(record: &Record, client: usize, number: usize, by_scan: bool) -> Request {
    if client.is_multiple_of(2) {
        Request::Put(record.put(&TOGETHER, &format!("{client}.{number}")))
    } else if by_scan {
        record.read(true)
    } else {
        let chosen = match number % 3 {
            0 => KeyPredicate::MatchAll,
            1 => keys(&["e", "a"]),
            _ => range("b", ""),
        };
        Request::Get(record.get(chosen))
    }
}

/// Every read finds all the requested items with the same value, or none of them.
fn puts_are_atomic(c: &Ctx, history: &History) -> Proof {
    for (at, operation) in history.operations.iter().enumerate() {
        let Some(items) = operation.outcome.as_ref().and_then(Outcome::items) else { continue };
        let requested = operation.request.count_selected(&TOGETHER);
        let values: BTreeSet<_> = items.iter().map(|item| &item.value).collect();
        if values.len() > 1 || ![0, requested].contains(&items.len()) {
            let expected = format!("{requested} items of one Put, or none");
            return Err(diverged(c, history, at, expected, shown(&items)));
        }
    }
    Ok(())
}

fn shown(items: &[&Item]) -> String {
    let pairs = items.iter().map(|item| format!("{}={}", item.key.escape_ascii(), item.value.escape_ascii()));
    pairs.collect::<Vec<_>>().join(", ")
}

const OWN: [&str; CLIENTS] = ["k0", "k1", "k2", "k3"];

async fn with_tokens(mut client: Client, record: Record, barrier: Arc<RoundBarrier>) {
    for number in 0..OPERATIONS {
        barrier.wait(number);
        // Client 3 has the highest token, in whatever order the clients arrive.
        let put = record.put(&[&format!("k{number:02}")], &client.number().to_string());
        let item_priority_token = i64::try_from(client.number()).unwrap_or(0) + 1;
        if client.send(Request::Put(PutRequest { item_priority_token, ..put })).await.is_none() {
            return;
        }
    }
}
