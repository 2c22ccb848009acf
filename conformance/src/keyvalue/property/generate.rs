//! Random operations: over few names, so that they meet, and names that bad stores confuse.

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

/// How a property's sequences are mixed. Chances are between 0 and 1; a name that stands twice is drawn twice as often.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    /// Keys.
    pub keys: &'static [&'static [u8]],
    /// Suffixes of namespaces.
    pub spaces: &'static [&'static str],
    /// Ids.
    pub ids: &'static [&'static str],
    /// How often each operation comes.
    pub weights: Weights,
    /// The chance that a write has a token.
    pub tokens: f64,
    /// The chance that a Put has a ttl.
    pub ttls: f64,
    /// The chance that a write has preconditions.
    pub conditions: f64,
    /// The chance that a read has small pages, and that it goes on where the last one ended.
    pub pages: f64,
    /// How many operations.
    pub length: (usize, usize),
}

/// How often each operation comes, relative to the others.
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

/// Sequences of this mix, with everything that any store may claim; [`within`] keeps to what one does.
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

/// Proptest takes no option that never, or always, comes.
fn chance(of: f64) -> f64 {
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

/// The wire's number of a write's token: mostly none or a small one, so that they meet; rarely a wrong one.
fn token(mix: Mix) -> impl Strategy<Value = i64, Tree: Send> {
    let some = prop_oneof![60 => 1..=6_i64, 1 => Just(-1_i64)];
    option::weighted(chance(mix.tokens), some).prop_map(Option::unwrap_or_default)
}

fn when(mix: Mix) -> impl Strategy<Value = Vec<(Bytes, At)>, Tree: Send> {
    let at = prop_oneof![
        10 => Just(At::Current),
        4 => Just(At::Absent),
        3 => Just(At::Stale),
        1 => prop_oneof![Just(At::Number(1)), Just(At::Number(-1))],
    ];
    let some = vec((key(mix), at), 1..=2);
    (option::weighted(chance(mix.conditions), some), weighted(0.05))
        .prop_map(|(when, doubles)| once(when.unwrap_or_default(), doubles, |(key, _)| key.clone()))
}

/// Without doubles, which the contract refuses, unless they are wanted.
fn once<T>(mut all: Vec<T>, doubles: bool, key: impl Fn(&T) -> Bytes) -> Vec<T> {
    let mut seen = Vec::new();
    all.retain(|one| {
        let new = !seen.contains(&key(one));
        seen.push(key(one));
        new || doubles
    });
    all
}

fn put(mix: Mix) -> impl Strategy<Value = Op, Tree: Send> {
    let ttl = option::weighted(chance(mix.ttls), prop_oneof![30 => 1..=4_i64, 1 => -1..=0_i64]);
    let items = (vec(item(mix), 1..=3), weighted(0.03));
    (space(mix), id(mix), items, token(mix), ttl, when(mix)).prop_map(
        |(space, id, (items, doubles), token, ttl, when)| {
            let items = once(items, doubles, |item| item.key.clone());
            Op::Put(Put { space, id, items, token, ttl, when })
        },
    )
}

fn predicate(mix: Mix) -> impl Strategy<Value = KeyPredicate, Tree: Send> {
    prop_oneof![40 => predicate_over(mix.keys, 0.06), 1 => Just(KeyPredicate::Unset)]
}

/// Any predicate over these keys; `inverted` is the chance that a range need not be a valid one.
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

/// The bounds in order, so that the range is not refused, unless any will do.
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

/// A page of a few items: by their number, by their bytes or by both.
fn small() -> impl Strategy<Value = (u32, u32), Tree: Send> {
    let bytes = || select(&[1, 100, 200, 260, 330, 400][..]);
    prop_oneof![
        4 => (1..=3_u32, Just(0)),
        2 => (Just(0), bytes()),
        1 => (1..=3_u32, bytes()),
    ]
}

/// One of few requests with small pages, so that the next one goes on where it ended.
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

/// A request of any kind, from the beginning or from a token that it must refuse.
fn unpaged(mix: Mix) -> impl Strategy<Value = (Option<KeyPredicate>, SelectionInput, Page), Tree: Send> {
    let page = prop_oneof![40 => Just(Page::First), 1 => Just(Page::Broken), 2 => Just(Page::Foreign)];
    (option::weighted(0.8, predicate(mix)), selection(), page)
}

/// Which record is read, what of it, and from where. Small pages are read of the first record.
fn read(mix: Mix) -> impl Strategy<Value = Read, Tree: Send> {
    let first = (mix.spaces[0], mix.ids[0]);
    let anywhere = (select(mix.spaces), select(mix.ids));
    (weighted(chance(mix.pages)), paged(), anywhere, unpaged(mix)).prop_map(
        move |(pages, paged, anywhere, unpaged)| {
            let ((space, id), (predicate, selection, page)) =
                if pages { (first, paged) } else { (anywhere, unpaged) };
            Read { space: Space(space.to_owned()), id: id.to_owned(), predicate, selection, page }
        },
    )
}

/// What a Get and a Scan have in common.
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

/// How much longer items live where the clock cannot be moved: so long that none expires during a run.
const FAR: i64 = 100_000;

/// The same operations with no more than the store claims and the harness can do.
pub fn within(ops: &[Op], claims: Capabilities, abilities: Abilities) -> Vec<Op> {
    ops.iter().filter_map(|op| restrict(op.clone(), claims, abilities)).collect()
}

fn restrict(op: Op, claims: Capabilities, abilities: Abilities) -> Option<Op> {
    let unguarded = |token: &mut i64, when: &mut Vec<_>| {
        if !claims.contains(Capability::PriorityTokens) {
            *token = 0;
        }
        if !claims.contains(Capability::ConditionalWrites) {
            when.clear();
        }
    };
    let forwards = |selection: &mut SelectionInput| {
        selection.reverse &= claims.contains(Capability::Reverse);
    };
    let able = match op {
        Op::Put(mut put) => {
            unguarded(&mut put.token, &mut put.when);
            put.ttl = put.ttl.filter(|_| claims.contains(Capability::Expiry));
            if !abilities.contains(Ability::ManualClock) {
                put.ttl = put.ttl.map(|ticks| ticks * FAR);
            }
            return Some(Op::Put(put));
        }
        Op::Delete(mut delete) => {
            unguarded(&mut delete.token, &mut delete.when);
            return Some(Op::Delete(delete));
        }
        Op::Get(mut get) => {
            forwards(&mut get.selection);
            return Some(Op::Get(get));
        }
        Op::Scan(mut scan) => {
            forwards(&mut scan.selection);
            if !claims.contains(Capability::NamespaceScan) {
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

/// A page's most items and most bytes; 0: the default.
pub(super) fn sizes() -> impl Strategy<Value = (u32, u32), Tree: Send> {
    (0..=3_u32, prop_oneof![Just(0_u32), 1..=500_u32])
}
