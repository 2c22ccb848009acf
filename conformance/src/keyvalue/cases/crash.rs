//! Crashes during concurrent writes.

use std::sync::Arc;

use super::linearizable::{CLIENTS, FLOOR, OPERATIONS, declared_mix, plan};
use crate::core::linearizability::{Rounds, crash_under, diverged, linearizable, race};
use crate::core::{Ability, Kind, Mode, case};
use crate::keyvalue::history::{Plan, Record, Recorder};
use crate::keyvalue::{Case, Need, Outcome, Request, Response};

pub(super) const CASES: &[Case] = &[
    case!(
        "crash::histories_stay_linearizable",
        "Operations on one record stay linearizable across a crash in the middle of them.",
        ["LIN-1", "DUR-1", "DUR-2", "DUR-3"],
        [Need::Ability(Ability::Crash)],
        |c| {
            let mix = declared_mix(c).await?;
            let mut rounds = Rounds::new(c, FLOOR);
            while let Some(round) = rounds.next() {
                let recorder = Arc::new(Recorder::default());
                let before = Plan { operations: SHORT, ..plan(c, mix, round, 0) };
                crash_under(c, &recorder, CLIENTS, CLIENTS * SHORT / 2, move |client| before.clone().run(client))
                    .await?;
                // Reads what the crash left before later writes overwrite it.
                let after = Plan { operations: SHORT, ..plan(c, mix, round, 1) };
                recorder.client(CLIENTS, c.store()).send(after.record.read(false)).await;
                race(&recorder, &c.instance().gateways(), CLIENTS, move |client| after.clone().run(client)).await;
                let history = recorder.history();
                linearizable(c, &history)?;
                rounds.met(history.overlap());
            }
            rounds.conclude("operations overlapped another client's")
        }
    )
    .kind(Kind::History),
    case!(
        "crash::leaves_writes_whole",
        "After a crash in the middle of writes, what was acknowledged is there, and what was not is whole or absent.",
        ["DUR-1", "DUR-2"],
        [Need::Ability(Ability::Crash)],
        |c| {
            let mut rounds = Rounds::new(c, FLOOR);
            while let Some(round) = rounds.next() {
                let id = move |client: usize, number: usize| format!("r{round}-{client}-{number}");
                let namespace = c.namespace("");
                let recorder = Arc::new(Recorder::default());
                let written = namespace.clone();
                crash_under(c, &recorder, CLIENTS, CLIENTS * OPERATIONS / 3, move |mut client| {
                    let namespace = written.clone();
                    async move {
                        for number in 0..OPERATIONS {
                            let record = Record { namespace: namespace.clone(), id: id(client.number(), number) };
                            if client.send(Request::Put(record.put(&TOGETHER, "whole"))).await.is_none() {
                                return;
                            }
                        }
                    }
                })
                .await?;
                let before = recorder.history().operations;
                let mut reader = recorder.client(CLIENTS, c.store());
                let mut kept = 0;
                for operation in &before {
                    let Some((namespace, id)) = operation.object() else { continue };
                    let record = Record { namespace: namespace.to_owned(), id: id.to_owned() };
                    let read = reader.send(record.read(false)).await;
                    let Some(items) = read.as_ref().and_then(Outcome::items) else { continue };
                    let acknowledged = matches!(operation.outcome, Some(Outcome::Answered(Response::Put(_))));
                    let allowed = if acknowledged { &[TOGETHER.len()][..] } else { &[0, TOGETHER.len()] };
                    if !allowed.contains(&items.len()) {
                        let history = recorder.history();
                        let expected =
                            if acknowledged { "all 5 items: the Put was acknowledged" } else { "5 items or none" };
                        let last = history.operations.len() - 1;
                        return Err(diverged(c, &history, last, expected, format!("{} items", items.len())));
                    }
                    kept += usize::from(acknowledged);
                }
                // In process, a store that never awaits cannot be interrupted mid-write; a killed server can.
                let interrupted =
                    before.iter().any(|operation| operation.outcome.as_ref().is_none_or(Outcome::is_ambiguous));
                rounds.met(if interrupted || c.mode() == Mode::InProcess { kept } else { 0 });
            }
            rounds.conclude("acknowledged writes were read back after a crash during other writes")
        }
    )
    .kind(Kind::History),
];

/// Operations of each client before and after the crash. Fewer than elsewhere: each write with an unknown outcome
/// doubles the checker's search space.
const SHORT: usize = OPERATIONS / 2;

/// Items that are always written together.
const TOGETHER: [&str; 5] = ["a", "b", "c", "d", "e"];
