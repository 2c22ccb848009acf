//! Priority tokens and the tombstones that remember them.

use std::time::Duration;

use crate::case::Proof;
use crate::{Ctx, items};

/// A microsecond less than tombstones are kept.
const ALMOST_A_DAY: Duration = Duration::from_micros(24 * 3_600 * 1_000_000 - 1);
const TICK: Duration = Duration::from_micros(1);

/// Writes with a token below, at and above the highest, and with none.
pub(in crate::mutants) async fn live_items(c: &Ctx) -> Proof {
    c.put_one("k", "1").token(5).sent().await?;
    c.advance(TICK).await?;
    for token in [4, 5, 0, 5, 6, 7] {
        c.put(items([("k", "2"), ("other", "3")])).token(token).sent().await?;
        c.get().sent().await?;
    }
    c.delete().keys(["k"]).token(7).sent().await?;
    c.get().sent().await?;
    Ok(())
}

/// What is remembered of a key after a Delete with a token, or without one.
pub(in crate::mutants) async fn tombstones(c: &Ctx) -> Proof {
    c.put(items([("a", "1"), ("b", "2")])).token(5).sent().await?;
    c.delete().keys(["a", "gone"]).token(6).sent().await?;
    c.get().sent().await?;
    c.scan().sent().await?;
    c.delete().keys(["b"]).sent().await?;
    c.delete().all().sent().await?;
    c.delete().all().token(9).sent().await?;
    c.put_one("gone", "x").when("a", 0).token(6).sent().await?;
    c.sweep().await?;
    for key in ["a", "b", "gone"] {
        c.put_one(key, "x").token(5).sent().await?;
    }
    c.put_one("a", "x").token(8).sent().await?;
    Ok(())
}

/// What is remembered of a key after it expired.
pub(in crate::mutants) async fn expired_items(c: &Ctx) -> Proof {
    c.put_one("k", "1").token(5).ttl(TICK).sent().await?;
    c.advance(TICK).await?;
    c.put_one("k", "2").token(5).sent().await?;
    Ok(())
}

/// A tombstone before, at and after the end of its retention.
pub(in crate::mutants) async fn retention(c: &Ctx) -> Proof {
    c.delete().keys(["a", "b"]).token(5).sent().await?;
    c.put_one("mortal", "1").token(5).ttl(ALMOST_A_DAY).sent().await?;
    c.delete().keys(["mortal"]).sent().await?;
    c.advance(ALMOST_A_DAY).await?;
    c.put_one("a", "1").token(5).sent().await?;
    c.delete().keys(["b"]).token(5).sent().await?;
    c.advance(TICK).await?;
    c.put_one("a", "1").token(5).sent().await?;
    c.put_one("b", "1").token(5).sent().await?;
    c.put_one("mortal", "1").token(1).sent().await?;
    Ok(())
}
