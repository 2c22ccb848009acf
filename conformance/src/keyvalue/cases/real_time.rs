//! Cases that also hold on a clock that the suite cannot set: spans of seconds, which a server with a real clock waits for.
//!
//! The suite takes the time before and after each call. A read that came too late to tell is inconclusive, not a failure.

use std::time::{Duration, Instant};

use super::support::{EXPIRY, TOKENS};
use crate::core::{Ability, case};
use crate::keyvalue::{Case, Ctx, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "expiry::of_two_seconds_is_neither_early_nor_late",
        "An item with a ttl of 2 s is read after 1 s, and not after 2.5 s.",
        ["TTL-1"],
        [EXPIRY],
        |c| {
            // A busy machine may read too late to tell: then another record is tried.
            for id in ["r1", "r2", "r3", "r4", "r5"] {
                let before_put = Instant::now();
                c.put(items([("a", "1"), ("b", "2")])).on(id).ttl(TTL).ok().await?;
                c.advance(Duration::from_secs(1)).await?;
                let (get, scan) = (c.get().on(id).ok().await?, c.scan().on(id).ok().await?);
                // Live for 2 s at least from when the Put was sent.
                if !is_within(c, before_put, TTL.saturating_sub(TOLERANCE)) {
                    continue;
                }
                get.expect(get.items.len() == 2, ALIVE, format!("{} items", get.items.len()))?;
                get.holds(&[("a", "1"), ("b", "2")])?;
                let entries = scan.entries().count();
                scan.expect(entries == 2, ALIVE, format!("{entries} items"))?;
                c.advance(Duration::from_secs(1) + TOLERANCE).await?;
                let get = c.get().on(id).ok().await?;
                let left = get.items.len();
                get.expect(left == 0, "no item: the ttl of 2 s has passed (TTL-1)", format!("{left} items"))?;
                return c.scan().on(id).ok().await?.has_keys::<&str, &str>(&[]);
            }
            c.inconclusive("each read came more than 1.5 s after its Put was sent, which is too late to tell")
        }
    ),
    case!(
        "tombstone::outlasts_a_retry_after_seconds",
        "A Put with an older token that comes 2 s after the Delete does not bring the item back.",
        ["TOK-4", "TOK-3"],
        [TOKENS],
        |c| {
            c.put(items([("given", "1"), ("kept", "1")])).token(5).ok().await?;
            let before_delete = Instant::now();
            c.delete().keys(["given", "named"]).token(7).ok().await?;
            c.delete().keys(["kept"]).ok().await?;
            c.advance(Duration::from_secs(2)).await?;
            for (key, token) in [("given", 7), ("named", 7), ("kept", 5)] {
                let put = c.put_one(key, "late").token(token).ok().await?;
                if !is_within(c, before_delete, SHORTEST_RETENTION) {
                    return c.inconclusive(
                        "the Put came a minute after the Delete, when its token may be forgotten",
                    );
                }
                let applied = put.results.first().is_some_and(|result| result.applied);
                let actual = if applied { "applied" } else { "superseded" };
                let expected = format!("superseded by the token of the Delete 2 s ago (TOK-4), {key}");
                put.expect(!applied, expected, actual)?;
            }
            c.get().ok().await?.is_empty()
        }
    ),
];

const TTL: Duration = Duration::from_secs(2);

/// What a server's clock may differ within a few seconds, and the time that a call takes.
const TOLERANCE: Duration = Duration::from_millis(500);

/// The shortest retention of a tombstone that a server may have (TOK-4).
const SHORTEST_RETENTION: Duration = Duration::from_mins(1);

const ALIVE: &str = "2 items: 1 s of their ttl of 2 s has passed (TTL-1)";

/// Whether less than `limit` has passed since `start`; always on a manual clock.
fn is_within(c: &Ctx, start: Instant, limit: Duration) -> bool {
    c.abilities().contains(Ability::ManualClock) || start.elapsed() < limit
}
