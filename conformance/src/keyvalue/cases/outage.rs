//! Outage: while the database is unreachable, calls are UNAVAILABLE; afterwards all data is there.

use super::status::{DATABASE_INTERNALS, leaks_none};
use crate::core::StatusCode::Unavailable;
use crate::core::{Ability, Failure, Proof, Reply, case};
use crate::keyvalue::{Case, Need, items};

const OUTAGE: Need = Need::Ability(Ability::Outage);

pub(super) const CASES: &[Case] = &[
    case!(
        "outage::is_unavailable_to_reads",
        "While the database is away, reads are UNAVAILABLE with a delay, never OK or empty.",
        ["ERR-1"],
        [OUTAGE],
        |c| {
            c.put_one("k", "v").ok().await?;
            c.outage(true).await?;
            has_retry_info(&c.get().fails(Unavailable).await?)?;
            has_retry_info(&c.get().keys(["k", "absent"]).fails(Unavailable).await?)?;
            has_retry_info(&c.get().on("absent").fails(Unavailable).await?)?;
            has_retry_info(&c.scan().on("r").fails(Unavailable).await?)?;
            c.outage(false).await
        }
    ),
    case!(
        "outage::is_unavailable_to_writes",
        "While the database is away, writes are UNAVAILABLE with a delay.",
        ["ERR-1"],
        [OUTAGE],
        |c| {
            c.put_one("k", "v").ok().await?;
            c.outage(true).await?;
            has_retry_info(&c.put_one("k", "w").fails(Unavailable).await?)?;
            has_retry_info(&c.delete().all().fails(Unavailable).await?)?;
            has_retry_info(&c.delete().keys(["absent"]).fails(Unavailable).await?)?;
            c.outage(false).await
        }
    ),
    case!(
        "outage::tells_nothing_of_the_database",
        "No SQL, path or address of the database stands in the message of an outage.",
        ["ERR-2"],
        [OUTAGE],
        |c| {
            c.put_one("k", "v").ok().await?;
            c.outage(true).await?;
            for failure in [
                c.get().fails(Unavailable).await?,
                c.scan().on("r").fails(Unavailable).await?,
                c.put_one("k", "w").fails(Unavailable).await?,
                c.delete().all().fails(Unavailable).await?,
            ] {
                leaks_none(&failure, &DATABASE_INTERNALS)?;
            }
            c.outage(false).await
        }
    ),
    case!(
        "outage::passes",
        "After an outage everything is there, and writes go on.",
        ["ERR-1", "DUR-1"],
        [OUTAGE],
        |c| {
            c.put(items([("a", "1"), ("b", "2")])).ok().await?;
            let before = c.get().ok().await?;
            c.outage(true).await?;
            c.get().fails(Unavailable).await?;
            c.outage(false).await?;
            let after = c.get().ok().await?;
            after.same("items", &before.items, &after.items)?;
            c.put_one("c", "3").ok().await?.applied(&[true])?;
            c.get().ok().await?.has_keys(&["a", "b", "c"])
        }
    ),
];

/// The failure must have a retry delay.
fn has_retry_info(failure: &Reply<Failure>) -> Proof {
    failure.expect(failure.retry_after.is_some(), "a RetryInfo", "no RetryInfo")
}
