//! Crashes while clients append and read.

use std::sync::Arc;

use prism_contract::timeseries::request::{AppendRequest, QueryRequest, TailFrom};

use super::history::{CLIENTS, OPERATIONS, all_answered, plan};
use super::support::{ATOMIC_APPEND, CRASH};
use crate::core::linearizability::{Rounds, crash_under, race};
use crate::core::{Kind, Mode, Proof, Stop, case, diverged};
use crate::timeseries::history::{Plan, Recorder, SERIES, TOGETHER, judge, tail_token};
use crate::timeseries::{Case, Ctx, Outcome, Request, Response, event};

pub(super) const CASES: &[Case] = &[
    case!(
        "crash::readers_see_what_was_acknowledged_before_it",
        "After a crash under concurrent Appends everything acknowledged is there, each other Append's events whole or absent, \
         and writers and readers go on.",
        ["DUR-1", "DUR-2", "APP-2", "QRY-1", "TAIL-1", "TAIL-2"],
        [CRASH],
        |c| { crashes(c, false).await }
    )
    .kind(Kind::History),
    case!(
        "crash::leaves_appends_whole",
        "Of an Append that a crash interrupted all events are there, or none, in every series.",
        ["APP-5", "APP-7", "DUR-2"],
        [CRASH, ATOMIC_APPEND],
        |c| { crashes(c, false).await }
    )
    .kind(Kind::History),
    case!(
        "crash::tokens_from_before_it_go_on",
        "Tokens of Queries and Tails from before a crash under Appends go on after it, without a gap.",
        ["QRY-10", "QRY-11", "TAIL-3", "DUR-1"],
        [CRASH],
        |c| { crashes(c, true).await }
    )
    .kind(Kind::History),
];

/// Acknowledged Appends and reads before the crash of a round: two or three of each client, in the middle between two barriers,
/// at which nothing is in flight. If Appends take longest, the clients are in one then.
const ENOUGH: usize = TOGETHER * CLIENTS * 5 / 8;

async fn crashes(c: &Ctx, with_tokens: bool) -> Proof {
    let mut rounds = Rounds::new(c, ENOUGH);
    while let Some(round) = rounds.next() {
        let recorder = Arc::new(Recorder::default());
        let before = plan(c, round, 0, 0).await?;
        let tokens = if with_tokens { Some(tokens(c, &recorder, &before).await?) } else { None };
        let work = before.clone();
        let answered = recorder.answered() + ENOUGH;
        crash_under(c, &recorder, CLIENTS, answered, move |client| work.clone().run(client)).await?;
        if let Some((cut, token)) = tokens {
            resumed(c, &recorder, &before, cut, token).await?;
        }
        let crashed = recorder.history().operations.len();
        read_all(c, &recorder, &before).await;
        let after = plan(c, round, 1, 0).await?;
        let after = Plan { namespace: before.namespace.clone(), operations: OPERATIONS / 2, ..after };
        let work = after.clone();
        race(&recorder, &c.instance().gateways(), CLIENTS, move |client| work.clone().run(client)).await;
        read_all(c, &recorder, &after).await;
        let history = recorder.history();
        all_answered(c, &history.operations[crashed..])?;
        judge(c, &history)?;
        let appends = history.operations.iter().filter(|of| matches!(of.request, Request::Append(_)));
        let (acknowledged, others): (Vec<_>, Vec<_>) =
            appends.partition(|of| matches!(of.outcome, Some(Outcome::Answered(_))));
        // In process, a store that never awaits cannot be interrupted in an Append; a killed server can.
        let was_interrupted = !others.is_empty() || c.mode() == Mode::InProcess;
        rounds.met(if was_interrupted { acknowledged.len() } else { 0 });
    }
    rounds.conclude("Appends were acknowledged beside one that a crash interrupted")
}

/// Each series, the first one twice, so that an Append that is seen in the second is looked for in the first; and its Tail.
async fn read_all(c: &Ctx, recorder: &Arc<Recorder>, plan: &Plan) {
    let mut reader = recorder.client(CLIENTS, c.store());
    for series in [SERIES[0], SERIES[1], SERIES[0]] {
        reader.send(plan.query(series)).await;
    }
    reader.send(plan.tail(TailFrom::Beginning)).await;
}

/// A Query that is cut after its first event, and the token of a whole one.
async fn tokens(c: &Ctx, recorder: &Arc<Recorder>, plan: &Plan) -> Result<(QueryRequest, TailFrom), Stop> {
    let mut reader = recorder.client(CLIENTS, c.store());
    let seeds = (0..3).map(|nth| event(plan.time, format!("seed {nth}"))).collect();
    reader.send(Request::Append(AppendRequest { namespace: plan.namespace.clone(), events: seeds })).await;
    let whole = reader.send(plan.query(SERIES[0])).await;
    let token = whole.as_ref().and_then(tail_token).map(TailFrom::Token);
    let Request::Query(mut cut, _) = plan.query(SERIES[0]) else {
        return Err(Stop::Broken("a Query is a Query".to_owned()));
    };
    cut.page_size_bytes = 1;
    let first = c.send(&*c.store(), Request::Query(cut.clone(), Some(1))).await?.1;
    if let Outcome::Answered(Response::Query(messages)) = &first {
        cut.resume_token = messages.last().map(|last| last.resume_token.clone()).unwrap_or_default();
    }
    match token {
        Some(token) => Ok((cut, token)),
        None => c.inconclusive("the first Query has no tail_token"),
    }
}

/// Both tokens go on: the cut Query has the rest of its snapshot, and the history's check judges the Tail.
async fn resumed(
    c: &Ctx,
    recorder: &Arc<Recorder>,
    plan: &Plan,
    cut: QueryRequest,
    token: TailFrom,
) -> Proof {
    let (step, rest) = c.send(&*c.store(), Request::Query(cut, None)).await?;
    match rest {
        Outcome::Answered(Response::Query(messages)) => {
            let ids: Vec<_> =
                messages.iter().flat_map(|message| &message.events).map(|of| of.id.as_bytes()).collect();
            if ids != [b"seed 1", b"seed 2"] {
                let expected = "the two other events of the snapshot (QRY-10, QRY-1)";
                return diverged(step, expected, format!("{} events", ids.len()));
            }
        }
        Outcome::Failed(failure) => {
            return diverged(step, "OK (QRY-10)", crate::core::failure_text(&failure));
        }
        Outcome::Answered(_) | Outcome::Done => {
            return diverged(step, "an answer to the Query", "another one");
        }
    }
    let mut reader = recorder.client(CLIENTS, c.store());
    match reader.send(plan.tail(token)).await {
        Some(Outcome::Failed(failure)) => {
            c.expect(false, "a Tail from the token (QRY-10)", crate::core::failure_text(&failure))
        }
        Some(_) => Ok(()),
        None => c.expect(false, "a Tail from the token (QRY-10)", "no answer within 10 s"),
    }
}
