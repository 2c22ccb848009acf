//! Preconditions with version 0: the item must be absent, for whatever reason.

use super::support::{CONDITIONAL, EXPIRY, TOKENS, expire_tick, unchanged};
use crate::core::StatusCode::{FailedPrecondition, InvalidArgument};
use crate::core::case;
use crate::keyvalue::{Case, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "absence::holds_of_what_never_was",
        "Version 0 lets a Put make an item, once.",
        ["COND-2"],
        [CONDITIONAL],
        |c| {
            let version = c.put_one("k", "first").when("k", 0).ok().await?.version()?;
            c.put_one("k", "second")
                .when("k", 0)
                .fails(FailedPrecondition)
                .await?
                .names(&[("k", version)])?;
            c.get().ok().await?.holds(&[("k", "first")])
        }
    ),
    case!(
        "absence::leaves_an_existing_item_alone",
        "Version 0 fails where an item is, and names its version.",
        ["COND-2"],
        [CONDITIONAL],
        |c| {
            c.put_one("k", "1").ok().await?;
            let version = c.put_one("k", "2").ok().await?.version()?;
            let before = c.get().ok().await?;
            c.put(items([("j", "3"), ("k", "3")]))
                .when("k", 0)
                .fails(FailedPrecondition)
                .await?
                .names(&[("k", version)])?;
            unchanged(c, &before).await
        }
    ),
    case!(
        "absence::holds_after_a_delete",
        "A deleted item is absent.",
        ["COND-2", "DEL-1"],
        [CONDITIONAL],
        |c| {
            let old = c.put_one("k", "1").ok().await?.version()?;
            c.delete().keys(["k"]).ok().await?;
            c.put_one("k", "2").when("k", old).fails(FailedPrecondition).await?.names(&[("k", 0)])?;
            c.put_one("k", "3").when("k", 0).ok().await?;
            c.get().ok().await?.holds(&[("k", "3")])
        }
    ),
    case!(
        "absence::never_holds_of_an_empty_value",
        "An item with an empty value is not absent.",
        ["COND-2", "RT-2"],
        [CONDITIONAL],
        |c| {
            let version = c.put_one("k", "").ok().await?.version()?;
            c.put_one("k", "1").when("k", 0).fails(FailedPrecondition).await?.names(&[("k", version)])?;
            c.put_one("k", "2").when("k", version).ok().await?.applied(&[true])
        }
    ),
    case!(
        "absence::holds_of_a_tombstone",
        "A tombstone is absent to preconditions.",
        ["COND-2", "TOK-5"],
        [CONDITIONAL, TOKENS],
        |c| {
            let old = c.put_one("k", "1").token(1).ok().await?.version()?;
            c.delete().keys(["k", "never"]).token(2).ok().await?;
            let failure =
                c.put_one("k", "2").when("k", old).when("never", 1).fails(FailedPrecondition).await?;
            failure.names(&[("k", 0), ("never", 0)])?;
            c.put_one("k", "3").when("k", 0).when("never", 0).ok().await?.applied(&[true])
        }
    ),
    case!(
        "absence::holds_after_an_expiry",
        "An expired item is absent, and its version no longer holds.",
        ["COND-2", "TTL-1"],
        [CONDITIONAL, EXPIRY],
        |c| {
            let old = c.put_one("k", "1").ttl(c.tick()).ok().await?.version()?;
            expire_tick(c).await?;
            c.put_one("k", "2").when("k", old).fails(FailedPrecondition).await?.names(&[("k", 0)])?;
            c.delete().keys(["k"]).when("k", old).fails(FailedPrecondition).await?.names(&[("k", 0)])?;
            c.put_one("k", "3").when("k", 0).ok().await?.applied(&[true])
        }
    ),
    case!(
        "absence::of_a_negative_version_is_refused",
        "A negative version is refused.",
        ["COND-2"],
        [CONDITIONAL],
        |c| {
            for version in [-1, i64::MIN] {
                c.put_one("k", "1").when("k", version).fails(InvalidArgument).await?;
                c.delete().all().when("k", version).fails(InvalidArgument).await?;
            }
            c.get().ok().await?.is_empty()
        }
    ),
    case!(
        "absence::guards_a_delete",
        "Version 0 guards a Delete as it guards a Put.",
        ["COND-5", "COND-2"],
        [CONDITIONAL],
        |c| {
            let version = c.put_one("k", "1").ok().await?.version()?;
            c.delete().keys(["k"]).when("k", 0).fails(FailedPrecondition).await?.names(&[("k", version)])?;
            c.delete().keys(["k"]).when("x", 0).ok().await?.counts(1)?;
            c.delete().keys(["k"]).when("k", 0).ok().await?.counts(0)
        }
    ),
];
