//! Retention of tombstones: how long the highest token of an absent key is honoured, to the microsecond.

use super::support::{
    ALMOST_AN_HOUR, ALMOST_THE_RETENTION, EXPIRY, HOUR, MANUAL_CLOCK, MICRO, RETENTION, SWEEP, TOKENS,
};
use super::tombstone::put_applies;
use crate::core::case;
use crate::keyvalue::{Case, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "retention::of_a_delete_is_exact",
        "A tombstone is honoured strictly before the delete plus 24 h, then forgotten.",
        ["TOK-4", "TOK-3"],
        [TOKENS, MANUAL_CLOCK],
        |c| {
            c.put(items([("given", "v"), ("kept", "v")])).token(5).ok().await?;
            c.delete().keys(["given", "named"]).token(7).ok().await?;
            c.delete().keys(["kept"]).ok().await?;
            c.advance(ALMOST_THE_RETENTION).await?;
            put_applies(c, "given", 7, false).await?;
            put_applies(c, "named", 7, false).await?;
            put_applies(c, "kept", 5, false).await?;
            c.advance(MICRO).await?;
            put_applies(c, "given", 1, true).await?;
            put_applies(c, "named", 1, true).await?;
            put_applies(c, "kept", 1, true).await
        }
    ),
    case!(
        "retention::of_a_delete_counts_from_the_delete_for_mortal_items_too",
        "A tombstone of an item that would have expired later is honoured for 24 h from its Delete, and no longer.",
        ["TOK-4"],
        [TOKENS, EXPIRY, MANUAL_CLOCK],
        |c| {
            c.put(items([("named", "v"), ("p1", "v")])).token(5).ttl(HOUR).ok().await?;
            c.delete().keys(["named"]).ok().await?.counts(1)?;
            c.delete().prefix("p").ok().await?.counts(1)?;
            c.advance(ALMOST_THE_RETENTION).await?;
            put_applies(c, "named", 5, false).await?;
            put_applies(c, "p1", 5, false).await?;
            c.advance(MICRO).await?;
            put_applies(c, "named", 1, true).await?;
            put_applies(c, "p1", 1, true).await
        }
    ),
    case!(
        "retention::of_an_expiry_is_exact",
        "An expired item's token is honoured strictly before expires_at plus 24 h, then forgotten.",
        ["TOK-4"],
        [TOKENS, EXPIRY, MANUAL_CLOCK],
        |c| {
            c.put_one("k", "v").token(5).ttl(HOUR).ok().await?;
            c.advance(HOUR + ALMOST_THE_RETENTION).await?;
            put_applies(c, "k", 5, false).await?;
            c.advance(MICRO).await?;
            put_applies(c, "k", 5, true).await
        }
    ),
    case!(
        "retention::is_not_prolonged_by_a_retry",
        "A Delete whose token is not greater leaves a tombstone's time alone.",
        ["TOK-4"],
        [TOKENS, MANUAL_CLOCK],
        |c| {
            c.delete().keys(["k"]).token(5).ok().await?;
            for token in [5, 4, 0] {
                c.advance(HOUR).await?;
                c.delete().keys(["k"]).token(token).ok().await?.counts(0)?;
                c.delete().all().token(token).ok().await?.counts(0)?;
            }
            put_applies(c, "k", 5, false).await?;
            c.advance(HOUR * 21).await?;
            put_applies(c, "k", 5, true).await
        }
    ),
    case!(
        "retention::is_prolonged_by_a_greater_token",
        "A Delete that raises a tombstone starts its time anew.",
        ["TOK-4"],
        [TOKENS, MANUAL_CLOCK],
        |c| {
            c.delete().keys(["k"]).token(5).ok().await?;
            c.advance(HOUR).await?;
            c.delete().keys(["k"]).token(6).ok().await?;
            c.advance(ALMOST_THE_RETENTION).await?;
            put_applies(c, "k", 6, false).await?;
            c.advance(MICRO).await?;
            put_applies(c, "k", 1, true).await
        }
    ),
    case!(
        "retention::once_over_leaves_nothing",
        "An item made anew over a forgotten tombstone has seen no token.",
        ["TOK-4"],
        [TOKENS, MANUAL_CLOCK],
        |c| {
            c.put_one("k", "v").token(4).ok().await?;
            c.delete().keys(["k"]).token(5).ok().await?;
            c.advance(RETENTION).await?;
            c.put_one("k", "anew").ok().await?;
            let read = c.get().ok().await?;
            read.same("priority_token", &0, &read.item("k")?.priority_token)
        }
    ),
    case!(
        "retention::outlives_a_sweep",
        "A sweep within the retention forgets no tombstone.",
        ["TOK-4", "TTL-5"],
        [TOKENS, SWEEP],
        |c| {
            c.put_one("kept", "v").token(5).ok().await?;
            c.delete().keys(["kept"]).ok().await?;
            c.delete().keys(["named"]).token(5).ok().await?;
            c.sweep().await?;
            put_applies(c, "kept", 5, false).await?;
            put_applies(c, "named", 5, false).await
        }
    ),
    case!(
        "retention::outlives_sweeps_to_its_last_moment",
        "A sweep forgets tombstones and expired tokens no sooner than their retention.",
        ["TOK-4"],
        [TOKENS, EXPIRY, MANUAL_CLOCK, SWEEP],
        |c| {
            c.put_one("mortal", "v").token(5).ttl(MICRO).ok().await?;
            c.advance(MICRO).await?;
            c.delete().keys(["named"]).token(5).ok().await?;
            for span in [HOUR, ALMOST_AN_HOUR + HOUR * 22] {
                c.advance(span).await?;
                c.sweep().await?;
                put_applies(c, "mortal", 5, false).await?;
                put_applies(c, "named", 5, false).await?;
            }
            c.advance(MICRO).await?;
            c.sweep().await?;
            put_applies(c, "mortal", 5, true).await?;
            put_applies(c, "named", 5, true).await
        }
    ),
];
