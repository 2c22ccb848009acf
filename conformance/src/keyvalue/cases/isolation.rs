//! Isolation: writes in one namespace are invisible in every other.

use super::support::{CONDITIONAL, NAMESPACE_SCAN, TOKENS};
use crate::core::StatusCode::FailedPrecondition;
use crate::core::case;
use crate::keyvalue::{Case, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "isolation::namespaces_hold_their_own_values",
        "The same id and key hold another value in each namespace.",
        ["ISO-1"],
        |c| {
            for suffix in ["a", "ab", "b", ""] {
                c.put_one("k", suffix).within(suffix).ok().await?;
            }
            c.put_one("k", "again").within("a").ok().await?;
            for (suffix, value) in [("a", "again"), ("ab", "ab"), ("b", "b"), ("", "")] {
                c.get().within(suffix).ok().await?.holds(&[("k", value)])?;
            }
            Ok(())
        }
    ),
    case!(
        "isolation::an_item_is_in_one_namespace_only",
        "An item put in one namespace is in no other, `a` and `ab` included.",
        ["ISO-1"],
        |c| {
            c.put_one("k", "v").within("a").ok().await?;
            for other in ["", "ab", "a.", "b", "a_"] {
                c.get().within(other).ok().await?.is_empty()?;
                c.get().within(other).keys(["k"]).ok().await?.is_empty()?;
                c.scan().on("r").within(other).ok().await?.has_keys::<&str, &str>(&[])?;
            }
            Ok(())
        }
    ),
    case!(
        "isolation::deletes_stay_in_their_namespace",
        "A Delete of all leaves the same record of other namespaces alone.",
        ["ISO-1"],
        |c| {
            for suffix in ["a", "ab", ""] {
                c.put(items([("j", "1"), ("k", "2")])).within(suffix).ok().await?;
            }
            c.delete().all().within("a").ok().await?.counts(2)?;
            c.get().within("ab").ok().await?.has_keys(&["j", "k"])?;
            c.get().within("").ok().await?.has_keys(&["j", "k"])
        }
    ),
    case!(
        "isolation::names_are_not_joined",
        "Namespace, id and key that spell the same when joined are three different items.",
        ["ISO-1", "RT-4"],
        |c| {
            let addresses =
                [("a", "bc", "d"), ("ab", "c", "d"), ("a", "b", "cd"), ("abc", "d", "d"), ("ab", "cd", "d")];
            for (at, (namespace, id, key)) in addresses.into_iter().enumerate() {
                c.put_one(key, at.to_string()).within(namespace).on(id).ok().await?;
            }
            for (at, (namespace, id, key)) in addresses.into_iter().enumerate() {
                c.get().within(namespace).on(id).ok().await?.holds(&[(key, at.to_string())])?;
            }
            Ok(())
        }
    ),
    case!(
        "isolation::scan_stays_in_its_namespace",
        "Scan of a namespace answers nothing of another, `a` and `ab` included.",
        ["ISO-1"],
        [NAMESPACE_SCAN],
        |c| {
            for suffix in ["a", "ab", "a.b", "", "b"] {
                c.put_one("k", "v").within(suffix).on(format!("in {suffix}")).ok().await?;
            }
            for suffix in ["a", "ab", "", "b"] {
                c.scan().within(suffix).ok().await?.has_keys(&[(format!("in {suffix}"), "k")])?;
            }
            Ok(())
        }
    ),
    case!(
        "isolation::tokens_stay_in_their_namespace",
        "A token seen in one namespace supersedes nothing in another.",
        ["ISO-1"],
        [TOKENS],
        |c| {
            c.put_one("k", "1").token(9).within("a").ok().await?;
            c.delete().keys(["gone"]).token(9).within("a").ok().await?;
            c.put(items([("gone", "2"), ("k", "2")]))
                .token(1)
                .within("ab")
                .ok()
                .await?
                .applied(&[true, true])?;
            c.put_one("k", "3").token(1).within("a").on("other").ok().await?.applied(&[true])
        }
    ),
    case!(
        "isolation::preconditions_stay_in_their_namespace",
        "A precondition sees its own namespace only.",
        ["ISO-1"],
        [CONDITIONAL],
        |c| {
            let version = c.put_one("k", "1").within("a").ok().await?.version()?;
            c.put_one("k", "2")
                .when("k", version)
                .within("ab")
                .fails(FailedPrecondition)
                .await?
                .names(&[("k", 0)])?;
            c.put_one("k", "3").when("k", 0).within("ab").ok().await?.applied(&[true])?;
            c.get().within("a").ok().await?.holds(&[("k", "1")])
        }
    ),
];
