//! Requests that must be refused, outages, and what is not claimed.

use bytes::Bytes;
use prism_contract::keyvalue::request::Ttl;

use crate::case::Proof;
use crate::{Ctx, item, items};

/// Puts that break a rule each, and what is there afterwards.
pub(in crate::mutants) async fn puts(c: &Ctx) -> Proof {
    c.put(items([("a", "1"), ("a", "2")])).sent().await?;
    c.put_one("b", "secret").token(-1).sent().await?;
    let ttl = |seconds, nanos| Some(Ttl { seconds, nanos });
    for ttl in [ttl(0, 0), ttl(-1, 0), ttl(300_000_000_000, 0), ttl(1, 1_500)] {
        c.put_one("c", "1").with(|put| put.ttl = ttl).sent().await?;
    }
    let mut long = item("d", "1");
    long.content_type = "x".repeat(128);
    c.put([long]).with(|put| put.item_priority_token = -1).sent().await?;
    c.put_one("e", vec![0; 1 << 20]).sent().await?;
    c.get().keys_only().sent().await?;
    Ok(())
}

/// Preconditions that break a rule each.
pub(in crate::mutants) async fn preconditions(c: &Ctx) -> Proof {
    c.put_one("a", "1").when("a", -1).sent().await?;
    c.put_one("b", "1").when("b", 0).when("b", 0).sent().await?;
    c.put_one("b", "1").when("b", 99).sent().await?;
    c.get().sent().await?;
    Ok(())
}

/// A token that is none, and a page larger than there are.
pub(in crate::mutants) async fn pages(c: &Ctx) -> Proof {
    c.put_one("a", "1").sent().await?;
    c.get().page(&Bytes::from_static(b"garbage")).sent().await?;
    c.get().page_of(2_000).sent().await?;
    Ok(())
}

/// Everything while the database is away, and once it is back.
pub(in crate::mutants) async fn outage(c: &Ctx) -> Proof {
    c.put_one("a", "1").sent().await?;
    c.outage(true).await?;
    c.put_one("b", "2").sent().await?;
    c.get().sent().await?;
    c.scan().sent().await?;
    c.outage(false).await?;
    c.get().sent().await?;
    Ok(())
}

/// What may be claimed, asked for rightly and wrongly.
pub(in crate::mutants) async fn capabilities(c: &Ctx) -> Proof {
    c.describe().await?;
    c.put_one("a", "1").sent().await?;
    c.put_one("a", "2").when("a", 0).sent().await?;
    c.put_one("", "2").when("a", 0).sent().await?;
    c.get().reverse().sent().await?;
    c.scan().sent().await?;
    Ok(())
}
