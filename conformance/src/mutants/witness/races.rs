//! Operations that overlap. Each flawed store opens its window until the other operation has come in, so the outcome is
//! certain.

use futures::try_join;

use crate::case::Proof;
use crate::{Ctx, items};

/// A Put of two items, and a Get meanwhile.
pub(in crate::mutants) async fn put_and_get(c: &Ctx) -> Proof {
    c.put(items([("a", "1"), ("b", "1")])).sent().await?;
    try_join!(c.put(items([("a", "2"), ("b", "2")])).sent(), c.get().sent())?;
    Ok(())
}

/// A Get, and a Put of two items meanwhile.
pub(in crate::mutants) async fn get_and_put(c: &Ctx) -> Proof {
    c.put(items([("a", "1"), ("b", "1")])).sent().await?;
    try_join!(c.get().sent(), c.put(items([("a", "2"), ("b", "2")])).sent())?;
    Ok(())
}

/// A Delete of a range, and a Put into it meanwhile.
pub(in crate::mutants) async fn delete_and_put(c: &Ctx) -> Proof {
    c.put(items([("a", "1"), ("b", "1")])).sent().await?;
    try_join!(c.delete().range("a", "c").sent(), c.put(items([("a", "2"), ("b", "2")])).sent())?;
    c.get().sent().await?;
    Ok(())
}

/// Two Puts of other keys at the same time.
pub(in crate::mutants) async fn two_puts(c: &Ctx) -> Proof {
    try_join!(c.put_one("a", "1").sent(), c.put_one("b", "2").sent())?;
    c.get().sent().await?;
    Ok(())
}

/// Two Puts of the same keys in opposed orders at the same time.
pub(in crate::mutants) async fn opposed_puts(c: &Ctx) -> Proof {
    let one = c.put(items([("a", "1"), ("b", "1")])).sent();
    let two = c.put(items([("b", "2"), ("a", "2")])).sent();
    try_join!(one, two)?;
    Ok(())
}

/// Two writes from the same version at the same time.
pub(in crate::mutants) async fn compare_and_set(c: &Ctx) -> Proof {
    let version = c.put_one("k", "0").ok().await?.version()?;
    try_join!(c.put_one("k", "1").when("k", version).sent(), c.put_one("k", "2").when("k", version).sent())?;
    let version = c.put_one("k", "3").ok().await?.version()?;
    try_join!(c.delete().all().when("k", version).sent(), c.put_one("k", "4").when("k", version).sent())?;
    Ok(())
}

/// A Get after a Put, through the same gateway and through another.
pub(in crate::mutants) async fn read_after_write(c: &Ctx) -> Proof {
    let gateways = c.instance().gateways();
    for value in ["1", "2"] {
        c.put_one("k", value).via(gateways[0].clone()).sent().await?;
        c.get().via(gateways[0].clone()).sent().await?;
        c.get().via(gateways[1].clone()).sent().await?;
    }
    Ok(())
}
