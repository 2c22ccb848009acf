//! Delete: it removes exactly the chosen items, immediately, and counts them.

use prism_contract::keyvalue::request::KeyPredicate;

use super::support::{CONDITIONAL, EXPIRY, NAMESPACE_SCAN, expire_tick, finds_nothing, numbered};
use crate::core::StatusCode::{FailedPrecondition, InvalidArgument};
use crate::core::{Proof, case};
use crate::keyvalue::{Case, Ctx, items};

pub(super) const CASES: &[Case] = &[
    case!("delete::is_seen_by_get_at_once", "A deleted item is gone from Get at once.", ["DEL-1"], |c| {
        four_items(c).await?;
        c.delete().keys(["b"]).ok().await?;
        c.get().keys(["b"]).ok().await?.is_empty()?;
        c.get().range("b", "c").ok().await?.is_empty()?;
        c.get().ok().await?.has_keys(&["a", "c", "d"])
    }),
    case!("delete::is_seen_by_scan_at_once", "A deleted item is gone from Scan at once.", ["DEL-1"], |c| {
        four_items(c).await?;
        c.delete().keys(["b"]).ok().await?;
        c.scan().on("r").ok().await?.has_keys(&[("r", "a"), ("r", "c"), ("r", "d")])?;
        finds_nothing(&c.scan().on("r").keys(["b"]).ok().await?)
    }),
    case!(
        "delete::removes_the_record_with_its_last_item",
        "A record whose last item is deleted is gone from the namespace's Scan.",
        ["DEL-1"],
        [NAMESPACE_SCAN],
        |c| {
            c.put_one("k", "1").on("gone").ok().await?;
            c.put_one("k", "2").on("here").ok().await?;
            c.delete().keys(["k"]).on("gone").ok().await?;
            c.scan().ok().await?.has_keys(&[("here", "k")])
        }
    ),
    case!(
        "delete::is_seen_by_preconditions_at_once",
        "A deleted item is gone from preconditions at once.",
        ["DEL-1"],
        [CONDITIONAL],
        |c| {
            let version = c.put_one("k", "1").ok().await?.version()?;
            c.delete().keys(["k"]).ok().await?;
            c.put_one("k", "2").when("k", version).fails(FailedPrecondition).await?.names(&[("k", 0)])?;
            c.put_one("k", "3").when("k", 0).ok().await?.applied(&[true])
        }
    ),
    case!(
        "delete::does_not_come_back_with_a_neighbour",
        "A deleted item stays gone when others are written.",
        ["DEL-1"],
        |c| {
            four_items(c).await?;
            c.delete().keys(["b", "c"]).ok().await?;
            c.put_one("a", "5").ok().await?;
            c.put_one("c", "6").ok().await?;
            c.get().ok().await?.holds(&[("a", "5"), ("c", "6"), ("d", "4")])
        }
    ),
    case!(
        "delete::counts_the_live_items_removed",
        "deleted_count counts the live items removed.",
        ["DEL-2"],
        |c| {
            four_items(c).await?;
            c.delete().keys(["a", "x", "d", "y"]).ok().await?.counts(2)?;
            c.delete().all().ok().await?.counts(2)
        }
    ),
    case!(
        "delete::counts_a_key_named_twice_once",
        "A key named twice is removed and counted once.",
        ["DEL-2", "PRED-4"],
        |c| {
            four_items(c).await?;
            c.delete().keys(["b", "a", "b", "b"]).ok().await?.counts(2)?;
            c.get().ok().await?.has_keys(&["c", "d"])
        }
    ),
    case!(
        "delete::of_what_is_absent_is_ok_and_zero",
        "Deleting what is absent is OK and counts 0.",
        ["DEL-2"],
        |c| {
            c.delete().all().ok().await?.counts(0)?;
            c.delete().keys(["a"]).ok().await?.counts(0)?;
            c.put_one("b", "1").ok().await?;
            c.delete().keys(["a"]).ok().await?.counts(0)?;
            c.delete().range("c", "d").ok().await?.counts(0)?;
            c.delete().prefix("bb").ok().await?.counts(0)?;
            c.get().ok().await?.holds(&[("b", "1")])
        }
    ),
    case!("delete::repeated_counts_zero", "A Delete repeated counts 0.", ["DEL-2"], |c| {
        four_items(c).await?;
        c.delete().keys(["a", "b"]).ok().await?.counts(2)?;
        c.delete().keys(["a", "b"]).ok().await?.counts(0)?;
        c.delete().all().ok().await?.counts(2)?;
        c.delete().all().ok().await?.counts(0)
    }),
    case!(
        "delete::counts_no_expired_item",
        "deleted_count does not count expired items.",
        ["DEL-2", "TTL-1"],
        [EXPIRY],
        |c| {
            c.put(items([("a", "1"), ("b", "2")])).ttl(c.tick()).ok().await?;
            c.put_one("c", "3").ok().await?;
            expire_tick(c).await?;
            c.delete().keys(["a"]).ok().await?.counts(0)?;
            c.delete().all().ok().await?.counts(1)
        }
    ),
    case!(
        "delete::by_keys_takes_those_keys_only",
        "A Delete by keys takes those keys only.",
        ["DEL-3"],
        |c| {
            four_items(c).await?;
            c.delete().keys(["c", "a"]).ok().await?;
            c.get().ok().await?.holds(&[("b", "2"), ("d", "4")])
        }
    ),
    case!(
        "delete::by_range_takes_that_range_only",
        "A Delete by range takes the start and what follows up to the end, and not the end.",
        ["DEL-3", "PRED-1"],
        |c| {
            four_items(c).await?;
            c.delete().range("b", "d").ok().await?.counts(2)?;
            c.get().ok().await?.holds(&[("a", "1"), ("d", "4")])
        }
    ),
    case!(
        "delete::by_open_range_takes_the_rest",
        "An open start or end of a Delete's range reaches to the first or last key.",
        ["DEL-3", "PRED-1"],
        |c| {
            four_items(c).await?;
            c.delete().range("", "b").ok().await?.counts(1)?;
            c.get().ok().await?.has_keys(&["b", "c", "d"])?;
            c.delete().range("c", "").ok().await?.counts(2)?;
            c.get().ok().await?.has_keys(&["b"])
        }
    ),
    case!(
        "delete::by_prefix_takes_that_prefix_only",
        "A Delete by prefix takes what begins with it only.",
        ["DEL-3"],
        |c| {
            c.put(items(["A", "Aa", "a", "a\0", "aa", "b", "ba"].map(|key| (key, "v")))).ok().await?;
            c.delete().prefix("a").ok().await?.counts(3)?;
            c.get().ok().await?.has_keys(&["A", "Aa", "b", "ba"])
        }
    ),
    case!(
        "delete::by_prefix_leaves_siblings",
        "A Delete by a prefix that ends in a separator leaves the keys that begin alike without it.",
        ["DEL-3"],
        |c| {
            let keys = ["a", "a.", "a/", "a/b", "a/b/c", "a0", "aa/b", "ab", "b/a/"];
            c.put(items(keys.map(|key| (key, "v")))).ok().await?;
            c.delete().prefix("a/").ok().await?.counts(3)?;
            c.get().ok().await?.has_keys(&["a", "a.", "a0", "aa/b", "ab", "b/a/"])
        }
    ),
    case!(
        "delete::by_prefix_of_ff_takes_that_prefix_only",
        "A Delete by a prefix that ends in FF takes what begins with it only.",
        ["DEL-3", "PRED-3"],
        |c| {
            let keys: [&[u8]; 6] = [b"a\xfe", b"a\xff", b"a\xff\xff", b"b", b"\xff", b"\xff\xff"];
            c.put(items(keys.map(|key| (key, "v")))).ok().await?;
            c.delete().prefix(b"a\xff").ok().await?.counts(2)?;
            c.delete().prefix(b"\xff\xff").ok().await?.counts(1)?;
            c.get().ok().await?.has_keys::<&[u8]>(&[b"a\xfe", b"b", b"\xff"])
        }
    ),
    case!(
        "delete::of_all_takes_that_record_only",
        "A Delete of all takes all of its record and nothing of others.",
        ["DEL-3"],
        |c| {
            for id in ["r", "r2", "R"] {
                c.put(items([("a", "1"), ("b", "2")])).on(id).ok().await?;
            }
            c.put_one("a", "1").within("b").ok().await?;
            c.delete().all().ok().await?.counts(2)?;
            c.get().ok().await?.is_empty()?;
            c.get().on("r2").ok().await?.has_keys(&["a", "b"])?;
            c.get().on("R").ok().await?.has_keys(&["a", "b"])?;
            c.get().within("b").ok().await?.has_keys(&["a"])
        }
    ),
    case!(
        "delete::needs_a_predicate",
        "A Delete without a predicate is refused: match_all must be said.",
        ["DEL-4"],
        |c| {
            four_items(c).await?;
            c.delete().fails(InvalidArgument).await?;
            c.get().ok().await?.has_keys(&["a", "b", "c", "d"])
        }
    ),
    case!(
        "delete::an_unset_predicate_is_refused_everywhere",
        "A predicate that is present with no kind set is refused in Delete, Get and Scan.",
        ["DEL-4"],
        |c| {
            four_items(c).await?;
            c.delete().choose(KeyPredicate::Unset).fails(InvalidArgument).await?;
            c.get().choose(KeyPredicate::Unset).fails(InvalidArgument).await?;
            c.scan().on("r").choose(KeyPredicate::Unset).fails(InvalidArgument).await?;
            c.get().ok().await?.has_keys(&["a", "b", "c", "d"])
        }
    ),
    case!(
        "delete::reads_need_no_predicate",
        "In Get and Scan an absent predicate means match_all.",
        ["DEL-4"],
        |c| {
            four_items(c).await?;
            let (explicit, implicit) = (c.get().all().ok().await?, c.get().ok().await?);
            implicit.has_keys(&["a", "b", "c", "d"])?;
            implicit.same("items", &explicit.items, &implicit.items)?;
            let every = [("r", "a"), ("r", "b"), ("r", "c"), ("r", "d")];
            c.scan().on("r").all().ok().await?.has_keys(&every)?;
            c.scan().on("r").ok().await?.has_keys(&every)
        }
    ),
    case!(
        "delete::takes_more_than_a_page",
        "A Delete takes all that it chose, also more than a page.",
        ["DEL-5", "DEL-2"],
        |c| {
            c.put(numbered(1_000)).ok().await?;
            c.put(items([("x", "1"), ("y", "2")])).ok().await?;
            c.delete().all().ok().await?.counts(1_002)?;
            c.get().ok().await?.is_empty()
        }
    ),
    case!(
        "delete::is_all_or_nothing",
        "A Delete that fails a precondition removes nothing of what it chose.",
        ["DEL-5", "COND-5"],
        [CONDITIONAL],
        |c| {
            four_items(c).await?;
            c.delete().all().when("d", 0).fails(FailedPrecondition).await?;
            c.delete().keys(["a", "b"]).when("a", i64::MAX).fails(FailedPrecondition).await?;
            c.get().ok().await?.has_keys(&["a", "b", "c", "d"])
        }
    ),
];

async fn four_items(c: &Ctx) -> Proof {
    c.put(items([("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")])).ok().await.map(drop)
}
