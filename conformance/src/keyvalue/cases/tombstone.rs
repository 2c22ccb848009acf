//! Tombstones: a key's highest token outlives the item for the retention, and is not visible elsewhere.

use super::support::{CONDITIONAL, EXPIRY, NAMESPACE_SCAN, TOKENS, expire_tick, finds_nothing};
use crate::core::StatusCode::FailedPrecondition;
use crate::core::{Proof, Version, bytes, case};
use crate::keyvalue::{Case, Ctx, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "tombstone::of_a_delete_supersedes_lower_tokens",
        "A Delete with a token supersedes Puts whose token is not greater.",
        ["TOK-4"],
        [TOKENS],
        |c| {
            c.put_one("k", "v").token(1).ok().await?;
            c.delete().keys(["k"]).token(5).ok().await?.counts(1)?;
            put_applies(c, "k", 4, false).await?;
            put_applies(c, "k", 5, false).await?;
            c.get().ok().await?.is_empty()?;
            put_applies(c, "k", 6, true).await
        }
    ),
    case!(
        "tombstone::is_left_for_an_absent_key_that_was_named",
        "A Delete with a token is remembered for each absent key that it named.",
        ["TOK-4"],
        [TOKENS],
        |c| {
            c.delete().keys(["j", "k"]).token(5).ok().await?.counts(0)?;
            put_applies(c, "j", 5, false).await?;
            put_applies(c, "k", 1, false).await?;
            put_applies(c, "l", 1, true).await?;
            put_applies(c, "j", 6, true).await?;
            c.put_one("k", "without").ok().await?.applied(&[true])
        }
    ),
    case!(
        "tombstone::is_not_left_for_keys_that_were_not_named",
        "A Delete by range, prefix or match_all leaves nothing for keys that are absent.",
        ["TOK-4"],
        [TOKENS],
        |c| {
            c.delete().range("a", "z").token(5).ok().await?.counts(0)?;
            c.delete().prefix("k").token(5).ok().await?.counts(0)?;
            c.delete().all().token(5).ok().await?.counts(0)?;
            put_applies(c, "k", 1, true).await
        }
    ),
    case!(
        "tombstone::is_left_by_range_for_what_it_removed",
        "A Delete by range, prefix or match_all is remembered for each item it removed.",
        ["TOK-4"],
        [TOKENS],
        |c| {
            c.put(items(["a", "b", "c"].map(|key| (key, "v")))).ok().await?;
            c.delete().range("a", "b").token(5).ok().await?.counts(1)?;
            c.delete().prefix("b").token(5).ok().await?.counts(1)?;
            c.delete().all().token(5).ok().await?.counts(1)?;
            for key in ["a", "b", "c"] {
                put_applies(c, key, 5, false).await?;
                put_applies(c, key, 6, true).await?;
            }
            Ok(())
        }
    ),
    case!(
        "tombstone::is_not_raised_by_a_range",
        "A Delete by range, prefix or match_all leaves tombstones alone.",
        ["TOK-4"],
        [TOKENS],
        |c| {
            c.delete().keys(["k"]).token(5).ok().await?;
            c.delete().range("a", "z").token(9).ok().await?.counts(0)?;
            c.delete().prefix("k").token(9).ok().await?.counts(0)?;
            c.delete().all().token(9).ok().await?.counts(0)?;
            put_applies(c, "k", 5, false).await?;
            put_applies(c, "k", 6, true).await
        }
    ),
    case!(
        "tombstone::is_raised_by_name",
        "A Delete with a greater token that names a deleted key raises its tombstone.",
        ["TOK-4"],
        [TOKENS],
        |c| {
            c.delete().keys(["k"]).token(5).ok().await?;
            c.delete().keys(["k"]).token(9).ok().await?.counts(0)?;
            put_applies(c, "k", 9, false).await?;
            put_applies(c, "k", 10, true).await
        }
    ),
    case!(
        "tombstone::is_not_lowered",
        "A Delete with a lower token does not lower a tombstone.",
        ["TOK-4"],
        [TOKENS],
        |c| {
            c.delete().keys(["k"]).token(5).ok().await?;
            c.delete().keys(["k"]).token(3).ok().await?.counts(0)?;
            c.delete().keys(["k"]).ok().await?.counts(0)?;
            put_applies(c, "k", 5, false).await?;
            put_applies(c, "k", 6, true).await
        }
    ),
    case!(
        "tombstone::keeps_the_token_the_item_had",
        "A Delete without a token keeps the token that the item had.",
        ["TOK-4", "TOK-2"],
        [TOKENS],
        |c| {
            c.put(items([("a", "v"), ("b", "v")])).token(5).ok().await?;
            c.delete().keys(["a"]).ok().await?.counts(1)?;
            c.delete().all().ok().await?.counts(1)?;
            for key in ["a", "b"] {
                put_applies(c, key, 5, false).await?;
                put_applies(c, key, 6, true).await?;
            }
            Ok(())
        }
    ),
    case!(
        "tombstone::keeps_the_token_of_an_expired_item",
        "An expiry keeps the token that the item had.",
        ["TOK-4"],
        [TOKENS, EXPIRY],
        |c| {
            c.put_one("k", "v").token(5).ttl(c.tick()).ok().await?;
            expire_tick(c).await?;
            put_applies(c, "k", 5, false).await?;
            c.get().ok().await?.is_empty()?;
            put_applies(c, "k", 6, true).await
        }
    ),
    case!(
        "tombstone::of_an_expired_item_is_raised_by_name_only",
        "A Delete with a greater token is remembered for an expired item only where it named it.",
        ["TOK-4", "TTL-1"],
        [TOKENS, EXPIRY],
        |c| {
            c.put(items([("named", "v"), ("ranged", "v")])).token(5).ttl(c.tick()).ok().await?;
            expire_tick(c).await?;
            c.delete().keys(["named"]).token(9).ok().await?.counts(0)?;
            c.delete().all().token(9).ok().await?.counts(0)?;
            put_applies(c, "named", 9, false).await?;
            put_applies(c, "named", 10, true).await?;
            put_applies(c, "ranged", 5, false).await?;
            put_applies(c, "ranged", 6, true).await
        }
    ),
    case!(
        "tombstone::makes_a_retried_put_change_nothing",
        "A Put repeated after its item was deleted does not bring it back.",
        ["TOK-3", "TOK-4"],
        [TOKENS],
        |c| {
            let put = || c.put(items([("a", "1"), ("b", "2")])).token(7);
            put().ok().await?;
            c.delete().keys(["a"]).token(8).ok().await?;
            put().ok().await?.applied(&[false, false])?;
            c.delete().keys(["b"]).ok().await?;
            let retry = put().ok().await?;
            retry.applied(&[false, false])?;
            retry.same(
                "\"a\" and \"b\"",
                &vec![Version(0), Version(0)],
                &retry.results.iter().map(|result| Version(result.version)).collect(),
            )?;
            c.get().ok().await?.is_empty()
        }
    ),
    case!(
        "tombstone::passes_its_token_on",
        "An item made anew over a tombstone has seen the tombstone's token.",
        ["TOK-4", "TOK-2", "TOK-1"],
        [TOKENS],
        |c| {
            c.delete().keys(["k"]).token(5).ok().await?;
            c.put_one("k", "anew").ok().await?.applied(&[true])?;
            let read = c.get().ok().await?;
            read.same("priority_token", &5, &read.item("k")?.priority_token)?;
            c.put_one("k", "late").token(5).ok().await?.applied(&[false])?;
            c.put_one("k", "next").token(6).ok().await?.applied(&[true])
        }
    ),
    case!(
        "tombstone::is_left_by_no_delete_without_tokens",
        "A Delete without a token of an item without one leaves nothing to beat.",
        ["TOK-4"],
        [TOKENS],
        |c| {
            c.put_one("k", "v").ok().await?;
            c.delete().keys(["k", "absent"]).ok().await?.counts(1)?;
            put_applies(c, "k", 1, true).await?;
            put_applies(c, "absent", 1, true).await
        }
    ),
    case!(
        "tombstone::is_invisible_to_reads",
        "Tombstones are in no answer of Get or Scan.",
        ["TOK-5"],
        [TOKENS],
        |c| {
            c.put(items(["a", "b", "c"].map(|key| (key, "v")))).token(1).ok().await?;
            c.delete().keys(["a", "c", "x"]).token(2).ok().await?.counts(2)?;
            c.get().ok().await?.has_keys(&["b"])?;
            c.get().keys(["a", "c", "x"]).ok().await?.is_empty()?;
            c.scan().on("r").ok().await?.has_keys(&[("r", "b")])?;
            c.delete().keys(["b"]).token(2).ok().await?.counts(1)?;
            c.get().ok().await?.is_empty()?;
            finds_nothing(&c.scan().on("r").ok().await?)
        }
    ),
    case!(
        "tombstone::is_invisible_to_scans_of_namespaces",
        "A record of nothing but tombstones is in no Scan.",
        ["TOK-5"],
        [TOKENS, NAMESPACE_SCAN],
        |c| {
            for id in ["a", "b", "c"] {
                c.put_one("k", "v").on(id).ok().await?;
                c.delete().keys(["x", "y"]).token(1).on(id).ok().await?;
            }
            c.delete().keys(["k"]).token(1).on("b").ok().await?;
            c.scan().ok().await?.has_keys(&[("a", "k"), ("c", "k")])?;
            c.scan().page_of(1).ok().await?.has_keys(&[("a", "k"), ("c", "k")])
        }
    ),
    case!(
        "tombstone::is_invisible_to_deletes",
        "Tombstones are not counted by Delete.",
        ["TOK-5", "DEL-2"],
        [TOKENS],
        |c| {
            c.put(items(["a", "b", "c"].map(|key| (key, "v")))).token(1).ok().await?;
            c.delete().keys(["a", "b", "x"]).token(2).ok().await?.counts(2)?;
            c.delete().keys(["a", "b", "x"]).token(3).ok().await?.counts(0)?;
            c.delete().all().token(4).ok().await?.counts(1)?;
            c.delete().all().ok().await?.counts(0)
        }
    ),
    case!(
        "tombstone::is_invisible_to_preconditions",
        "A tombstone is version 0 to preconditions.",
        ["TOK-5"],
        [TOKENS, CONDITIONAL],
        |c| {
            let version = c.put_one("k", "v").token(1).ok().await?.version()?;
            c.delete().keys(["k"]).token(2).ok().await?;
            c.put_one("z", "v").when("k", version).fails(FailedPrecondition).await?.names(&[("k", 0)])?;
            c.put_one("z", "v").when("k", 0).ok().await?.applied(&[true])
        }
    ),
    case!(
        "tombstone::takes_no_place_on_a_page",
        "Tombstones take no place on a page and in a limit.",
        ["TOK-5", "PAGE-1"],
        [TOKENS],
        |c| {
            let keys = ["a", "b", "c", "d", "e", "f"];
            c.put(items(keys.map(|key| (key, "v")))).ok().await?;
            c.delete().keys(["a", "b", "d", "f"]).token(1).ok().await?;
            let page = c.get().page_of(1).ok().await?;
            page.has_keys(&["c"])?;
            let next = c.get().page_of(1).page(&page.next_page_token).ok().await?;
            next.has_keys(&["e"])?;
            next.is_last()?;
            c.scan().on("r").limit(2).ok().await?.has_keys(&[("r", "c"), ("r", "e")])
        }
    ),
];

/// A Put of `key` with `token` must apply if `applies`, or else be superseded by an absent item.
pub(super) async fn put_applies(c: &Ctx, key: &str, token: i64, applies: bool) -> Proof {
    let put = c.put_one(key, "put").token(token).ok().await?;
    put.applied(&[applies])?;
    if applies { Ok(()) } else { put.same(&bytes(key.as_bytes()), &Version(0), &Version(put.version()?)) }
}
