//! Priority tokens on live items: the highest wins, and a retry changes nothing.

use super::support::{EXPIRY, HOUR, MANUAL_CLOCK, TOKENS, unchanged};
use crate::core::StatusCode::InvalidArgument;
use crate::core::{Proof, Version, case};
use crate::keyvalue::{Case, Ctx, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "token::that_is_greater_applies",
        "A Put with a greater token applies.",
        ["TOK-1"],
        [TOKENS],
        |c| {
            for (token, value) in [(1, "1"), (2, "2"), (1_000, "3"), (1_001, "4")] {
                c.put_one("k", value).token(token).ok().await?.applied(&[true])?;
                c.get().ok().await?.holds(&[("k", value)])?;
            }
            Ok(())
        }
    ),
    case!(
        "token::that_is_lower_leaves_the_item_as_it_is",
        "A Put with a lower token leaves the item as it is and answers its version.",
        ["TOK-1"],
        [TOKENS],
        |c| { superseded_by(c, 4).await }
    ),
    case!(
        "token::that_is_equal_leaves_the_item_as_it_is",
        "A Put with an equal token leaves the item as it is and answers its version.",
        ["TOK-1"],
        [TOKENS],
        |c| { superseded_by(c, 5).await }
    ),
    case!(
        "token::is_answered_as_the_highest_seen",
        "priority_token is the highest token that the item has seen, in Get and Scan.",
        ["TOK-1"],
        [TOKENS],
        |c| {
            for (token, highest) in [(0, 0), (5, 5), (3, 5), (0, 5), (9, 9)] {
                c.put_one("k", "v").token(token).ok().await?;
                let read = c.get().ok().await?;
                read.same("priority_token", &highest, &read.item("k")?.priority_token)?;
                let scan = c.scan().on("r").ok().await?;
                let scanned = scan.entries().map(|entry| entry.item.priority_token).collect();
                scan.same("priority_token", &vec![highest], &scanned)?;
            }
            Ok(())
        }
    ),
    case!(
        "token::counts_for_each_item",
        "A token is held against each item's own highest.",
        ["TOK-1"],
        [TOKENS],
        |c| {
            for (key, token) in [("a", 3), ("b", 5), ("c", 7)] {
                c.put_one(key, "old").token(token).ok().await?;
            }
            let before = c.get().ok().await?;
            before.holds(&[("a", "old"), ("b", "old"), ("c", "old")])?;
            let versions: Vec<_> = before.items.iter().map(|item| Version(item.version)).collect();
            let put = c.put(items(["d", "c", "b", "a"].map(|key| (key, "new")))).token(5).ok().await?;
            put.applied(&[true, false, false, true])?;
            let kept: Vec<_> = put.results[1..3].iter().map(|result| Version(result.version)).collect();
            put.same("\"c\" and \"b\" as they were", &vec![versions[2], versions[1]], &kept)?;
            c.get().ok().await?.holds(&[("a", "new"), ("b", "old"), ("c", "old"), ("d", "new")])
        }
    ),
    case!(
        "token::does_not_spread",
        "A token seen by one item supersedes nothing at its neighbours.",
        ["TOK-1"],
        [TOKENS],
        |c| {
            c.put_one("a", "1").token(9).ok().await?;
            c.put_one("b", "2").token(1).ok().await?.applied(&[true])?;
            c.put_one("a", "3").token(1).on("other").ok().await?.applied(&[true])?;
            c.put_one("a\0", "4").token(1).ok().await?.applied(&[true])?;
            c.put_one("A", "5").token(1).ok().await?.applied(&[true])
        }
    ),
    case!(
        "token::beats_an_item_without_one",
        "Any token above 0 applies to an item that has seen none.",
        ["TOK-1"],
        [TOKENS],
        |c| {
            c.put(items([("a", "1"), ("b", "2")])).ok().await?;
            c.put_one("a", "3").token(1).ok().await?.applied(&[true])?;
            c.delete().keys(["b"]).token(1).ok().await?.counts(1)?;
            c.get().ok().await?.holds(&[("a", "3")])
        }
    ),
    case!(
        "token::may_be_as_large_as_numbers_go",
        "The largest token applies once, and all others are superseded from then on.",
        ["TOK-1"],
        [TOKENS],
        |c| {
            c.put_one("k", "1").token(i64::MAX - 1).ok().await?.applied(&[true])?;
            c.put_one("k", "2").token(i64::MAX).ok().await?.applied(&[true])?;
            c.put_one("k", "3").token(i64::MAX).ok().await?.applied(&[false])?;
            c.put_one("k", "4").token(1).ok().await?.applied(&[false])?;
            let read = c.get().ok().await?;
            read.same("priority_token", &i64::MAX, &read.item("k")?.priority_token)
        }
    ),
    case!(
        "token::of_a_delete_that_is_not_greater_leaves_the_item_as_it_is",
        "A Delete whose token is not greater removes nothing and counts nothing.",
        ["TOK-1", "DEL-2"],
        [TOKENS],
        |c| {
            c.put_one("k", "kept").token(5).ok().await?;
            let before = c.get().ok().await?;
            for token in [5, 4, 1] {
                c.delete().keys(["k"]).token(token).ok().await?.counts(0)?;
                c.delete().all().token(token).ok().await?.counts(0)?;
            }
            unchanged(c, &before).await
        }
    ),
    case!(
        "token::of_a_delete_counts_for_each_item",
        "A Delete removes and counts the items whose highest token is lower.",
        ["TOK-1", "DEL-2"],
        [TOKENS],
        |c| {
            for (key, token) in [("a", 3), ("b", 5), ("c", 7), ("d", 0), ("e", 4)] {
                c.put_one(key, "v").token(token).ok().await?;
            }
            c.delete().keys(["c", "e", "x"]).token(5).ok().await?.counts(1)?;
            c.delete().range("b", "d").token(5).ok().await?.counts(0)?;
            c.delete().prefix("").token(5).ok().await?.counts(2)?;
            c.get().ok().await?.has_keys(&["b", "c"])
        }
    ),
    case!(
        "token::of_a_superseded_put_keeps_the_expiry",
        "A superseded Put leaves the expiry as it is.",
        ["TOK-1", "TTL-2"],
        [TOKENS, EXPIRY],
        |c| {
            c.put_one("mortal", "v").token(5).ttl(HOUR).ok().await?;
            c.put_one("immortal", "v").token(5).ok().await?;
            let before = c.get().ok().await?;
            c.put_one("mortal", "late").token(4).ok().await?.applied(&[false])?;
            c.put_one("immortal", "late").token(4).ttl(HOUR).ok().await?.applied(&[false])?;
            unchanged(c, &before).await
        }
    ),
    case!("token::zero_always_applies", "A Put with token 0 always applies.", ["TOK-2"], [TOKENS], |c| {
        c.put_one("k", "1").token(5).ok().await?;
        c.put_one("k", "2").ok().await?.applied(&[true])?;
        c.put_one("k", "3").ok().await?.applied(&[true])?;
        c.get().ok().await?.holds(&[("k", "3")])
    }),
    case!(
        "token::zero_leaves_the_highest_as_it_is",
        "A Put with token 0 leaves the highest token as it is.",
        ["TOK-2"],
        [TOKENS],
        |c| {
            c.put_one("k", "1").token(5).ok().await?;
            c.put_one("k", "2").ok().await?;
            let read = c.get().ok().await?;
            read.same("priority_token", &5, &read.item("k")?.priority_token)?;
            c.put_one("k", "3").token(5).ok().await?.applied(&[false])?;
            c.put_one("k", "4").token(6).ok().await?.applied(&[true])
        }
    ),
    case!("token::zero_always_deletes", "A Delete with token 0 always applies.", ["TOK-2"], [TOKENS], |c| {
        c.put(items([("a", "1"), ("b", "2")])).token(i64::MAX).ok().await?;
        c.delete().keys(["a"]).ok().await?.counts(1)?;
        c.delete().all().ok().await?.counts(1)?;
        c.get().ok().await?.is_empty()
    }),
    case!(
        "token::makes_a_retried_put_change_nothing",
        "A Put repeated with its token changes nothing.",
        ["TOK-3"],
        [TOKENS],
        |c| {
            let put = || c.put(items([("a", "1"), ("b", "2")])).token(7);
            let first = put().ok().await?;
            first.applied(&[true, true])?;
            let before = c.get().ok().await?;
            for _ in 0..3 {
                c.advance(c.tick()).await?;
                let retry = put().ok().await?;
                retry.applied(&[false, false])?;
                let versions = |results: &[prism_contract::keyvalue::PutResult]| -> Vec<Version> {
                    results.iter().map(|result| Version(result.version)).collect()
                };
                retry.same(
                    "\"a\" and \"b\" as they were",
                    &versions(&first.results),
                    &versions(&retry.results),
                )?;
                unchanged(c, &before).await?;
            }
            Ok(())
        }
    ),
    case!(
        "token::makes_a_retry_lose_to_later_writes",
        "A Put repeated with its token does not undo what was written since.",
        ["TOK-3"],
        [TOKENS],
        |c| {
            c.put(items([("a", "first"), ("b", "first"), ("c", "first")])).token(7).ok().await?;
            c.put_one("a", "later").token(8).ok().await?;
            c.put_one("b", "later").ok().await?;
            let retry = c.put(items([("a", "first"), ("b", "first"), ("c", "first")])).token(7).ok().await?;
            retry.applied(&[false, false, false])?;
            c.get().ok().await?.holds(&[("a", "later"), ("b", "later"), ("c", "first")])
        }
    ),
    case!(
        "token::makes_a_retried_put_resume_what_is_missing",
        "A Put repeated with more items applies those it did not name before.",
        ["TOK-1", "TOK-3"],
        [TOKENS],
        |c| {
            c.put_one("b", "1").token(7).ok().await?;
            let put = c.put(items([("a", "2"), ("b", "2"), ("c", "2")])).token(7).ok().await?;
            put.applied(&[true, false, true])?;
            c.get().ok().await?.holds(&[("a", "2"), ("b", "1"), ("c", "2")])
        }
    ),
    case!(
        "token::of_a_live_item_is_never_forgotten",
        "A Put repeated years later changes nothing while the item lives.",
        ["TOK-3"],
        [TOKENS, MANUAL_CLOCK],
        |c| {
            c.put_one("k", "1").token(7).ok().await?;
            let before = c.get().ok().await?;
            c.advance(HOUR * 24 * 365 * 3).await?;
            c.put_one("k", "1").token(7).ok().await?.applied(&[false])?;
            unchanged(c, &before).await
        }
    ),
    case!(
        "token::that_is_negative_is_refused",
        "A negative token is refused by Put and Delete.",
        ["TOK-6", "PUT-6"],
        |c| {
            c.put_one("k", "kept").ok().await?;
            for token in [-1, i64::MIN] {
                c.put_one("k", "v").token(token).fails(InvalidArgument).await?;
                c.delete().all().token(token).fails(InvalidArgument).await?;
            }
            c.get().ok().await?.holds(&[("k", "kept")])
        }
    ),
    case!(
        "token::of_a_mortal_item_is_answered",
        "An item with an expiry keeps its token, too.",
        ["TOK-1"],
        [TOKENS, EXPIRY],
        |c| {
            c.put_one("k", "v").token(5).ttl(HOUR).ok().await?;
            let read = c.get().ok().await?;
            read.same("priority_token", &5, &read.item("k")?.priority_token)?;
            c.put_one("k", "v").token(5).ttl(HOUR).ok().await?.applied(&[false])
        }
    ),
];

/// A Put of `k` with `token` must be superseded by an earlier one with token 5.
async fn superseded_by(c: &Ctx, token: i64) -> Proof {
    c.put_one("k", "old").ok().await?;
    let version = c.put_one("k", "kept").token(5).ok().await?.version()?;
    let before = c.get().ok().await?;
    c.advance(c.tick()).await?;
    let put = c.put_one("k", "late").token(token).ok().await?;
    put.applied(&[false])?;
    put.same("\"k\"", &Version(version), &Version(put.version()?))?;
    unchanged(c, &before).await
}
