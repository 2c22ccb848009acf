//! Random operations over few names and times, so that they collide, and at the ends of the window and of the retention.

use bytes::Bytes;
use prism_contract::timeseries::{Capabilities, Capability};
use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy};
use proptest::prop_oneof;
use proptest::sample::select;
use proptest::strategy::ValueTree;

use crate::core::{Abilities, Ability, Restart};
use crate::timeseries::op::{
    Append, At, Delete, From, Histogram, Input, List, Op, Origin, Query, Space, Tail,
};
use crate::timeseries::policies::{FREE, SuitePolicy};

/// Workload mix of a property. Probabilities are between 0 and 1; a name or a time listed twice is drawn twice as often.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    /// The policy of the namespaces.
    pub policy: SuitePolicy,
    /// Namespace suffixes.
    pub spaces: &'static [&'static str],
    /// Series.
    pub series: &'static [&'static str],
    /// Minutes from the server's time, of events and of bounds.
    pub minutes: &'static [i64],
    /// Minutes that the clock advances.
    pub advances: &'static [u64],
    /// Relative frequency of each operation.
    pub weights: Weights,
    /// Probability that a Query has small pages and continues the last one.
    pub pages: f64,
    /// Minimum and maximum number of operations.
    pub length: (usize, usize),
}

/// Relative frequencies of the operations.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "each is named for its operation")]
pub struct Weights {
    pub append: u32,
    pub query: u32,
    pub tail: u32,
    pub list: u32,
    pub histogram: u32,
    pub delete: u32,
    pub advance: u32,
    pub sweep: u32,
    pub restart: u32,
}

const MINUTE: i64 = 60_000_000;

/// Sequences of this mix, with every capability; [`within`] restricts them to those of one store.
pub fn operations(mix: Mix) -> impl Strategy<Value = Vec<Op>, Tree: ValueTree<Value = Vec<Op>> + Send> {
    let weights = mix.weights;
    let advance = select(mix.advances).prop_map(|minutes| Op::Advance(minutes * 60_000_000));
    let one = prop_oneof![
        weights.append => append(mix),
        weights.query => query(mix),
        weights.tail => tail(mix),
        weights.list => list(mix),
        weights.histogram => histogram(mix),
        weights.delete => delete(mix),
        weights.advance => advance,
        weights.sweep => Just(Op::Sweep),
        weights.restart => prop_oneof![Just(Op::Restart(Restart::Clean)), Just(Op::Restart(Restart::Crash))],
    ];
    vec(one, mix.length.0..=mix.length.1)
}

fn space(mix: Mix) -> impl Strategy<Value = Space, Tree: Send> {
    select(mix.spaces).prop_map(move |suffix| Space { policy: mix.policy, suffix: suffix.to_owned() })
}

fn series(mix: Mix) -> impl Strategy<Value = String, Tree: Send> {
    select(mix.series).prop_map(str::to_owned)
}

/// A time around the server's: a whole minute, or a microsecond beside it.
fn at(mix: Mix) -> impl Strategy<Value = At, Tree: Send> {
    let beside = prop_oneof![8 => Just(0_i64), 1 => Just(-1), 1 => Just(1)];
    (select(mix.minutes), beside)
        .prop_map(|(minutes, beside)| At { origin: Origin::Now, micros: minutes * MINUTE + beside })
}

fn filter() -> impl Strategy<Value = Vec<(String, String)>, Tree: Send> {
    let filters: [&[(&str, &str)]; 7] =
        [&[], &[], &[], &[("k", "1")], &[("k", "2")], &[("l", "")], &[("k", "1"), ("l", "")]];
    select(filters.to_vec()).prop_map(owned)
}

fn owned(tags: &[(&str, &str)]) -> Vec<(String, String)> {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn input(mix: Mix) -> impl Strategy<Value = Input, Tree: Send> {
    let ids: &[&[u8]] = &[b"a", b"a", b"b", b"\xff", b"a\x00"];
    let payloads: &[&[u8]] = &[b"", b"1", b"2", b"\x00\xff", &[b'x'; 60]];
    let types: &[&str] = &["", "", "text/plain"];
    let content = (select(payloads), select(types), filter());
    (series(mix), at(mix), select(ids), content).prop_map(
        |(series, at, id, (payload, content_type, tags))| Input {
            series,
            at,
            id: Bytes::from_static(id),
            payload: Bytes::from_static(payload),
            content_type: content_type.to_owned(),
            tags,
        },
    )
}

fn append(mix: Mix) -> impl Strategy<Value = Op, Tree: Send> {
    (space(mix), vec(input(mix), 1..=4), weighted(0.03)).prop_map(|(space, mut events, twice)| {
        // Two events with one identity are refused.
        let mut seen = Vec::new();
        events.retain(|event| {
            let identity = (event.series.clone(), event.at, event.id.clone());
            let is_new = !seen.contains(&identity);
            seen.push(identity);
            is_new || twice
        });
        Op::Append(Append { space, events })
    })
}

/// Bounds, mostly in order.
fn range(mix: Mix) -> impl Strategy<Value = (Option<At>, Option<At>), Tree: Send> {
    let bound = || option::weighted(0.4, at(mix));
    (bound(), bound(), weighted(0.03)).prop_map(|(start, end, any)| match (start, end) {
        (Some(start), Some(end)) if !any && start.micros == end.micros => (Some(start), None),
        (Some(start), Some(end)) if !any && start.micros > end.micros => (Some(end), Some(start)),
        bounds => bounds,
    })
}

fn query(mix: Mix) -> impl Strategy<Value = Op, Tree: Send> {
    let options = (weighted(0.3), weighted(0.1), weighted(mix.pages.clamp(0.001, 0.999)));
    let page = (
        select(&[0_u32, 1, 1, 40][..]),
        select(&[0_u64, 1, 2, 3][..]),
        select(&[None, Some(1), Some(2)][..]),
    );
    (space(mix), series(mix), range(mix), filter(), options, page).prop_map(
        move |(space, series, (start, end), tags, options, (page_bytes, limit, cut))| {
            let (reverse, without_payload, pages) = options;
            if pages {
                // Few different requests, so that later ones continue earlier ones.
                let (space, series) =
                    (Space { policy: mix.policy, suffix: mix.spaces[0].to_owned() }, mix.series[0]);
                return Op::Query(Query {
                    reverse,
                    without_payload,
                    page_bytes,
                    limit,
                    cut,
                    next: true,
                    ..Query::all(space, series)
                });
            }
            let cut = None;
            Op::Query(Query {
                space,
                series,
                start,
                end,
                tags,
                reverse,
                without_payload,
                page_bytes,
                limit: if limit == 3 { limit } else { 0 },
                cut,
                next: false,
            })
        },
    )
}

fn tail(mix: Mix) -> impl Strategy<Value = Op, Tree: Send> {
    let from = prop_oneof![
        3 => Just(From::Beginning),
        1 => Just(From::Now),
        8 => (0..5_usize).prop_map(From::Token),
    ];
    let all = weighted(0.2);
    (space(mix), series(mix), filter(), weighted(0.1), from, all).prop_map(
        |(space, series, tags, without_payload, from, all)| {
            Op::Tail(Tail { space, series: (!all).then_some(series), tags, without_payload, from })
        },
    )
}

fn list(mix: Mix) -> impl Strategy<Value = Op, Tree: Send> {
    let prefix = prop_oneof![3 => Just(String::new()), 1 => series(mix)];
    (space(mix), prefix, 0..=2_u64, weighted(0.4))
        .prop_map(|(space, prefix, limit, next)| Op::List(List { space, prefix, limit, next }))
}

fn histogram(mix: Mix) -> impl Strategy<Value = Op, Tree: Send> {
    let bucket = select(&[60_000_000_u64, 90_000_001, 600_000_000][..]);
    (space(mix), series(mix), at(mix), at(mix), bucket, filter()).prop_map(
        |(space, series, one, other, bucket, tags)| {
            let (start, end) = if one.micros < other.micros { (one, other) } else { (other, one) };
            Op::Histogram(Histogram { space, series, start, end, bucket, tags })
        },
    )
}

fn delete(mix: Mix) -> impl Strategy<Value = Op, Tree: Send> {
    (space(mix), series(mix), range(mix))
        .prop_map(|(space, series, (start, end))| Op::Delete(Delete { space, series, start, end }))
}

/// The same operations, restricted to the capabilities of the store and the abilities of the harness.
pub fn within(ops: &[Op], capabilities: Capabilities, abilities: Abilities) -> Vec<Op> {
    ops.iter().filter_map(|op| restrict(op.clone(), capabilities, abilities)).collect()
}

fn restrict(op: Op, capabilities: Capabilities, abilities: Abilities) -> Option<Op> {
    let is_timed = abilities.contains(Ability::ManualClock);
    if let Some(space) = op.space()
        && space.policy != FREE
        && !(is_timed && abilities.contains(Ability::Policies))
    {
        return None;
    }
    let able = match op {
        Op::Query(mut query) => {
            query.reverse &= capabilities.contains(Capability::Reverse);
            return Some(Op::Query(query));
        }
        Op::Append(_) => true,
        Op::Tail(ref tail) => tail.series.is_some() || capabilities.contains(Capability::NamespaceTail),
        Op::List(_) => capabilities.contains(Capability::ListSeries),
        Op::Histogram(_) => capabilities.contains(Capability::Histogram),
        Op::Delete(_) => capabilities.contains(Capability::Delete),
        Op::Advance(_) => is_timed,
        Op::Sweep => abilities.contains(Ability::Sweep),
        Op::Restart(Restart::Clean) => abilities.contains(Ability::Restart),
        Op::Restart(Restart::Crash) => abilities.contains(Ability::Crash),
    };
    able.then_some(op)
}
