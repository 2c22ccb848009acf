//! Random KeyValue operations checked against the model, and metamorphic relations that need no model.

mod generate;
mod metamorphic;
mod play;
mod simplify;

use futures::FutureExt;
use futures::future::BoxFuture;
use prism_contract::keyvalue::request::SelectionInput;
use prism_contract::keyvalue::{Capabilities, Capability};

use super::model::Event;
use super::op::{Get, Op, Page, Scan, Space};
use super::{Ctx, KeyValue};
use crate::core::property::{self, Sequential};
use crate::core::{Abilities, Stop};

pub use generate::{Mix, Weights, operations, within};
pub use play::play;

pub(crate) use metamorphic::{
    pages_concatenate, predicates_filter, records_make_the_namespace, reverse_mirrors, scans_resume,
};

/// Operations that once made a KeyValue store diverge.
pub type Regression = property::Regression<Op>;
/// Event counts.
pub type Tally = property::Tally<Event>;

impl Sequential for KeyValue {
    type Op = Op;
    type Event = Event;

    const GENERAL: &'static str = "property::operations_agree_with_the_model";

    fn can_happen(event: Event, capabilities: Capabilities, abilities: Abilities) -> bool {
        event.can_happen(capabilities, abilities)
    }

    fn play<'c>(ctx: &'c Ctx, ops: &'c [Op]) -> BoxFuture<'c, Result<Tally, Stop>> {
        play(ctx, ops).boxed()
    }

    fn within(ops: &[Op], capabilities: Capabilities, abilities: Abilities) -> Vec<Op> {
        within(ops, capabilities, abilities)
    }

    fn reads_of(ops: &[Op], capabilities: Capabilities) -> Vec<Op> {
        reads_of(ops, capabilities)
    }

    fn simplifications(op: &Op) -> Vec<Op> {
        simplify::simplifications(op)
    }
}

fn reads_of(ops: &[Op], capabilities: Capabilities) -> Vec<Op> {
    let mut records: Vec<(Space, String)> = Vec::new();
    for op in ops {
        let record = match op {
            Op::Put(put) => (put.space.clone(), put.id.clone()),
            Op::Delete(delete) => (delete.space.clone(), delete.id.clone()),
            Op::Get(_) | Op::Scan(_) | Op::Describe(_) | Op::Advance(_) | Op::Sweep | Op::Restart(_) => {
                continue;
            }
        };
        if !records.contains(&record) {
            records.push(record);
        }
    }
    let (predicate, selection, page) = (None, SelectionInput::default(), Page::First);
    if capabilities.contains(Capability::NamespaceScan) {
        let mut spaces: Vec<_> = records.into_iter().map(|(space, _)| space).collect();
        spaces.sort_by(|one, other| one.0.cmp(&other.0));
        spaces.dedup();
        let scan = |space| {
            let (id, predicate) = (None, predicate.clone());
            Op::Scan(Scan { space, id, predicate, selection, limit: 0, cut: None, page })
        };
        spaces.into_iter().map(scan).collect()
    } else {
        let get = |(space, id)| Op::Get(Get { space, id, predicate: predicate.clone(), selection, page });
        records.into_iter().map(get).collect()
    }
}

/// A file of `fixtures/regressions`: its name and its content.
macro_rules! regression {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../../fixtures/regressions/", $name)))
    };
}

/// The files of `fixtures/regressions`; a test compares the list with the folder.
const COMMITTED: &[(&str, &str)] = &[
    regression!("property-conditions_guard_every_write-6fc909a4380cee26.json"),
    regression!("property-items_end_with_their_ttl-c11b870b70546786.json"),
    regression!("property-operations_agree_with_the_model-01606c5ae181cbd7.json"),
    regression!("property-operations_agree_with_the_model-27f6a061ae031759.json"),
    regression!("property-operations_agree_with_the_model-a39880775d46dd72.json"),
    regression!("property-operations_agree_with_the_model-98f8cb5581516686.json"),
    regression!("property-operations_agree_with_the_model-cb1fcd2bed32826b.json"),
    regression!("property-operations_agree_with_the_model-e64d70865061c1b8.json"),
    regression!("property-pages_go_on_under_writes-8af9ad9fd56e2097.json"),
    regression!("property-restarts_change_nothing-406b77472cb3d265.json"),
    regression!("property-tokens_outlive_their_items-0df831c3086e5005.json"),
    regression!("property-tokens_outlive_their_items-9fec3d29ee630797.json"),
];

/// The regressions that are embedded in this suite, by file name.
pub fn committed() -> impl Iterator<Item = (&'static str, Regression)> {
    COMMITTED.iter().map(|(name, json)| {
        let regression = Regression::from_json(json).expect("a test parses each committed regression");
        (*name, regression)
    })
}

#[cfg(test)]
mod tests {
    use prism_contract::keyvalue::Memory;

    use super::*;
    use crate::core::property::{Sequences, check};
    use crate::core::{Budget, Harness, Mode, OpenError};
    use crate::keyvalue::InProcess;

    #[tokio::test]
    async fn a_run_in_which_too_little_happens_is_inconclusive() {
        let only_describes = Weights {
            put: 0,
            get: 0,
            delete: 0,
            scan: 0,
            describe: 1,
            advance: 0,
            retention: 0,
            sweep: 0,
            restart: 0,
        };
        let mix = Mix {
            keys: &[b"a"],
            spaces: &[""],
            ids: &["r"],
            weights: only_describes,
            tokens: 0.0,
            ttls: 0.0,
            conditions: 0.0,
            pages: 0.0,
            length: (1, 5),
        };
        let floors = &[(Event::Restarted, 100), (Event::Applied, 50)];
        let property = Sequences { case: "idle", count: (10, 10, 10), floors };
        let harness = InProcess::new("memory", || async { Ok::<_, OpenError>(Memory::default()) });
        let instance = harness.open().await.expect("memory opens");
        let ctx = Ctx::new(instance, "test".to_owned(), Mode::InProcess, Budget::Quick, 1)
            .offering(harness.capabilities(), harness.abilities());
        let why = "the event 'applied' happened 0 times; at least 5 are required".to_owned();
        assert_eq!(check(&ctx, &property, &operations(mix)).await, Err(Stop::Inconclusive(why)));
    }
}
