//! Random operations over few names, so that they collide, and over names that incorrect stores confuse.

use bytes::Bytes;
use prism_contract::keyvalue::request::{ItemInput, KeyPredicate, SelectionInput};
use prism_contract::keyvalue::{Capabilities, Capability};
use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy};
use proptest::prop_oneof;
use proptest::sample::select;
use proptest::strategy::ValueTree;

use crate::core::{Abilities, Ability, Restart};
use crate::keyvalue::op::{At, Delete, Get, Op, Page, Put, Scan, Space, Span};

/// Workload mix of a property. Probabilities are between 0 and 1; a name listed twice is drawn twice as often.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    /// Keys.
    pub keys: &'static [&'static [u8]],
    /// Namespace suffixes.
    pub spaces: &'static [&'static str],
    /// Ids.
    pub ids: &'static [&'static str],
    /// Relative frequency of each operation.
    pub weights: Weights,
    /// Probability of a token on a write.
    pub tokens: f64,
    /// Probability of a ttl on a Put.
    pub ttls: f64,
    /// Probability of preconditions on a write.
    pub conditions: f64,
    /// Probability that a read has small pages and continues the last one.
    pub pages: f64,
    /// Minimum and maximum number of operations.
    pub length: (usize, usize),
}

/// Relative frequencies of the operations.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "each is named for its operation")]
pub struct Weights {
    pub put: u32,
    pub get: u32,
    pub delete: u32,
    pub scan: u32,
    pub describe: u32,
    pub advance: u32,
    pub retention: u32,
    pub sweep: u32,
    pub restart: u32,
}

/// Sequences of this mix, with every capability; [`within`] restricts them to those of one store.
pub fn operations(mix: Mix) -> impl Strategy<Value = Vec<Op>, Tree: ValueTree<Value = Vec<Op>> + Send> {
    let weights = mix.weights;
    let retention = prop_oneof![Just(Span::AlmostRetention), Just(Span::Retention)];
    let one = prop_oneof![
        weights.put => put(mix),
        weights.get => get(mix),
        weights.delete => delete(mix),
        weights.scan => scan(mix),
        weights.advance => span().prop_map(Op::Advance),
        weights.retention => retention.prop_map(Op::Advance),
        weights.sweep => Just(Op::Sweep),
        weights.restart => prop_oneof![Just(Op::Restart(Restart::Clean)), Just(Op::Restart(Restart::Crash))],
        weights.describe => space(mix).prop_map(Op::Describe),
    ];
    vec(one, mix.length.0..=mix.length.1)
}

/// Proptest rejects the probabilities 0 and 1 of an option.
fn probability(of: f64) -> f64 {
    of.clamp(0.001, 0.999)
}

fn space(mix: Mix) -> impl Strategy<Value = Space, Tree: Send> {
    select(mix.spaces).prop_map(|suffix| Space(suffix.to_owned()))
}

fn id(mix: Mix) -> impl Strategy<Value = String, Tree: Send> {
    select(mix.ids).prop_map(str::to_owned)
}

fn key(mix: Mix) -> impl Strategy<Value = Bytes, Tree: Send> {
    select(mix.keys).prop_map(Bytes::from_static)
}

fn span() -> impl Strategy<Value = Span, Tree: Send> {
    prop_oneof![
        6 => (1..=3_u32).prop_map(Span::Ticks),
        2 => (1..=2_u32).prop_map(Span::Almost),
        2 => Just(Span::Microsecond),
    ]
}

fn item(mix: Mix) -> impl Strategy<Value = ItemInput, Tree: Send> {
    let values: &[&[u8]] = &[b"", b"1", b"2", b"three", b"\x00\xff", &[b'x'; 60]];
    let types: &[&str] = &["", "", "text/plain"];
    (key(mix), select(values), select(types), select(&[0, 0, 0, 2, 99][..])).prop_map(
        |(key, value, content_type, compression)| ItemInput {
            key,
            value: Bytes::from_static(value),
            content_type: content_type.to_owned(),
            compression,
        },
    )
}

/// Wire value of a write's token: mostly none or a small one, so that tokens collide; rarely an invalid one.
fn token(mix: Mix) -> impl Strategy<Value = i64, Tree: Send> {
    let some = prop_oneof![60 => 1..=6_i64, 1 => Just(-1_i64)];
    option::weighted(probability(mix.tokens), some).prop_map(Option::unwrap_or_default)
}

fn when(mix: Mix) -> impl Strategy<Value = Vec<(Bytes, At)>, Tree: Send> {
    let at = prop_oneof![
        10 => Just(At::Current),
        4 => Just(At::Absent),
        3 => Just(At::Stale),
        1 => prop_oneof![Just(At::Number(1)), Just(At::Number(-1))],
    ];
    let some = vec((key(mix), at), 1..=2);
    (option::weighted(probability(mix.conditions), some), weighted(0.05)).prop_map(|(when, duplicates)| {
        deduplicate(when.unwrap_or_default(), duplicates, |(key, _)| key.clone())
    })
}

/// Removes duplicates, which the contract refuses, unless `duplicates` is set.
fn deduplicate<T>(mut all: Vec<T>, duplicates: bool, key: impl Fn(&T) -> Bytes) -> Vec<T> {
    let mut seen = Vec::new();
    all.retain(|one| {
        let new = !seen.contains(&key(one));
        seen.push(key(one));
        new || duplicates
    });
    all
}

fn put(mix: Mix) -> impl Strategy<Value = Op, Tree: Send> {
    let ttl = option::weighted(probability(mix.ttls), prop_oneof![30 => 1..=4_i64, 1 => -1..=0_i64]);
    let items = (vec(item(mix), 1..=3), weighted(0.03));
    (space(mix), id(mix), items, token(mix), ttl, when(mix)).prop_map(
        |(space, id, (items, duplicates), token, ttl, when)| {
            let items = deduplicate(items, duplicates, |item| item.key.clone());
            Op::Put(Put { space, id, items, token, ttl, when })
        },
    )
}

fn predicate(mix: Mix) -> impl Strategy<Value = KeyPredicate, Tree: Send> {
    prop_oneof![40 => predicate_over(mix.keys, 0.06), 1 => Just(KeyPredicate::Unset)]
}

/// Any predicate over these keys; `inverted` is the probability that a range is not made valid.
pub(super) fn predicate_over(
    keys: &'static [&'static [u8]],
    inverted: f64,
) -> impl Strategy<Value = KeyPredicate, Tree: Send> {
    let key = || select(keys).prop_map(Bytes::from_static);
    let bound = move || option::weighted(0.7, key()).prop_map(Option::unwrap_or_default);
    let prefixes: &[&[u8]] = &[b"", b"a", b"\xff", b"\xff\xff", b"\xc3", b"e", b"%"];
    prop_oneof![
        8 => Just(KeyPredicate::MatchAll),
        4 => vec(key(), 1..=3).prop_map(KeyPredicate::MatchKeys),
        4 => (bound(), bound(), weighted(inverted)).prop_map(|(one, other, any)| range(one, other, any)),
        4 => select(prefixes).prop_map(|prefix| KeyPredicate::MatchPrefix(Bytes::from_static(prefix))),
    ]
}

/// A range with its bounds in order, so that it is not refused; `any`: with the bounds as they are.
fn range(one: Bytes, other: Bytes, any: bool) -> KeyPredicate {
    if one.is_empty() || other.is_empty() || one < other || any {
        return KeyPredicate::MatchRange { start: one, end: other };
    }
    let end = if one == other { Bytes::new() } else { one };
    KeyPredicate::MatchRange { start: other, end }
}

fn selection() -> impl Strategy<Value = SelectionInput, Tree: Send> {
    (option::weighted(0.3, small()), weighted(0.2), weighted(0.35)).prop_map(|(size, keys_only, reverse)| {
        let (item_limit, page_size_bytes) = size.unwrap_or_default();
        SelectionInput { item_limit, page_size_bytes, keys_only, reverse }
    })
}

/// A small page: limited by items, by bytes or by both.
fn small() -> impl Strategy<Value = (u32, u32), Tree: Send> {
    let bytes = || select(&[1, 100, 200, 260, 330, 400][..]);
    prop_oneof![
        4 => (1..=3_u32, Just(0)),
        2 => (Just(0), bytes()),
        1 => (1..=3_u32, bytes()),
    ]
}

/// One of few requests with small pages, so that later requests continue earlier ones.
fn paged() -> impl Strategy<Value = (Option<KeyPredicate>, SelectionInput, Page), Tree: Send> {
    let some = Some(KeyPredicate::MatchRange { start: Bytes::from_static(b"A"), end: Bytes::new() });
    let page = prop_oneof![2 => Just(Page::First), 20 => Just(Page::Next), 2 => Just(Page::Foreign)];
    (select(vec![None, None, None, None, some]), small(), weighted(0.1), weighted(0.3), page).prop_map(
        |(predicate, (item_limit, page_size_bytes), keys_only, reverse, page)| {
            let selection = SelectionInput { item_limit, page_size_bytes, keys_only, reverse };
            (predicate, selection, page)
        },
    )
}

/// A request of any kind, from the beginning or with a token that must be refused.
fn unpaged(mix: Mix) -> impl Strategy<Value = (Option<KeyPredicate>, SelectionInput, Page), Tree: Send> {
    let page = prop_oneof![40 => Just(Page::First), 1 => Just(Page::Broken), 2 => Just(Page::Foreign)];
    (option::weighted(0.8, predicate(mix)), selection(), page)
}

/// Record, selection and page of a read. Small pages are read from the first record only.
fn read(mix: Mix) -> impl Strategy<Value = Read, Tree: Send> {
    let first = (mix.spaces[0], mix.ids[0]);
    let anywhere = (select(mix.spaces), select(mix.ids));
    (weighted(probability(mix.pages)), paged(), anywhere, unpaged(mix)).prop_map(
        move |(pages, paged, anywhere, unpaged)| {
            let ((space, id), (predicate, selection, page)) =
                if pages { (first, paged) } else { (anywhere, unpaged) };
            Read { space: Space(space.to_owned()), id: id.to_owned(), predicate, selection, page }
        },
    )
}

/// Common parameters of a Get and a Scan.
#[derive(Debug, Clone)]
struct Read {
    space: Space,
    id: String,
    predicate: Option<KeyPredicate>,
    selection: SelectionInput,
    page: Page,
}

fn get(mix: Mix) -> impl Strategy<Value = Op, Tree: Send> {
    read(mix).prop_map(|Read { space, id, predicate, selection, page }| {
        Op::Get(Get { space, id, predicate, selection, page })
    })
}

fn delete(mix: Mix) -> impl Strategy<Value = Op, Tree: Send> {
    let predicate = option::weighted(0.98, predicate(mix));
    (space(mix), id(mix), predicate, token(mix), when(mix)).prop_map(|(space, id, predicate, token, when)| {
        Op::Delete(Delete { space, id, predicate, token, when })
    })
}

fn scan(mix: Mix) -> impl Strategy<Value = Op, Tree: Send> {
    let limit = option::weighted(0.2, 1..=4_u64).prop_map(Option::unwrap_or_default);
    (read(mix), weighted(0.3), limit, option::weighted(0.5, 1..=2_usize)).prop_map(
        |(Read { space, id, predicate, selection, page }, one, limit, cut)| {
            let id = one.then_some(id);
            Op::Scan(Scan { space, id, predicate, selection, limit, cut, page })
        },
    )
}

/// Factor on ttls without a manual clock: no item expires during a run.
const TTL_FACTOR: i64 = 100_000;

/// The same operations, restricted to the capabilities of the store and the abilities of the harness.
pub fn within(ops: &[Op], capabilities: Capabilities, abilities: Abilities) -> Vec<Op> {
    ops.iter().filter_map(|op| restrict(op.clone(), capabilities, abilities)).collect()
}

fn restrict(op: Op, capabilities: Capabilities, abilities: Abilities) -> Option<Op> {
    let drop_unclaimed_guards = |token: &mut i64, when: &mut Vec<_>| {
        if !capabilities.contains(Capability::PriorityTokens) {
            *token = 0;
        }
        if !capabilities.contains(Capability::ConditionalWrites) {
            when.clear();
        }
    };
    let drop_unclaimed_reverse = |selection: &mut SelectionInput| {
        selection.reverse &= capabilities.contains(Capability::Reverse);
    };
    let able = match op {
        Op::Put(mut put) => {
            drop_unclaimed_guards(&mut put.token, &mut put.when);
            put.ttl = put.ttl.filter(|_| capabilities.contains(Capability::Expiry));
            if !abilities.contains(Ability::ManualClock) {
                put.ttl = put.ttl.map(|ticks| ticks * TTL_FACTOR);
            }
            return Some(Op::Put(put));
        }
        Op::Delete(mut delete) => {
            drop_unclaimed_guards(&mut delete.token, &mut delete.when);
            return Some(Op::Delete(delete));
        }
        Op::Get(mut get) => {
            drop_unclaimed_reverse(&mut get.selection);
            return Some(Op::Get(get));
        }
        Op::Scan(mut scan) => {
            drop_unclaimed_reverse(&mut scan.selection);
            if !capabilities.contains(Capability::NamespaceScan) {
                scan.id.get_or_insert_with(|| "r".to_owned());
            }
            return Some(Op::Scan(scan));
        }
        Op::Describe(_) => true,
        Op::Advance(_) => abilities.contains(Ability::ManualClock),
        Op::Sweep => abilities.contains(Ability::Sweep),
        Op::Restart(Restart::Clean) => abilities.contains(Ability::Restart),
        Op::Restart(Restart::Crash) => abilities.contains(Ability::Crash),
    };
    able.then_some(op)
}

/// Maximum items and bytes of a page; 0: the default.
pub(super) fn sizes() -> impl Strategy<Value = (u32, u32), Tree: Send> {
    (0..=3_u32, prop_oneof![Just(0_u32), 1..=500_u32])
}
