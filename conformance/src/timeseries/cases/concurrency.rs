//! Several writers and readers at once: nothing is lost, torn or out of order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use prism_contract::timeseries::request::{AppendRequest, EventInput, QueryRequest, TailFrom, TailRequest};
use prism_contract::timeseries::{Capability, EventId, SeriesEvent};

use super::support::{ATOMIC_APPEND, NAMESPACE_TAIL, Times, times};
use crate::core::{Failure, Kind, Proof, case, failure_text};
use crate::timeseries::policies::FREE;
use crate::timeseries::store::read_tail;
use crate::timeseries::{Case, Ctx, Events, Store, TailUntil, event};

/// Maximum Appends of a writer that is read.
const MAX_ROUNDS: i64 = 2_000;

/// Concurrent writers.
const WRITERS: usize = 4;

pub(super) const CASES: &[Case] = &[
    case!(
        "concurrency::a_tail_brings_each_event_once_in_the_order_of_appends",
        "A Tail beside several writers brings each of their events once, those of each writer in order.",
        ["TAIL-1", "TAIL-2", "APP-11"],
        |c| { tailed(c, false).await }
    )
    .kind(Kind::History),
    case!(
        "concurrency::a_tail_of_a_namespace_brings_each_event_once",
        "A Tail of the whole namespace beside several writers brings each event once, in order within each series.",
        ["TAIL-9", "TAIL-1", "TAIL-2"],
        [NAMESPACE_TAIL],
        |c| { tailed(c, true).await }
    )
    .kind(Kind::History),
    case!(
        "concurrency::every_writer_reads_its_own_events",
        "An event is in the Query that its writer sends next, whatever others write.",
        ["APP-2", "QRY-1"],
        |c| {
            let t = times(c).await?;
            let (namespace, gateways) = (c.space(&FREE, ""), c.instance().gateways());
            let rounds = c.budget().pick(15, 30, 200);
            let writers = (0..WRITERS).map(|writer| {
                let (namespace, writes) = (namespace.clone(), gateways[writer % gateways.len()].clone());
                let reads = gateways[(writer + 1) % gateways.len()].clone();
                tokio::spawn(async move {
                    for round in 0..rounds {
                        let own = event(t.at(i64::from(round)), format!("{writer} {round}"));
                        append(&*writes, &namespace, vec![own.clone()]).await?;
                        let query =
                            QueryRequest { namespace: namespace.clone(), series: "s".to_owned(), ..QueryRequest::default() };
                        let read = reads.query(query, None).await?;
                        let found = read.iter().flat_map(|message| &message.events);
                        if !found.into_iter().any(|found| found.id.as_bytes() == &own.id[..]) {
                            return Ok(Some(format!("writer {writer} does not find its event {round}")));
                        }
                    }
                    Ok::<_, Failure>(None)
                })
            });
            for missing in joined(c, join_all(writers).await)? {
                c.expect(missing.is_none(), "every acknowledged event in the next Query", missing.unwrap_or_default())?;
            }
            Ok(())
        }
    )
    .kind(Kind::History),
    case!(
        "concurrency::no_query_sees_part_of_an_append",
        "No Query sees part of an Append, and what one reader has seen whole is seen by every later one, across series too.",
        ["APP-7"],
        [ATOMIC_APPEND],
        |c| { atomic(c).await }
    )
    .kind(Kind::History),
    case!(
        "concurrency::a_query_and_its_tail_have_no_gap",
        "A Query beside writers and the Tail from its tail_token together bring every event.",
        ["QRY-11", "TAIL-1"],
        |c| {
            let t = times(c).await?;
            let rounds = c.budget().pick(20, 40, 200);
            let namespace = c.space(&FREE, "");
            let writers = spawn_writers(c, t, &namespace, rounds, false);
            let mut seen = BTreeSet::new();
            let mut tokens = Vec::new();
            for _ in 0..5 {
                let query =
                    QueryRequest { namespace: namespace.clone(), series: "s".to_owned(), ..QueryRequest::default() };
                let read = c.store().query(query, None).await;
                let read = reported(c, read)?;
                let ids = read.iter().flat_map(|message| &message.events).map(|event| event.id.clone());
                tokens.push((ids.collect::<BTreeSet<_>>(), read.last().map(|last| last.tail_token.clone())));
                tokio::task::yield_now().await;
            }
            for appended in joined(c, join_all(writers).await)? {
                seen.extend(appended.into_iter().map(|event| event.id));
            }
            for (queried, token) in tokens {
                let tail = c.tail().after(&token.unwrap_or_default()).ok().await?;
                let mut both: BTreeSet<_> = queried.into_iter().map(EventId::into_bytes).collect();
                both.extend(tail.events().into_iter().map(|event| event.event.id.into_bytes()));
                tail.same("events in the Query and its Tail", &seen.len(), &both.len())?;
            }
            Ok(())
        }
    )
    .kind(Kind::History),
    case!(
        "concurrency::the_same_event_is_written_once",
        "Of several writers of the same event one content is kept, and every reader sees that one.",
        ["APP-3", "APP-8"],
        |c| {
            let t = times(c).await?;
            let namespace = c.space(&FREE, "");
            let mut contents = Vec::new();
            for round in 0..c.budget().pick(10, 20, 100) {
                let writers = (0..WRITERS).map(|writer| {
                    let (namespace, store) = (namespace.clone(), c.store());
                    tokio::spawn(async move {
                        let own = event(t.at(round), "same").payload(writer.to_string());
                        append(&*store, &namespace, vec![own]).await
                    })
                });
                joined(c, join_all(writers).await)?;
                let at = || c.query().from(t.at(round)).to(t.at(round + 1));
                let first = at().ok().await?;
                first.same("events", &1, &first.events().len())?;
                let again = at().ok().await?;
                again.same("events", &first.events(), &again.events())?;
                contents.extend(first.events().into_iter().map(|event| (event.time, event.payload)));
            }
            let tailed = c.tail().beginning().ok().await?;
            let events = tailed.events().into_iter().map(|event| (event.event.time, event.event.payload));
            let mut in_tail: Vec<_> = events.collect();
            if !c.capabilities().contains(Capability::ExactTail) {
                // An event may come again, and what came first is its content.
                let mut seen = BTreeSet::new();
                in_tail.retain(|(time, _)| seen.insert(*time));
            }
            tailed.same("times and contents in a Tail", &contents, &in_tail)
        }
    )
    .kind(Kind::History),
];

/// Each writer's events carry its number and a count.
fn spawn_writers(
    c: &Ctx,
    t: Times,
    namespace: &str,
    rounds: i64,
    several_series: bool,
) -> Vec<tokio::task::JoinHandle<Result<Vec<EventInput>, Failure>>> {
    let gateways = c.instance().gateways();
    (0..WRITERS)
        .map(|writer| {
            let (namespace, store) = (namespace.to_owned(), gateways[writer % gateways.len()].clone());
            tokio::spawn(async move {
                let mut appended = Vec::new();
                for round in 0..rounds {
                    let series = if several_series { format!("s{}", round % 3) } else { "s".to_owned() };
                    // Times fall, so that the order by time is another one. An Append of two has an order within itself.
                    let two = [0, 1]
                        .map(|at| event(t.at(-round), format!("{writer} {:05}", round * 2 + at)).of(&series));
                    append(&*store, &namespace, two.to_vec()).await?;
                    appended.extend(two);
                    tokio::task::yield_now().await;
                }
                Ok(appended)
            })
        })
        .collect()
}

async fn tailed(c: &Ctx, whole_namespace: bool) -> Proof {
    let t = times(c).await?;
    let rounds = c.budget().pick(25, 60, 400);
    let namespace = c.space(&FREE, "");
    let series = if whole_namespace { String::new() } else { "s".to_owned() };
    let request = TailRequest {
        namespace: namespace.clone(),
        series,
        from: TailFrom::Beginning,
        ..TailRequest::default()
    };
    let all = WRITERS * usize::try_from(rounds).unwrap_or(0) * 2;
    let gateways = c.instance().gateways();
    let readers = gateways.iter().chain([&gateways[0]]).map(|gateway| {
        let (gateway, request) = (gateway.clone(), request.clone());
        tokio::spawn(async move {
            let mut tail = gateway.tail(request).await?;
            let read = read_tail(&mut *tail, true, TailUntil::Events(all)).await?;
            Ok::<_, Failure>(read.into_iter().flat_map(|message| message.events).collect::<Vec<_>>())
        })
    });
    let readers: Vec<_> = readers.collect();
    let writers = spawn_writers(c, t, &namespace, rounds, whole_namespace);
    let appended: Vec<_> = joined(c, join_all(writers).await)?.into_iter().flatten().collect();
    for read in joined(c, join_all(readers).await)? {
        once_in_order(c, &appended, &read)?;
    }
    Ok(())
}

/// Each event once, and those of each writer and series in their order.
fn once_in_order(c: &Ctx, appended: &[EventInput], read: &[SeriesEvent]) -> Proof {
    let ids: BTreeSet<_> = read.iter().map(|event| event.event.id.as_bytes()).collect();
    c.expect(
        read.len() == appended.len() && ids.len() == appended.len(),
        format!("{} events in a Tail, each once", appended.len()),
        format!("{} events, {} of them distinct", read.len(), ids.len()),
    )?;
    let mut last: BTreeMap<(&str, &[u8]), &[u8]> = BTreeMap::new();
    for event in read {
        let id = event.event.id.as_bytes();
        let of_writer = (event.series.as_str(), id.split(|byte| *byte == b' ').next().unwrap_or_default());
        let before = last.insert(of_writer, id);
        c.expect(
            before.is_none_or(|before| before < id),
            "the events of a writer and series in the order of their Appends",
            "an earlier one behind a later one",
        )?;
    }
    Ok(())
}

async fn atomic(c: &Ctx) -> Proof {
    let t = times(c).await?;
    let target = c.budget().pick(40, 100, 500);
    let namespace = c.space(&FREE, "");
    let (store, writes, reads) = (c.store(), namespace.clone(), Arc::new(AtomicUsize::new(0)));
    let done = Arc::clone(&reads);
    let writer = tokio::spawn(async move {
        // As long as it is read, so that reads fall between its Appends however fast both are.
        for round in 0..MAX_ROUNDS {
            if done.load(Ordering::Relaxed) >= target {
                break;
            }
            let of = |at: i64| if at % 2 == 0 { "s" } else { "t" };
            let events = (0..6).map(|at| event(t.at(round), format!("{round:05} {at}")).of(of(at)));
            append(&*store, &writes, events.collect()).await?;
            tokio::task::yield_now().await;
        }
        Ok::<_, Failure>(())
    });
    let mut torn = None;
    while !writer.is_finished() && torn.is_none() {
        let mut counts = Vec::new();
        for series in ["s", "t"] {
            let (namespace, series) = (namespace.clone(), series.to_owned());
            let query = QueryRequest { namespace, series, without_payload: true, ..QueryRequest::default() };
            let read = reported(c, c.store().query(query, None).await)?;
            counts.push(read.iter().map(|message| message.events.len()).sum::<usize>());
        }
        // `t` is read later, so it has at least what `s` has.
        if counts[0] % 3 != 0 || counts[1] % 3 != 0 || counts[1] < counts[0] {
            torn = Some(format!("{} events of s, then {} of t", counts[0], counts[1]));
        }
        reads.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
    // A reader that has seen enough ends the writer, too.
    reads.fetch_add(target, Ordering::Relaxed);
    joined(c, vec![writer.await])?;
    c.expect(torn.is_none(), "3 events of each Append in each series, or none", torn.unwrap_or_default())
}

async fn append(store: &dyn Store, namespace: &str, events: Vec<EventInput>) -> Result<(), Failure> {
    store.append(AppendRequest { namespace: namespace.to_owned(), events }).await.map(drop)
}

/// The results of tasks; a failure of one of them is a divergence.
fn joined<T>(
    c: &Ctx,
    tasks: Vec<Result<Result<T, Failure>, tokio::task::JoinError>>,
) -> Result<Vec<T>, crate::core::Stop> {
    tasks.into_iter().map(|task| reported(c, task.expect("a task does not panic"))).collect()
}

fn reported<T>(c: &Ctx, result: Result<T, Failure>) -> Result<T, crate::core::Stop> {
    result.map_err(|failure| match c.expect(false, "OK", failure_text(&failure)) {
        Err(stop) => stop,
        Ok(()) => crate::core::Stop::Broken("a failure was not reported".to_owned()),
    })
}
