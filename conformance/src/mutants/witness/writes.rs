//! Overwrites, versions, times and preconditions.

use std::time::Duration;

use crate::case::Proof;
use crate::{Ctx, items};

const STEP: Duration = Duration::from_micros(1_500);
const SECOND: Duration = Duration::from_secs(1);
const ALMOST_A_SECOND: Duration = Duration::from_micros(999_999);
const TICK: Duration = Duration::from_micros(1);

/// An item written, overwritten, deleted and written again, beside others.
pub(in crate::mutants) async fn overwrites(c: &Ctx) -> Proof {
    c.put(items([("a", "1"), ("b", "2")])).sent().await?;
    c.get().sent().await?;
    c.advance(STEP).await?;
    c.put_one("a", "3").sent().await?;
    c.get().sent().await?;
    c.delete().all().sent().await?;
    c.advance(STEP).await?;
    c.put_one("a", "4").sent().await?;
    c.get().sent().await?;
    Ok(())
}

/// More items and keys than a statement of SQL likes, each there before.
pub(in crate::mutants) async fn many(c: &Ctx) -> Proof {
    let keys: Vec<_> = (0..300).map(|number| format!("k{number:03}")).collect();
    for _ in 0..2 {
        c.put(items(keys.iter().map(|key| (key, "v")))).sent().await?;
        c.get().sent().await?;
        c.advance(STEP).await?;
    }
    c.delete().keys(&keys).sent().await?;
    c.get().sent().await?;
    Ok(())
}

/// An item at the end of its life, in every answer.
pub(in crate::mutants) async fn end_of_life(c: &Ctx) -> Proof {
    c.put_one("other", "v").sent().await?;
    c.put_one("k", "v").ttl(SECOND).sent().await?;
    c.advance(ALMOST_A_SECOND).await?;
    c.get().sent().await?;
    c.sweep().await?;
    c.get().sent().await?;
    c.advance(TICK).await?;
    c.get().sent().await?;
    c.scan().sent().await?;
    c.delete().keys(["k"]).sent().await?;
    c.put_one("other", "w").when("k", 0).sent().await?;
    c.put_one("k", "w").sent().await?;
    Ok(())
}

/// A live item that a sweep must leave.
pub(in crate::mutants) async fn sweep(c: &Ctx) -> Proof {
    c.put_one("k", "v").ttl(SECOND).sent().await?;
    c.sweep().await?;
    c.get().sent().await?;
    Ok(())
}

/// An expiry that an overwrite clears.
pub(in crate::mutants) async fn cleared_expiry(c: &Ctx) -> Proof {
    c.put_one("k", "v").ttl(SECOND).sent().await?;
    c.put_one("k", "w").sent().await?;
    c.get().sent().await?;
    Ok(())
}

/// Preconditions that hold, fail, name other keys and demand absence.
pub(in crate::mutants) async fn preconditions(c: &Ctx) -> Proof {
    let older = c.put_one("a", "0").ok().await?.version()?;
    let version = c.put_one("a", "1").ok().await?.version()?;
    c.put_one("b", "2").sent().await?;
    c.put_one("a", "x").when("a", older).sent().await?;
    c.put_one("a", "x").when("a", 0).when("b", 0).sent().await?;
    c.put_one("a", "x").when("a", version).when("b", 0).sent().await?;
    c.put_one("a", "x").when("b", 0).sent().await?;
    c.get().sent().await?;
    c.delete().all().when("a", 0).sent().await?;
    c.get().sent().await?;
    c.put_one("a", "x").when("a", version + 1_000).sent().await?;
    c.delete().all().sent().await?;
    c.put_one("a", "x").when("a", 0).sent().await?;
    Ok(())
}
