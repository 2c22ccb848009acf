//! Shared helpers of the cases: needs, durations, hostile bytes, and concatenated responses.

use std::time::Duration;

use prism_contract::keyvalue::request::{GetResponse, ItemInput, ScanResponse};
use prism_contract::keyvalue::{Capability, Entry, Item};

use crate::core::{Ability, Proof, Reply};
use crate::keyvalue::{Ctx, Need, item};

pub(super) const CONDITIONAL: Need = Need::Declares(Capability::ConditionalWrites);
pub(super) const TOKENS: Need = Need::Declares(Capability::PriorityTokens);
pub(super) const EXPIRY: Need = Need::Declares(Capability::Expiry);
pub(super) const REVERSE: Need = Need::Declares(Capability::Reverse);
pub(super) const NAMESPACE_SCAN: Need = Need::Declares(Capability::NamespaceScan);
pub(super) const MANUAL_CLOCK: Need = Need::Ability(Ability::ManualClock);
pub(super) const SWEEP: Need = Need::Ability(Ability::Sweep);
pub(super) const RESTART: Need = Need::Ability(Ability::Restart);
pub(super) const CRASH: Need = Need::Ability(Ability::Crash);

/// The resolution of the contract's clock.
pub(super) const MICRO: Duration = Duration::from_micros(1);

/// A ttl longer than any case runs, so that such an item does not expire during the case.
pub(super) const HOUR: Duration = Duration::from_hours(1);

/// One microsecond less than [`HOUR`].
pub(super) const ALMOST_AN_HOUR: Duration = Duration::from_micros(3_599_999_999);

/// Default retention of a tombstone (TOK-4).
pub(super) const RETENTION: Duration = Duration::from_hours(24);

/// One microsecond less than [`RETENTION`].
pub(super) const ALMOST_THE_RETENTION: Duration = Duration::from_micros(86_399_999_999);

/// Fixed page weight of an item, besides its key, value and content type (PAGE-7).
const FIXED_WEIGHT: usize = 96;

/// Incompressible bytes, not valid in any text encoding; deterministic for a seed.
pub(super) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(&mut next).take(len.div_ceil(8)).flatten().collect();
    bytes.truncate(len);
    bytes
}

/// `count` items `k0000=v0`, `k0001=v1`, ….
pub(super) fn numbered(count: usize) -> Vec<ItemInput> {
    (0..count).map(|at| item(format!("k{at:04}"), format!("v{at}"))).collect()
}

/// The keys of `items`.
pub(super) fn keys_of(items: &[ItemInput]) -> Vec<&[u8]> {
    items.iter().map(|item| item.key.as_ref()).collect()
}

/// The items of all pages.
pub(super) fn joined(pages: &[Reply<GetResponse>]) -> Vec<Item> {
    pages.iter().flat_map(|page| page.items.iter().cloned()).collect()
}

/// The entries of these messages.
pub(super) fn entries(messages: &[ScanResponse]) -> Vec<Entry> {
    messages.iter().flat_map(|message| message.entries.iter().cloned()).collect()
}

/// The weight of an item on a page of a Get (PAGE-7).
pub(super) fn weight(item: &Item) -> usize {
    item.key.len() + item.value.len() + item.content_type.len() + FIXED_WEIGHT
}

/// The description of the violation that stands for `count` others (ERR-1).
pub(super) fn unlisted(count: usize) -> String {
    format!("{count} more violations are not listed")
}

/// The response of a Scan without results: one empty message without a token (SCAN-1).
pub(super) fn finds_nothing(answer: &Reply<Vec<ScanResponse>>) -> Proof {
    let messages: &Vec<ScanResponse> = answer;
    answer.same("messages", &vec![ScanResponse::default()], messages)
}

/// Advances past a ttl of one tick: by one and a half ticks, so that only the cases about the exact microsecond of an
/// expiry depend on it.
pub(super) async fn expire_tick(c: &Ctx) -> Proof {
    c.advance(c.tick() * 3 / 2).await
}

/// Record `r` holds exactly the same items as before, versions and times included.
pub(super) async fn unchanged(c: &Ctx, before: &Reply<GetResponse>) -> Proof {
    let after = c.get().ok().await?;
    after.same("items", &before.items, &after.items)
}
