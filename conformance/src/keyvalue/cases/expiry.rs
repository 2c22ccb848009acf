//! Expiry: an item is live strictly before expires_at and absent from then on, swept or not.

use super::support::{
    ALMOST_AN_HOUR, CONDITIONAL, CRASH, EXPIRY, HOUR, MANUAL_CLOCK, MICRO, NAMESPACE_SCAN, RESTART, SWEEP,
    expire_tick, finds_nothing, unchanged,
};
use crate::core::StatusCode::FailedPrecondition;
use crate::core::{Proof, Restart, case};
use crate::keyvalue::{Case, Ctx, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "expiry::ends_an_item_for_reads",
        "An expired item is absent in Get and Scan.",
        ["TTL-1"],
        [EXPIRY],
        |c| {
            c.put(items([("a", "1"), ("c", "3")])).ttl(c.tick()).ok().await?;
            c.put_one("b", "2").ttl(HOUR).ok().await?;
            expire_tick(c).await?;
            c.get().ok().await?.holds(&[("b", "2")])?;
            c.get().keys(["a", "c"]).ok().await?.is_empty()?;
            c.get().prefix("a").ok().await?.is_empty()?;
            c.scan().on("r").ok().await?.has_keys(&[("r", "b")])?;
            finds_nothing(&c.scan().on("r").range("c", "").ok().await?)
        }
    ),
    case!(
        "expiry::ends_an_item_for_deletes",
        "An expired item is not counted by Delete.",
        ["TTL-1"],
        [EXPIRY],
        |c| {
            c.put(items([("a", "1"), ("b", "2"), ("c", "3")])).ttl(c.tick()).ok().await?;
            c.put_one("d", "4").ttl(HOUR).ok().await?;
            expire_tick(c).await?;
            c.delete().keys(["a"]).ok().await?.counts(0)?;
            c.delete().range("b", "c").ok().await?.counts(0)?;
            c.delete().all().ok().await?.counts(1)
        }
    ),
    case!(
        "expiry::ends_an_item_for_preconditions",
        "An expired item is absent in preconditions.",
        ["TTL-1"],
        [EXPIRY, CONDITIONAL],
        |c| {
            let version = c.put_one("k", "1").ttl(c.tick()).ok().await?.version()?;
            expire_tick(c).await?;
            c.put_one("z", "2").when("k", version).fails(FailedPrecondition).await?.names(&[("k", 0)])?;
            c.put_one("z", "3").when("k", 0).ok().await?.applied(&[true])
        }
    ),
    case!(
        "expiry::ends_an_item_for_scans_of_namespaces",
        "A record whose items all expired is in no Scan.",
        ["TTL-1"],
        [EXPIRY, NAMESPACE_SCAN],
        |c| {
            for id in ["a", "b", "c"] {
                c.put_one("mortal", "v").ttl(c.tick()).on(id).ok().await?;
            }
            c.put_one("immortal", "v").on("b").ok().await?;
            expire_tick(c).await?;
            c.scan().ok().await?.has_keys(&[("b", "immortal")])?;
            c.scan().page_of(1).ok().await?.has_keys(&[("b", "immortal")])
        }
    ),
    case!(
        "expiry::ends_an_item_at_its_moment_and_no_sooner",
        "An item is read a microsecond before expires_at, and not at it.",
        ["TTL-1"],
        [EXPIRY, MANUAL_CLOCK],
        |c| {
            c.put_one("k", "v").ttl(HOUR).ok().await?;
            c.advance(ALMOST_AN_HOUR).await?;
            c.get().ok().await?.holds(&[("k", "v")])?;
            c.get().keys(["k"]).ok().await?.holds(&[("k", "v")])?;
            c.scan().on("r").ok().await?.has_keys(&[("r", "k")])?;
            c.advance(MICRO).await?;
            c.get().ok().await?.is_empty()?;
            c.get().keys(["k"]).ok().await?.is_empty()?;
            finds_nothing(&c.scan().on("r").ok().await?)
        }
    ),
    case!(
        "expiry::is_exact_for_deletes",
        "A Delete counts an item a microsecond before expires_at, and not at it.",
        ["TTL-1", "DEL-2"],
        [EXPIRY, MANUAL_CLOCK],
        |c| {
            c.put(items([("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")])).ttl(MICRO * 2).ok().await?;
            c.advance(MICRO).await?;
            c.delete().keys(["a"]).ok().await?.counts(1)?;
            c.delete().range("b", "c").ok().await?.counts(1)?;
            c.advance(MICRO).await?;
            c.delete().keys(["c"]).ok().await?.counts(0)?;
            c.delete().range("d", "e").ok().await?.counts(0)
        }
    ),
    case!(
        "expiry::is_exact_for_preconditions",
        "A version holds a microsecond before expires_at, and not at it.",
        ["TTL-1", "COND-2"],
        [EXPIRY, CONDITIONAL, MANUAL_CLOCK],
        |c| {
            let version = c.put_one("k", "v").ttl(MICRO * 2).ok().await?.version()?;
            c.advance(MICRO).await?;
            c.put_one("a", "v").when("k", version).ok().await?.applied(&[true])?;
            c.put_one("a", "v").when("k", 0).fails(FailedPrecondition).await?.names(&[("k", version)])?;
            c.advance(MICRO).await?;
            c.put_one("a", "v").when("k", version).fails(FailedPrecondition).await?.names(&[("k", 0)])?;
            c.put_one("a", "v").when("k", 0).ok().await?.applied(&[true])
        }
    ),
    case!(
        "expiry::is_the_items_own",
        "A Put with a ttl changes the expiry of its own items only.",
        ["TTL-1", "PUT-2"],
        [EXPIRY],
        |c| {
            c.put_one("immortal", "v").ok().await?;
            c.put_one("mortal", "v").ttl(HOUR).ok().await?;
            let before = c.get().ok().await?;
            c.put_one("third", "v").ttl(c.tick()).ok().await?;
            expire_tick(c).await?;
            unchanged(c, &before).await
        }
    ),
    case!(
        "expiry::survives_a_restart",
        "An item keeps its expiry over a restart.",
        ["TTL-4"],
        [EXPIRY, RESTART],
        |c| { survives(c, Restart::Clean).await }
    ),
    case!(
        "expiry::survives_a_crash",
        "An item keeps its expiry over a crash.",
        ["TTL-4"],
        [EXPIRY, CRASH],
        |c| { survives(c, Restart::Crash).await }
    ),
    case!(
        "expiry::sweeps_nothing_live",
        "A sweep removes no item that is live.",
        ["TTL-5"],
        [EXPIRY, SWEEP],
        |c| {
            c.put(items([("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")])).ttl(c.tick()).ok().await?;
            c.put_one("b", "immortal").ok().await?;
            c.put_one("d", "mortal").ttl(HOUR).ok().await?;
            c.put_one("k", "elsewhere").on("other").ok().await?;
            expire_tick(c).await?;
            let before = c.get().ok().await?;
            before.has_keys(&["b", "d"])?;
            c.sweep().await?;
            unchanged(c, &before).await?;
            c.get().on("other").ok().await?.holds(&[("k", "elsewhere")])
        }
    ),
    case!(
        "expiry::sweeps_nothing_whose_time_is_still_to_come",
        "A sweep a microsecond before expires_at leaves the item as it is.",
        ["TTL-5"],
        [EXPIRY, MANUAL_CLOCK, SWEEP],
        |c| {
            c.put_one("k", "v").ttl(HOUR).ok().await?;
            let before = c.get().ok().await?;
            c.advance(ALMOST_AN_HOUR).await?;
            c.sweep().await?;
            unchanged(c, &before).await?;
            c.advance(MICRO).await?;
            c.sweep().await?;
            c.get().ok().await?.is_empty()
        }
    ),
    case!(
        "expiry::sweeps_nothing_that_was_written_anew",
        "A sweep leaves alone what outlived an earlier expiry.",
        ["TTL-5", "TTL-2"],
        [EXPIRY, SWEEP],
        |c| {
            c.put(items([("a", "1"), ("b", "1"), ("c", "1")])).ttl(c.tick()).ok().await?;
            c.put_one("a", "2").ok().await?;
            expire_tick(c).await?;
            c.put_one("b", "3").ok().await?;
            c.delete().keys(["c"]).ok().await?;
            c.put_one("c", "4").ok().await?;
            c.sweep().await?;
            c.get().ok().await?.holds(&[("a", "2"), ("b", "3"), ("c", "4")])
        }
    ),
    case!(
        "expiry::shows_no_difference_when_swept",
        "An expired item is as absent after a sweep as before.",
        ["TTL-1", "TTL-5"],
        [EXPIRY, SWEEP],
        |c| {
            c.put(items([("a", "1"), ("b", "2")])).ttl(c.tick()).ok().await?;
            c.put_one("c", "3").ok().await?;
            expire_tick(c).await?;
            for _ in 0..2 {
                c.sweep().await?;
                c.get().ok().await?.holds(&[("c", "3")])?;
                c.scan().on("r").ok().await?.has_keys(&[("r", "c")])?;
                c.delete().keys(["a"]).ok().await?.counts(0)?;
            }
            c.put_one("a", "anew").ok().await?.applied(&[true])?;
            c.get().ok().await?.holds(&[("a", "anew"), ("c", "3")])
        }
    ),
];

async fn survives(c: &Ctx, kind: Restart) -> Proof {
    c.put_one("dead", "v").ttl(c.tick()).ok().await?;
    expire_tick(c).await?;
    c.put_one("dying", "v").ttl(c.tick()).ok().await?;
    c.put_one("living", "v").ttl(HOUR).ok().await?;
    let before = c.get().keys(["living"]).ok().await?;
    c.restart(kind).await?;
    c.get().keys(["dead"]).ok().await?.is_empty()?;
    expire_tick(c).await?;
    let after = c.get().ok().await?;
    after.has_keys(&["living"])?;
    after.same("items", &before.items, &after.items)
}
