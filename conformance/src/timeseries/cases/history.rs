//! Histories: what clients that append and read at once may see, checked by the real order of requests and answers.

use std::sync::Arc;

use super::support::{ATOMIC_APPEND, GATEWAYS, times};
use crate::core::linearizability::{RoundBarrier, Rounds, race};
use crate::core::{Failure, Kind, Mode, Proof, StatusCode, Stop, case, failure_text};
use crate::timeseries::history::{Operation, Plan, Recorder, judge, overlap};
use crate::timeseries::policies::FREE;
use crate::timeseries::{Case, Ctx, Store};

pub(super) const CASES: &[Case] = &[
    case!(
        "history::readers_see_what_was_acknowledged",
        "Queries of several clients beside several writers miss nothing that was acknowledged, and show nothing else.",
        ["APP-1", "APP-2", "QRY-1", "QRY-5"],
        |c| { histories(c, &[c.store()], false).await }
    )
    .kind(Kind::History),
    case!(
        "history::appends_are_seen_whole_by_every_later_reader",
        "A Query sees all events of an Append or none, and all once any reader has seen one, across series.",
        ["APP-7", "APP-2"],
        [ATOMIC_APPEND],
        |c| { histories(c, &[c.store()], false).await }
    )
    .kind(Kind::History),
    case!(
        "history::a_tail_continues_a_query_without_a_gap",
        "Beside writers, a Tail from a Query's tail_token brings what the Query did not have; all Tails have one order.",
        ["QRY-11", "TAIL-1", "TAIL-2", "TAIL-3", "APP-2", "APP-11"],
        |c| { histories(c, &[c.store()], true).await }
    )
    .kind(Kind::History),
    case!(
        "history::through_several_gateways",
        "The same through several gateways on one store: an event is read wherever it was acknowledged.",
        ["APP-2", "QRY-1", "QRY-10", "QRY-11", "TAIL-1", "TAIL-2", "TAIL-3"],
        [GATEWAYS],
        |c| { histories(c, &c.instance().gateways(), true).await }
    )
    .kind(Kind::History),
];

/// Clients of a history.
pub(super) const CLIENTS: usize = 4;

/// Operations of each client in a round.
pub(super) const OPERATIONS: usize = 12;

/// Minimum number of reads that overlap another client's Append.
pub(super) const FLOOR: usize = 8;

/// The plan of one round, in separate namespaces.
pub(super) async fn plan(c: &Ctx, round: usize, part: usize, tails: usize) -> Result<Plan, Stop> {
    Ok(Plan {
        namespace: c.space(&FREE, &format!("-{round}")),
        time: times(c).await?.at(0),
        seed: c.seed().wrapping_add(round as u64),
        operations: OPERATIONS,
        part,
        tails,
        barrier: Arc::new(RoundBarrier::new(CLIENTS)),
    })
}

async fn histories(c: &Ctx, stores: &[Arc<dyn Store>], with_tails: bool) -> Proof {
    // Over the wire a Tail has caught up only after a pause.
    let tails = match (with_tails, c.mode()) {
        (false, _) => 0,
        (true, Mode::InProcess) => OPERATIONS / 2,
        (true, Mode::Wire) => 1,
    };
    let mut rounds = Rounds::new(c, FLOOR);
    let (mut operations, mut histories) = (0, 0);
    while let Some(round) = rounds.next() {
        let (recorder, plan) = (Arc::new(Recorder::default()), plan(c, round, 0, tails).await?);
        race(&recorder, stores, CLIENTS, move |client| plan.clone().run(client)).await;
        let history = recorder.history();
        all_answered(c, &history.operations)?;
        judge(c, &history)?;
        operations += history.operations.len();
        histories += 1;
        rounds.met(overlap(&history));
    }
    c.note(format!("{operations} operations in {histories} histories"));
    rounds.conclude("reads overlapped another client's Append")
}

/// Every operation was answered with OK.
pub(super) fn all_answered(c: &Ctx, operations: &[Operation]) -> Proof {
    let failed = operations.iter().find_map(|operation| match &operation.outcome {
        Some(outcome) => outcome.clone().into_result().err(),
        None => Some(Failure::new(StatusCode::DeadlineExceeded, "no answer in 10 s")),
    });
    match failed {
        Some(failure) => c.expect(false, "OK", failure_text(&failure)),
        None => Ok(()),
    }
}
