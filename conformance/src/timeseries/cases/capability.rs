//! Capabilities: those that Describe declares work; the others are UNIMPLEMENTED and change nothing.

use prism_contract::timeseries::Capability;
use prism_contract::timeseries::request::{DescribeRequest, QueryRequest};

use super::support::{
    DELETE, DETECTS_DUPLICATES, HISTOGRAM, LIST_SERIES, MICRO, NAMESPACE_TAIL, OPEN_WINDOWS, POLICIES,
    REVERSE, holds, numbered, times,
};
use crate::core::StatusCode::{InvalidArgument, Unimplemented};
use crate::core::{Proof, case, refused};
use crate::timeseries::policies::{FREE, POLICIES as ALL_POLICIES};
use crate::timeseries::{Case, Ctx, Need, Request};

pub(super) const CASES: &[Case] = &[
    case!(
        "capability::describe_says_versions",
        "Describe says the server's version and the contract's.",
        ["CAP-1"],
        |c| {
            let described = c.describe(&FREE).await?;
            described.expect(!described.server_version.is_empty(), "a server version", "none")?;
            let major = described.contract_version.split('.').next().unwrap_or_default();
            described.same("major version of the contract", &"1", &major)?;
            described.expect(!described.heartbeat.is_zero(), "a heartbeat interval above 0", "0")
        }
    ),
    case!(
        "capability::describe_declares_what_is_claimed",
        "Describe declares exactly what is claimed of this store.",
        ["CAP-1"],
        |c| {
            let described = c.describe(&FREE).await?;
            described.same("capabilities", &c.capabilities(), &described.capabilities)
        }
    ),
    case!(
        "capability::describe_says_the_policy",
        "Describe says the policy of the namespace.",
        ["CAP-1", "ACC-1"],
        [POLICIES, OPEN_WINDOWS],
        |c| {
            for policy in ALL_POLICIES {
                let described = c.describe(policy).await?;
                let (expected, actual) = (policy.policy(), described.policy.clone());
                described.same(
                    "retention",
                    &expected.retention.map(micros),
                    &actual.retention.map(micros),
                )?;
                let window =
                    |of: prism_contract::timeseries::Window| (of.past.map(micros), of.future.map(micros));
                described.same("window", &window(expected.window), &window(actual.window))?;
                described.expect(
                    (1..=256).contains(&actual.partitions),
                    "1 to 256 partitions",
                    actual.partitions.to_string(),
                )?;
            }
            Ok(())
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
        "capability::list_series_works",
        "LIST_SERIES is declared, and ListSeries answers.",
        ["CAP-1"],
        [LIST_SERIES],
        |c| {
            declares(c, Capability::ListSeries, true).await?;
            c.list().ok().await?.has::<&str>(&[])
        }
    ),
    case!(
        "capability::list_series_is_unimplemented",
        "Without LIST_SERIES a ListSeries is UNIMPLEMENTED.",
        ["CAP-1"],
        [Need::Lacks(Capability::ListSeries)],
        |c| {
            declares(c, Capability::ListSeries, false).await?;
            undeclared(&c.list().fails(Unimplemented).await?)?;
            c.list().with(|list| list.namespace.clear()).fails(InvalidArgument).await.map(drop)
        }
    ),
    case!(
        "capability::histogram_works",
        "HISTOGRAM is declared, and Histogram answers.",
        ["CAP-1"],
        [HISTOGRAM],
        |c| {
            declares(c, Capability::Histogram, true).await?;
            let t = times(c).await?;
            c.histogram().from(t.at(0)).to(t.at(1)).bucket(MICRO).ok().await?.counts(&[])
        }
    ),
    case!(
        "capability::histogram_is_unimplemented",
        "Without HISTOGRAM a Histogram is UNIMPLEMENTED.",
        ["CAP-1"],
        [Need::Lacks(Capability::Histogram)],
        |c| {
            declares(c, Capability::Histogram, false).await?;
            let t = times(c).await?;
            let good = || c.histogram().from(t.at(0)).to(t.at(1)).bucket(MICRO);
            undeclared(&good().fails(Unimplemented).await?)?;
            good().of("").fails(InvalidArgument).await.map(drop)
        }
    ),
    case!(
        "capability::delete_works",
        "DELETE is declared, and DeleteEvents deletes.",
        ["CAP-1"],
        [DELETE],
        |c| {
            declares(c, Capability::Delete, true).await?;
            let t = times(c).await?;
            c.append(numbered(t, 2)).ok().await?;
            c.delete().all().ok().await?.counts(2)
        }
    ),
    case!(
        "capability::delete_is_unimplemented",
        "Without DELETE a DeleteEvents is UNIMPLEMENTED, and deletes nothing.",
        ["CAP-1"],
        [Need::Lacks(Capability::Delete)],
        |c| {
            declares(c, Capability::Delete, false).await?;
            let t = times(c).await?;
            let events = numbered(t, 2);
            c.append(events.clone()).ok().await?;
            undeclared(&c.delete().all().fails(Unimplemented).await?)?;
            c.delete().from(t.at(0)).fails(Unimplemented).await?;
            c.delete().fails(InvalidArgument).await?;
            holds(c, &events).await
        }
    ),
    case!(
        "capability::namespace_tail_works",
        "NAMESPACE_TAIL is declared, and a Tail without a series brings every series.",
        ["CAP-1"],
        [NAMESPACE_TAIL],
        |c| {
            declares(c, Capability::NamespaceTail, true).await?;
            let t = times(c).await?;
            c.append(numbered(t, 2)).ok().await?;
            c.tail().whole_namespace().beginning().ok().await?.has_ids(&["e0000", "e0001"])
        }
    ),
    case!(
        "capability::namespace_tail_is_unimplemented",
        "Without NAMESPACE_TAIL a Tail without a series is UNIMPLEMENTED.",
        ["CAP-1"],
        [Need::Lacks(Capability::NamespaceTail)],
        |c| {
            declares(c, Capability::NamespaceTail, false).await?;
            undeclared(&c.tail().whole_namespace().beginning().fails(Unimplemented).await?)?;
            c.tail().whole_namespace().now().fails(Unimplemented).await?;
            c.tail().whole_namespace().fails(InvalidArgument).await.map(drop)
        }
    ),
    case!(
        "capability::reverse_works",
        "REVERSE is declared, and reverse is honoured.",
        ["CAP-1"],
        [REVERSE],
        |c| {
            declares(c, Capability::Reverse, true).await?;
            let t = times(c).await?;
            c.append(numbered(t, 2)).ok().await?;
            c.query().reverse().ok().await?.has_ids(&["e0001", "e0000"])
        }
    ),
    case!(
        "capability::reverse_is_unimplemented",
        "Without REVERSE a reversed Query is UNIMPLEMENTED.",
        ["CAP-1"],
        [Need::Lacks(Capability::Reverse)],
        |c| {
            declares(c, Capability::Reverse, false).await?;
            undeclared(&c.query().reverse().fails(Unimplemented).await?)?;
            c.query().of("absent").reverse().fails(Unimplemented).await?;
            c.query()
                .reverse()
                .with(|query: &mut QueryRequest| query.series.clear())
                .fails(InvalidArgument)
                .await
                .map(drop)
        }
    ),
    case!(
        "capability::detects_duplicates_works",
        "DETECTS_DUPLICATES is declared, and an event that was there is reported as a duplicate.",
        ["CAP-1", "APP-8"],
        [DETECTS_DUPLICATES],
        |c| {
            declares(c, Capability::DetectsDuplicates, true).await?;
            let t = times(c).await?;
            c.append(numbered(t, 1)).ok().await?.duplicates(&[false])?;
            c.append(numbered(t, 1)).ok().await?.duplicates(&[true])
        }
    ),
    case!(
        "capability::without_it_no_duplicate_is_said",
        "Without DETECTS_DUPLICATES no event is reported as a duplicate.",
        ["CAP-1", "APP-3"],
        [Need::Lacks(Capability::DetectsDuplicates)],
        |c| {
            declares(c, Capability::DetectsDuplicates, false).await?;
            let t = times(c).await?;
            let events = numbered(t, 1);
            for _ in 0..2 {
                c.append(events.clone()).ok().await?.duplicates(&[false])?;
            }
            holds(c, &events).await
        }
    ),
];

fn micros(of: std::time::Duration) -> u64 {
    u64::try_from(of.as_micros()).unwrap_or(u64::MAX)
}

/// Describe must declare `capability` if and only if `declared`.
async fn declares(c: &Ctx, capability: Capability, declared: bool) -> Proof {
    let described = c.describe(&FREE).await?;
    let actual = described.capabilities.contains(capability);
    described.same(&format!("{capability} is declared"), &declared, &actual)
}

fn undeclared(failure: &crate::core::Reply<crate::core::Failure>) -> Proof {
    failure.has_error_info("CAPABILITY_NOT_DECLARED")
}
