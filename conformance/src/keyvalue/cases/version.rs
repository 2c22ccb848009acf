//! Versions: each applied write raises them, and none is reused.

use super::support::{EXPIRY, MANUAL_CLOCK, RETENTION, SWEEP, TOKENS, expire_tick, unchanged};
use crate::core::{Show, Stop, Version, case};
use crate::keyvalue::{Case, Ctx, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "version::rises_with_every_write",
        "Each applied write of an item raises its version.",
        ["VER-1"],
        |c| {
            let mut last = 0;
            for value in 0..10 {
                let put = c.put_one("k", value.to_string()).ok().await?;
                let version = put.version()?;
                put.expect(version > last, above("k", last), Version(version).show())?;
                last = version;
            }
            Ok(())
        }
    ),
    case!(
        "version::rises_with_the_same_value_too",
        "Writing the same value again raises the version.",
        ["VER-1"],
        |c| {
            let first = rises(c, 0).await?;
            rises(c, first).await.map(drop)
        }
    ),
    case!(
        "version::is_above_zero",
        "The version of a live item is above 0, which means absent.",
        ["VER-1"],
        |c| {
            let put = c.put(items([("a", "1"), ("b", "2")])).ok().await?;
            let all = put.results.iter().all(|result| result.version > 0);
            put.expect(all, "versions above 0", put.results.show())?;
            let read = c.get().ok().await?;
            let all = read.items.iter().all(|item| item.version > 0);
            read.expect(all, "versions above 0", read.items.show())
        }
    ),
    case!(
        "version::rises_for_every_item_of_a_put",
        "A Put raises the version of each item it writes.",
        ["VER-1"],
        |c| {
            let pairs = [("a", "1"), ("b", "2"), ("c", "3")];
            c.put_one("b", "0").ok().await?;
            let first = c.put(items(pairs)).ok().await?;
            let second = c.put(items(pairs)).ok().await?;
            second.applied(&[true; 3])?;
            for ((key, _), (old, new)) in pairs.iter().zip(first.results.iter().zip(&second.results)) {
                let risen = new.version > old.version;
                second.expect(risen, above(key, old.version), Version(new.version).show())?;
            }
            Ok(())
        }
    ),
    case!(
        "version::is_the_same_in_put_get_and_scan",
        "The version that Put answered is the one that Get and Scan answer.",
        ["VER-1"],
        |c| {
            c.put_one("k", "1").ok().await?;
            let version = c.put_one("k", "2").ok().await?.version()?;
            let read = c.get().ok().await?;
            read.same("\"k\"", &Version(version), &Version(read.item("k")?.version))?;
            let scanned = c.scan().on("r").ok().await?;
            let versions: Vec<_> = scanned.entries().map(|entry| Version(entry.item.version)).collect();
            scanned.same("\"k\"", &vec![Version(version)], &versions)
        }
    ),
    case!(
        "version::stays_when_superseded",
        "A superseded write leaves the version as it is.",
        ["VER-1", "TOK-1"],
        [TOKENS],
        |c| {
            let version = c.put_one("k", "1").token(5).ok().await?.version()?;
            let before = c.get().ok().await?;
            let put = c.put_one("k", "2").token(5).ok().await?;
            put.applied(&[false])?;
            put.same("\"k\"", &Version(version), &Version(put.version()?))?;
            unchanged(c, &before).await
        }
    ),
    case!(
        "version::is_not_reused_after_a_delete",
        "A version is not reused after a delete.",
        ["VER-2"],
        |c| {
            let mut last = 0;
            for _ in 0..4 {
                last = rises(c, last).await?;
                c.delete().keys(["k"]).ok().await?.counts(1)?;
            }
            rises(c, last).await.map(drop)
        }
    ),
    case!(
        "version::is_not_reused_after_a_delete_of_all",
        "A version is not reused after a delete of the whole record.",
        ["VER-2"],
        |c| {
            let first = rises(c, 0).await?;
            let second = rises(c, first).await?;
            c.delete().all().ok().await?.counts(1)?;
            rises(c, second).await.map(drop)
        }
    ),
    case!(
        "version::is_not_reused_after_an_expiry",
        "A version is not reused after an expiry.",
        ["VER-2"],
        [EXPIRY],
        |c| {
            let first = rises(c, 0).await?;
            let second = c.put_one("k", "mortal").ttl(c.tick()).ok().await?.version()?;
            expire_tick(c).await?;
            rises(c, first.max(second)).await.map(drop)
        }
    ),
    case!(
        "version::is_not_reused_after_a_sweep",
        "A version is not reused after the dead item was swept.",
        ["VER-2"],
        [EXPIRY, SWEEP],
        |c| {
            let first = rises(c, 0).await?;
            let second = c.put_one("k", "mortal").ttl(c.tick()).ok().await?.version()?;
            expire_tick(c).await?;
            c.sweep().await?;
            rises(c, first.max(second)).await.map(drop)
        }
    ),
    case!(
        "version::is_not_reused_after_the_tombstone",
        "A version is not reused after the tombstone of a delete was forgotten.",
        ["VER-2"],
        [TOKENS, MANUAL_CLOCK],
        |c| {
            let last = c.put_one("k", "1").token(1).ok().await?.version()?;
            c.delete().keys(["k"]).token(2).ok().await?.counts(1)?;
            c.advance(RETENTION + c.tick()).await?;
            rises(c, last).await.map(drop)
        }
    ),
];

/// Writes `k` and returns its version, which must be above `floor`.
async fn rises(c: &Ctx, floor: i64) -> Result<i64, Stop> {
    let put = c.put_one("k", "v").ok().await?;
    let version = put.version()?;
    put.expect(version > floor, above("k", floor), Version(version).show())?;
    Ok(version)
}

/// The text for a version of `key` above `floor`.
fn above(key: &str, floor: i64) -> String {
    format!("\"{key}\" {}", Version(floor).above())
}
