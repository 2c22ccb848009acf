//! What several modules of cases share: needs, spans, hostile bytes, and answers put together.

use std::time::Duration;

use prism_contract::keyvalue::request::{GetResponse, ItemInput, ScanResponse};
use prism_contract::keyvalue::{Capability, Entry, Item};

use crate::core::{Ability, Proof, Reply};
use crate::keyvalue::{Ctx, Need, item};

pub(super) const CONDITIONAL: Need = Need::Claim(Capability::ConditionalWrites);
pub(super) const TOKENS: Need = Need::Claim(Capability::PriorityTokens);
pub(super) const EXPIRY: Need = Need::Claim(Capability::Expiry);
pub(super) const REVERSE: Need = Need::Claim(Capability::Reverse);
pub(super) const NAMESPACE_SCAN: Need = Need::Claim(Capability::NamespaceScan);
pub(super) const MANUAL_CLOCK: Need = Need::Ability(Ability::ManualClock);
pub(super) const SWEEP: Need = Need::Ability(Ability::Sweep);
pub(super) const RESTART: Need = Need::Ability(Ability::Restart);
pub(super) const CRASH: Need = Need::Ability(Ability::Crash);

/// The least span of the contract's time.
pub(super) const MICRO: Duration = Duration::from_micros(1);

/// Longer than any case takes, so that nothing with this ttl dies while the case runs.
pub(super) const HOUR: Duration = Duration::from_hours(1);

/// A microsecond less than that.
pub(super) const ALMOST_AN_HOUR: Duration = Duration::from_micros(3_599_999_999);

/// How long a tombstone is honoured unless configured otherwise (TOK-4).
pub(super) const RETENTION: Duration = Duration::from_hours(24);

/// A microsecond less than that.
pub(super) const ALMOST_THE_RETENTION: Duration = Duration::from_micros(86_399_999_999);

/// What a page counts for an item besides its key, value and content type (PAGE-7).
const FIXED_WEIGHT: usize = 96;

/// Bytes that no compression shortens and no encoding likes; the same for the same seed.
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

/// So many items `k0000=v0`, `k0001=v1`, ….
pub(super) fn numbered(count: usize) -> Vec<ItemInput> {
    (0..count).map(|at| item(format!("k{at:04}"), format!("v{at}"))).collect()
}

/// Their keys.
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

/// What an item weighs on a page of a Get (PAGE-7).
pub(super) fn weight(item: &Item) -> usize {
    item.key.len() + item.value.len() + item.content_type.len() + FIXED_WEIGHT
}

/// The answer is that of a Scan that finds nothing: one empty message without a token (SCAN-1).
pub(super) fn finds_nothing(answer: &Reply<Vec<ScanResponse>>) -> Proof {
    let messages: &Vec<ScanResponse> = answer;
    answer.same("messages", &vec![ScanResponse::default()], messages)
}

/// Lets what was put with a ttl of a tick die. It lets half a tick more pass, so that only the cases about the very
/// microsecond of an expiry depend on it.
pub(super) async fn lapse(c: &Ctx) -> Proof {
    c.advance(c.tick() * 3 / 2).await
}

/// Record `r` holds the very same items as before, versions and times included.
pub(super) async fn untouched(c: &Ctx, before: &Reply<GetResponse>) -> Proof {
    let after = c.get().ok().await?;
    after.same("items", &before.items, &after.items)
}
