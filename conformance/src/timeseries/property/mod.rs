//! Random TimeSeries operations checked against the model.

mod generate;
mod play;
mod simplify;

use futures::FutureExt;
use futures::future::BoxFuture;
use prism_contract::timeseries::{Capabilities, Capability};

use super::model::Event;
use super::op::{self, From, List, Op, Query, Space, Tail};
use super::{Ctx, TimeSeries};
use crate::core::property::{self, Sequential};
use crate::core::{Abilities, Stop};

pub use generate::{Mix, Weights, operations, within};
pub use play::play;

/// Operations that once made a TimeSeries store diverge.
pub type Regression = property::Regression<Op>;
/// Event counts.
pub type Tally = property::Tally<Event>;

impl Sequential for TimeSeries {
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

/// A Query and a Tail of each series, and the names of each namespace.
fn reads_of(ops: &[Op], capabilities: Capabilities) -> Vec<Op> {
    let mut written: Vec<(Space, String)> = Vec::new();
    for op in ops {
        let Op::Append(op::Append { space, events }) = op else { continue };
        for event in events {
            let series = (space.clone(), event.series.clone());
            if !written.contains(&series) {
                written.push(series);
            }
        }
    }
    let mut reads = Vec::new();
    for (space, series) in &written {
        reads.push(Op::Query(Query::all(space.clone(), series)));
        let (series, tags) = (Some(series.clone()), Vec::new());
        let from = From::Beginning;
        reads.push(Op::Tail(Tail { space: space.clone(), series, tags, without_payload: false, from }));
    }
    if capabilities.contains(Capability::ListSeries) {
        let mut spaces: Vec<Space> = Vec::new();
        for (space, _) in written {
            if !spaces.contains(&space) {
                spaces.push(space);
            }
        }
        let list = |space| Op::List(List { space, prefix: String::new(), limit: 0, next: false });
        reads.extend(spaces.into_iter().map(list));
    }
    reads
}

impl Query {
    /// All events of a series.
    pub fn all(space: Space, series: &str) -> Self {
        Self {
            space,
            series: series.to_owned(),
            start: None,
            end: None,
            tags: Vec::new(),
            reverse: false,
            without_payload: false,
            page_bytes: 0,
            limit: 0,
            cut: None,
            next: false,
        }
    }
}

/// A file of `fixtures/timeseries/regressions`: its name and its content.
macro_rules! regression {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/timeseries/regressions/", $name)),
        )
    };
}

/// The files of `fixtures/timeseries/regressions`; a test compares the list with the folder.
const COMMITTED: &[(&str, &str)] = &[
    regression!("property-answers_go_on_under_writes-0578ed9a6b9e1f12.json"),
    regression!("property-events_live_for_their_retention-4a6dc33a3dd140c7.json"),
    regression!("property-operations_agree_with_the_model-6d7d25f49e9f0cb7.json"),
];

/// The regressions that are embedded in this suite, by file name.
///
/// # Panics
/// If an embedded file does not parse; the suite's own tests rule that out.
pub fn committed() -> impl Iterator<Item = (&'static str, Regression)> {
    COMMITTED.iter().map(|(name, json)| {
        let regression = Regression::from_json(json).expect("a test parses each committed regression");
        (*name, regression)
    })
}
