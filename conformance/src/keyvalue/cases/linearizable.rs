//! Linearizability: histories of random clients on one record, with and without preconditions, tokens and several gateways.

use std::sync::Arc;

use prism_contract::keyvalue::Capability;

use crate::core::linearizability::{Rounds, judge, race};
use crate::core::{Ability, Kind, Proof, Stop, case};
use crate::keyvalue::history::{Mix, Plan, Record, Recorder};
use crate::keyvalue::{Case, Ctx, Need, Store};

pub(super) const CASES: &[Case] = &[
    case!(
        "linearizable::reads_and_writes",
        "Puts, Gets, Deletes and Scans of one record by several clients are linearizable.",
        ["LIN-1", "PUT-3", "DEL-5"],
        |c| {
            histories(c, &[c.store()], Mix::default()).await
        }
    )
    .kind(Kind::History),
    case!(
        "linearizable::conditional_writes",
        "Conditional writes of one record by several clients are linearizable, and name the versions that failed them.",
        ["LIN-1", "COND-1", "COND-4", "COND-5"],
        [Need::Declares(Capability::ConditionalWrites)],
        |c| {
            histories(c, &[c.store()], Mix { conditions: true, tokens: false }).await
        }
    )
    .kind(Kind::History),
    case!(
        "linearizable::writes_with_tokens",
        "Writes with priority tokens by several clients are linearizable.",
        ["LIN-1", "TOK-1", "TOK-2", "TOK-4"],
        [Need::Declares(Capability::PriorityTokens)],
        |c| {
            histories(c, &[c.store()], Mix { conditions: false, tokens: true }).await
        }
    )
    .kind(Kind::History),
    case!(
        "linearizable::through_several_gateways",
        "Operations on one record through several gateways on one database are linearizable.",
        ["LIN-1"],
        [Need::Ability(Ability::Gateways)],
        |c| {
            let mix = declared_mix(c).await?;
            histories(c, &c.instance().gateways(), mix).await
        }
    )
    .kind(Kind::History),
];

/// Clients per history.
pub(super) const CLIENTS: usize = 4;

/// Operations per client on one record.
pub(super) const OPERATIONS: usize = 12;

/// Minimum operations that overlap another client's.
pub(super) const FLOOR: usize = 12;

/// The mix of operations that the store's declared capabilities allow.
pub(super) async fn declared_mix(c: &Ctx) -> Result<Mix, Stop> {
    let capabilities = c.describe().await?.capabilities;
    Ok(Mix {
        conditions: capabilities.contains(Capability::ConditionalWrites),
        tokens: capabilities.contains(Capability::PriorityTokens),
    })
}

pub(super) fn plan(c: &Ctx, mix: Mix, round: usize, part: usize) -> Plan {
    let record = Record { namespace: c.namespace(""), id: format!("r{round}") };
    Plan { mix, record, seed: c.seed().wrapping_add(round as u64), operations: OPERATIONS, part }
}

async fn histories(c: &Ctx, stores: &[Arc<dyn Store>], mix: Mix) -> Proof {
    let mut rounds = Rounds::new(c, FLOOR);
    let (mut operations, mut histories) = (0, 0);
    while let Some(round) = rounds.next() {
        let (recorder, plan) = (Arc::new(Recorder::default()), plan(c, mix, round, 0));
        race(&recorder, stores, CLIENTS, move |client| plan.clone().run(client)).await;
        let history = recorder.history();
        judge(c, &history)?;
        operations += history.operations.len();
        histories += 1;
        rounds.met(history.overlap());
    }
    c.note(format!("linearizable: {operations} operations in {histories} histories"));
    rounds.conclude("operations overlapped another client's")
}
