//! Preconditions: all hold, or nothing is written and the response names those that failed.

use super::support::{CONDITIONAL, TOKENS, unchanged};
use crate::core::StatusCode::{FailedPrecondition, InvalidArgument};
use crate::core::case;
use crate::keyvalue::{Case, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "condition::that_holds_lets_a_put_through",
        "A Put whose preconditions hold is applied.",
        ["COND-1"],
        [CONDITIONAL],
        |c| {
            let version = c.put_one("k", "1").ok().await?.version()?;
            let next = c.put_one("k", "2").when("k", version).ok().await?;
            next.applied(&[true])?;
            c.put_one("k", "3").when("k", next.version()?).when("other", 0).ok().await?.applied(&[true])?;
            c.get().ok().await?.holds(&[("k", "3")])
        }
    ),
    case!(
        "condition::on_an_old_version_fails",
        "A precondition on an old version fails, names the current one, and nothing is written.",
        ["COND-1"],
        [CONDITIONAL],
        |c| {
            let old = c.put_one("k", "1").ok().await?.version()?;
            let current = c.put_one("k", "2").ok().await?.version()?;
            let before = c.get().ok().await?;
            c.put_one("k", "3").when("k", old).fails(FailedPrecondition).await?.names(&[("k", current)])?;
            unchanged(c, &before).await
        }
    ),
    case!(
        "condition::on_a_later_version_fails",
        "A precondition on a version that is yet to come fails.",
        ["COND-1"],
        [CONDITIONAL],
        |c| {
            let current = c.put_one("k", "1").ok().await?.version()?;
            for later in [current + 1, i64::MAX] {
                c.put_one("k", "2")
                    .when("k", later)
                    .fails(FailedPrecondition)
                    .await?
                    .names(&[("k", current)])?;
            }
            c.get().ok().await?.holds(&[("k", "1")])
        }
    ),
    case!(
        "condition::on_an_absent_item_fails",
        "A precondition on a version of an absent item fails with version 0.",
        ["COND-1"],
        [CONDITIONAL],
        |c| {
            c.put_one("k", "1").when("k", 1).fails(FailedPrecondition).await?.names(&[("k", 0)])?;
            c.get().ok().await?.is_empty()
        }
    ),
    case!(
        "condition::names_each_failing_key_and_no_other",
        "Each failing key is named with its current version, and those that hold are not.",
        ["COND-1"],
        [CONDITIONAL],
        |c| {
            let put = c.put(items([("a", "1"), ("b", "2"), ("c", "3")])).ok().await?;
            let [a, b, c_version] =
                [0, 1, 2].map(|at| put.results.get(at).map_or(0, |result| result.version));
            let guarded = c
                .put_one("z", "v")
                .when("a", a)
                .when("b", 0)
                .when("c", c_version + 1)
                .when("x", 0)
                .when("y", 7);
            let failure = guarded.fails(FailedPrecondition).await?;
            failure.names(&[("b", b), ("c", c_version), ("y", 0)])
        }
    ),
    case!(
        "condition::that_fails_last_stops_all",
        "One failing precondition, also the last, stops every item of the Put.",
        ["COND-1", "PUT-3"],
        [CONDITIONAL],
        |c| {
            let version = c.put_one("b", "old").ok().await?.version()?;
            let before = c.get().ok().await?;
            let guarded = c
                .put(items([("a", "1"), ("b", "2"), ("c", "3")]))
                .when("a", 0)
                .when("b", version)
                .when("c", 9);
            guarded.fails(FailedPrecondition).await?.names(&[("c", 0)])?;
            unchanged(c, &before).await
        }
    ),
    case!(
        "condition::on_the_version_of_another_key_fails",
        "A version holds for its own key only.",
        ["COND-1"],
        [CONDITIONAL],
        |c| {
            c.put_one("a", "1").ok().await?;
            for _ in 0..3 {
                c.put_one("b", "2").ok().await?;
            }
            let read = c.get().ok().await?;
            let (a, b) = (read.item("a")?.version, read.item("b")?.version);
            c.put_one("a", "3").when("a", b).fails(FailedPrecondition).await?.names(&[("a", a)])?;
            c.put_one("a\0", "3").when("a\0", a).fails(FailedPrecondition).await?.names(&[("a\0", 0)])
        }
    ),
    case!(
        "condition::is_not_fooled_by_a_new_life",
        "A version of before a delete does not hold of the item made anew.",
        ["COND-1", "VER-2"],
        [CONDITIONAL],
        |c| {
            let old = c.put_one("k", "same").ok().await?.version()?;
            c.delete().keys(["k"]).ok().await?;
            let new = c.put_one("k", "same").ok().await?.version()?;
            c.put_one("k", "3").when("k", old).fails(FailedPrecondition).await?.names(&[("k", new)])
        }
    ),
    case!(
        "condition::may_name_a_key_that_is_not_written",
        "A precondition may name a key that the Put does not write.",
        ["COND-4"],
        [CONDITIONAL],
        |c| {
            let old = c.put_one("lock", "1").ok().await?.version()?;
            let current = c.put_one("lock", "2").ok().await?.version()?;
            c.put_one("k", "1")
                .when("lock", old)
                .fails(FailedPrecondition)
                .await?
                .names(&[("lock", current)])?;
            c.put_one("k", "2").when("lock", current).when("never", 0).ok().await?.applied(&[true])?;
            c.get().ok().await?.holds(&[("k", "2"), ("lock", "2")])
        }
    ),
    case!(
        "condition::named_twice_is_refused",
        "A key named twice among the preconditions is refused.",
        ["COND-4", "PUT-6"],
        [CONDITIONAL],
        |c| {
            let version = c.put_one("k", "1").ok().await?.version()?;
            c.put_one("k", "2").when("k", version).when("k", version).fails(InvalidArgument).await?;
            c.put_one("k", "2").when("k", version).when("k", 0).fails(InvalidArgument).await?;
            c.delete().all().when("x", 0).when("k", version).when("x", 0).fails(InvalidArgument).await?;
            c.put_one("k", "3").when("k", version).when("K", 0).when("k\0", 0).ok().await?.applied(&[true])
        }
    ),
    case!(
        "condition::sees_its_own_record_only",
        "A precondition sees its own record only.",
        ["COND-4"],
        [CONDITIONAL],
        |c| {
            let version = c.put_one("k", "1").on("other").ok().await?.version()?;
            c.put_one("k", "2").when("k", version).fails(FailedPrecondition).await?.names(&[("k", 0)])?;
            c.put_one("k", "3").when("k", 0).ok().await?.applied(&[true])
        }
    ),
    case!(
        "condition::sees_what_was_before_the_put",
        "Preconditions see the record as it was before the Put.",
        ["COND-1"],
        [CONDITIONAL],
        |c| {
            let pairs = [("a", "1"), ("b", "2")];
            c.put(items(pairs)).when("b", 0).when("a", 0).ok().await?.applied(&[true, true])?;
            c.get().ok().await?.holds(&pairs)
        }
    ),
    case!(
        "condition::that_holds_lets_a_delete_through",
        "A Delete whose preconditions hold is applied.",
        ["COND-5"],
        [CONDITIONAL],
        |c| {
            c.put(items([("a", "1"), ("b", "2")])).ok().await?;
            let version = c.get().ok().await?.item("a")?.version;
            c.delete().keys(["a", "b"]).when("a", version).when("x", 0).ok().await?.counts(2)?;
            c.get().ok().await?.is_empty()
        }
    ),
    case!(
        "condition::that_fails_stops_a_delete",
        "A Delete whose precondition fails removes nothing and names the key.",
        ["COND-5"],
        [CONDITIONAL],
        |c| {
            let old = c.put_one("a", "1").ok().await?.version()?;
            let current = c.put_one("a", "2").ok().await?.version()?;
            c.put_one("b", "3").ok().await?;
            let before = c.get().ok().await?;
            c.delete().all().when("a", old).fails(FailedPrecondition).await?.names(&[("a", current)])?;
            c.delete()
                .keys(["b"])
                .when("a", old)
                .when("x", 7)
                .fails(FailedPrecondition)
                .await?
                .names(&[("a", current), ("x", 0)])?;
            unchanged(c, &before).await
        }
    ),
    case!(
        "condition::that_fails_remembers_no_token",
        "A write whose precondition fails leaves the highest token as it is.",
        ["COND-1", "COND-5", "TOK-1"],
        [CONDITIONAL, TOKENS],
        |c| {
            c.put_one("k", "1").token(1).ok().await?;
            c.put_one("k", "2").token(9).when("x", 7).fails(FailedPrecondition).await?;
            c.delete().keys(["k", "gone"]).token(9).when("x", 7).fails(FailedPrecondition).await?;
            c.put(items([("gone", "3"), ("k", "3")])).token(2).ok().await?.applied(&[true, true])
        }
    ),
    case!(
        "condition::comes_before_the_token",
        "A superseded write whose precondition fails is a failed precondition.",
        ["COND-1"],
        [CONDITIONAL, TOKENS],
        |c| {
            let version = c.put_one("k", "1").token(5).ok().await?.version()?;
            c.put_one("k", "2")
                .token(5)
                .when("k", 0)
                .fails(FailedPrecondition)
                .await?
                .names(&[("k", version)])?;
            c.delete()
                .keys(["k"])
                .token(5)
                .when("k", 0)
                .fails(FailedPrecondition)
                .await?
                .names(&[("k", version)])
        }
    ),
    case!(
        "condition::that_holds_does_not_beat_a_token",
        "A superseded write stays superseded though its preconditions hold.",
        ["TOK-1", "COND-1"],
        [CONDITIONAL, TOKENS],
        |c| {
            let version = c.put_one("k", "1").token(5).ok().await?.version()?;
            c.put_one("k", "2").token(5).when("k", version).ok().await?.applied(&[false])?;
            c.delete().keys(["k"]).token(5).when("k", version).ok().await?.counts(0)?;
            c.get().ok().await?.holds(&[("k", "1")])
        }
    ),
];
