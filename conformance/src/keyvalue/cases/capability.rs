//! Capabilities: those that Describe declares work; the others are UNIMPLEMENTED and change nothing.

use prism_contract::keyvalue::Capability;
use prism_contract::keyvalue::request::DescribeRequest;

use super::support::{
    CONDITIONAL, EXPIRY, HOUR, NAMESPACE_SCAN, REVERSE, TOKENS, expire_tick, numbered, unchanged,
};
use crate::core::StatusCode::{FailedPrecondition, InvalidArgument, Unimplemented};
use crate::core::{Proof, case, refused};
use crate::keyvalue::{Case, Ctx, Need, Request, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "capability::describe_says_versions",
        "Describe says the server's version and the contract's.",
        ["CAP-1"],
        |c| {
            let described = c.describe().await?;
            described.expect(!described.server_version.is_empty(), "a server version", "none")?;
            let major = described.contract_version.split('.').next().unwrap_or_default();
            described.same("major version of the contract", &"1", &major)
        }
    ),
    case!(
        "capability::describe_declares_what_is_claimed",
        "Describe declares exactly what is claimed of this store.",
        ["CAP-1"],
        |c| {
            let described = c.describe().await?;
            described.same("capabilities", &c.capabilities(), &described.capabilities)
        }
    ),
    case!(
        "capability::describe_checks_its_namespace",
        "Describe of a namespace that cannot be is refused.",
        ["CAP-1", "ERR-1"],
        |c| {
            for invalid in ["", "A", "-a", "a b"] {
                let request = DescribeRequest { namespace: invalid.to_owned() };
                let (step, outcome) = c.send(&*c.store(), Request::Describe(request)).await?;
                refused(step, outcome.into_result(), InvalidArgument)?;
            }
            Ok(())
        }
    ),
    case!(
        "capability::describe_is_the_same_for_every_namespace",
        "Describe declares the same before and after a write.",
        ["CAP-1"],
        |c| {
            let before = c.describe().await?;
            c.put_one("k", "v").ok().await?;
            let after = c.describe().await?;
            after.same("capabilities", &before.capabilities, &after.capabilities)?;
            after.same("limits", &before.limits, &after.limits)
        }
    ),
    case!(
        "capability::conditional_writes_work",
        "CONDITIONAL_WRITES is declared, and preconditions are honoured.",
        ["CAP-1"],
        [CONDITIONAL],
        |c| {
            declares(c, Capability::ConditionalWrites, true).await?;
            let version = c.put_one("k", "1").when("k", 0).ok().await?.version()?;
            c.put_one("k", "2").when("k", 0).fails(FailedPrecondition).await?;
            c.delete().all().when("k", version).ok().await?.counts(1)
        }
    ),
    case!(
        "capability::conditional_writes_are_unimplemented",
        "Without CONDITIONAL_WRITES a precondition is UNIMPLEMENTED, and nothing is written.",
        ["CAP-1"],
        [Need::Lacks(Capability::ConditionalWrites)],
        |c| {
            declares(c, Capability::ConditionalWrites, false).await?;
            let version = c.put_one("k", "1").ok().await?.version()?;
            let before = c.get().ok().await?;
            for (key, version) in [("k", version), ("k", 0), ("absent", 0)] {
                c.put(items([("j", "2"), ("k", "2")])).when(key, version).fails(Unimplemented).await?;
                c.delete().all().when(key, version).fails(Unimplemented).await?;
            }
            unchanged(c, &before).await
        }
    ),
    case!(
        "capability::priority_tokens_work",
        "PRIORITY_TOKENS is declared, and tokens are honoured.",
        ["CAP-1"],
        [TOKENS],
        |c| {
            declares(c, Capability::PriorityTokens, true).await?;
            c.put_one("k", "1").token(2).ok().await?.applied(&[true])?;
            c.put_one("k", "2").token(1).ok().await?.applied(&[false])?;
            c.delete().all().token(3).ok().await?.counts(1)
        }
    ),
    case!(
        "capability::priority_tokens_are_unimplemented",
        "Without PRIORITY_TOKENS a token above 0 is UNIMPLEMENTED, and nothing is written.",
        ["CAP-1"],
        [Need::Lacks(Capability::PriorityTokens)],
        |c| {
            declares(c, Capability::PriorityTokens, false).await?;
            c.put_one("k", "1").ok().await?;
            let before = c.get().ok().await?;
            for token in [1, i64::MAX] {
                c.put(items([("j", "2"), ("k", "2")])).token(token).fails(Unimplemented).await?;
                c.delete().all().token(token).fails(Unimplemented).await?;
            }
            unchanged(c, &before).await
        }
    ),
    case!(
        "capability::expiry_works",
        "EXPIRY is declared, and a ttl is honoured.",
        ["CAP-1"],
        [EXPIRY],
        |c| {
            declares(c, Capability::Expiry, true).await?;
            c.put_one("k", "1").ttl(c.tick()).ok().await?.applied(&[true])?;
            expire_tick(c).await?;
            c.get().ok().await?.is_empty()
        }
    ),
    case!(
        "capability::expiry_is_unimplemented",
        "Without EXPIRY a ttl is UNIMPLEMENTED, and nothing is written.",
        ["CAP-1"],
        [Need::Lacks(Capability::Expiry)],
        |c| {
            declares(c, Capability::Expiry, false).await?;
            c.put_one("k", "1").ok().await?;
            let before = c.get().ok().await?;
            c.put(items([("j", "2"), ("k", "2")])).ttl(HOUR).fails(Unimplemented).await?;
            unchanged(c, &before).await
        }
    ),
    case!(
        "capability::reverse_works",
        "REVERSE is declared, and reverse is honoured.",
        ["CAP-1"],
        [REVERSE],
        |c| {
            declares(c, Capability::Reverse, true).await?;
            c.put(numbered(2)).ok().await?;
            c.get().reverse().ok().await?.has_keys(&["k0001", "k0000"])?;
            c.scan().on("r").reverse().ok().await?.has_keys(&[("r", "k0001"), ("r", "k0000")])
        }
    ),
    case!(
        "capability::reverse_is_unimplemented",
        "Without REVERSE a reversed Get or Scan is UNIMPLEMENTED.",
        ["CAP-1"],
        [Need::Lacks(Capability::Reverse)],
        |c| {
            declares(c, Capability::Reverse, false).await?;
            c.put(numbered(2)).ok().await?;
            c.get().reverse().fails(Unimplemented).await?;
            c.get().on("absent").reverse().fails(Unimplemented).await?;
            c.scan().on("r").reverse().fails(Unimplemented).await.map(drop)
        }
    ),
    case!(
        "capability::namespace_scan_works",
        "NAMESPACE_SCAN is declared, and a Scan without an id answers every record.",
        ["CAP-1"],
        [NAMESPACE_SCAN],
        |c| {
            declares(c, Capability::NamespaceScan, true).await?;
            c.put_one("k", "1").on("a").ok().await?;
            c.put_one("k", "2").on("b").ok().await?;
            c.scan().ok().await?.has_keys(&[("a", "k"), ("b", "k")])
        }
    ),
    case!(
        "capability::namespace_scan_is_unimplemented",
        "Without NAMESPACE_SCAN a Scan without an id is UNIMPLEMENTED.",
        ["CAP-1"],
        [Need::Lacks(Capability::NamespaceScan)],
        |c| {
            declares(c, Capability::NamespaceScan, false).await?;
            c.scan().fails(Unimplemented).await?;
            c.put_one("k", "1").ok().await?;
            c.scan().fails(Unimplemented).await?;
            c.scan().on("r").ok().await?.has_keys(&[("r", "k")])
        }
    ),
];

/// Describe must declare `capability` if and only if `declared`.
async fn declares(c: &Ctx, capability: Capability, declared: bool) -> Proof {
    let described = c.describe().await?;
    let actual = described.capabilities.contains(capability);
    described.same(&format!("{capability} is declared"), &declared, &actual)
}
