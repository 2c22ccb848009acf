//! Put: it replaces whole items, atomically, and maintains their times.

use super::support::{EXPIRY, HOUR, MANUAL_CLOCK, MICRO, TOKENS, expire_tick, keys_of, numbered};
use crate::core::StatusCode::InvalidArgument;
use crate::core::{Proof, Show, Version, bytes, case};
use crate::keyvalue::{Case, Ctx, item, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "put::replaces_the_whole_item",
        "A Put replaces the whole item, value and client metadata.",
        ["PUT-1"],
        |c| {
            let mut old = item("k", "old");
            old.content_type = "text/plain".to_owned();
            old.compression = 2;
            c.put([old]).ok().await?;
            c.put_one("k", "new").ok().await?;
            let read = c.get().ok().await?;
            read.holds(&[("k", "new")])?;
            let new = read.item("k")?;
            read.same("content_type and compression", &("", 0), &(new.content_type.as_str(), new.compression))
        }
    ),
    case!(
        "put::leaves_nothing_of_a_longer_value",
        "A shorter value leaves nothing of a longer one.",
        ["PUT-1"],
        |c| {
            c.put_one("k", "a long value").ok().await?;
            c.put_one("k", "short").ok().await?;
            c.get().ok().await?.holds(&[("k", "short")])
        }
    ),
    case!("put::leaves_other_items_alone", "A Put leaves the record's other items alone.", ["PUT-2"], |c| {
        c.put(items([("a", "1"), ("b", "2")])).ok().await?;
        c.put_one("a", "3").ok().await?;
        c.get().ok().await?.holds(&[("a", "3"), ("b", "2")])
    }),
    case!(
        "put::leaves_other_items_exactly_as_they_were",
        "A Put changes neither value, version nor times of the record's other items.",
        ["PUT-2"],
        |c| {
            c.put(items([("a", "1"), ("b", "2"), ("c", "3")])).ok().await?;
            let before = c.get().keys(["a", "c"]).ok().await?;
            c.advance(c.tick()).await?;
            c.put_one("b", "4").ok().await?;
            let after = c.get().keys(["a", "c"]).ok().await?;
            after.same("items", &before.items, &after.items)
        }
    ),
    case!(
        "put::leaves_other_records_alone",
        "A Put leaves the same key of other records alone.",
        ["PUT-2", "RT-4"],
        |c| {
            c.put_one("k", "first").on("one").ok().await?;
            c.put_one("k", "second").on("two").ok().await?;
            c.put_one("k", "third").on("one").ok().await?;
            c.get().on("one").ok().await?.holds(&[("k", "third")])?;
            c.get().on("two").ok().await?.holds(&[("k", "second")])
        }
    ),
    case!("put::applies_every_item", "A Put of 1,000 items writes all of them.", ["PUT-3"], |c| {
        let all = numbered(1_000);
        c.put(all.clone()).ok().await?.applied(&[true; 1_000])?;
        c.get().ok().await?.has_keys(&keys_of(&all))
    }),
    case!(
        "put::applies_new_and_old_items_alike",
        "A Put that makes some items and replaces others does both.",
        ["PUT-1", "PUT-3"],
        |c| {
            c.put(items([("b", "old"), ("d", "old")])).ok().await?;
            let mixed = [("a", "new"), ("b", "new"), ("c", "new"), ("d", "new"), ("e", "new")];
            c.put(items(mixed)).ok().await?.applied(&[true; 5])?;
            c.get().ok().await?.holds(&mixed)
        }
    ),
    case!(
        "put::answers_in_request_order",
        "A Put answers one result per item in the order of the request.",
        ["PUT-3", "VER-1"],
        |c| {
            // Different numbers of writes give each key a different version, even in a store that counts per key.
            for (key, writes) in [("a", 3), ("b", 1), ("c", 5)] {
                for _ in 0..writes {
                    c.put_one(key, "old").ok().await?;
                }
            }
            let order = ["c", "a", "d", "b"];
            let put = c.put(items(order.map(|key| (key, "new")))).ok().await?;
            put.applied(&[true; 4])?;
            let read = c.get().ok().await?;
            for (key, result) in order.into_iter().zip(&put.results) {
                read.same(
                    &bytes(key.as_bytes()),
                    &Version(result.version),
                    &Version(read.item(key)?.version),
                )?;
            }
            Ok(())
        }
    ),
    case!(
        "put::applies_what_is_not_superseded",
        "An item superseded by its token is left as it was, and the others of the Put apply.",
        ["PUT-3", "TOK-1"],
        [TOKENS],
        |c| {
            c.put_one("b", "kept").token(9).ok().await?;
            let put = c.put(items([("a", "1"), ("b", "2"), ("c", "3")])).token(5).ok().await?;
            put.applied(&[true, false, true])?;
            c.get().ok().await?.holds(&[("a", "1"), ("b", "kept"), ("c", "3")])
        }
    ),
    case!(
        "put::refuses_a_key_named_twice",
        "A duplicate key within a Put is refused and nothing of it is written.",
        ["PUT-4", "PUT-6"],
        |c| {
            c.put(items([("a", "1"), ("b", "2"), ("a", "3")])).fails(InvalidArgument).await?;
            c.get().ok().await?.is_empty()
        }
    ),
    case!(
        "put::refuses_a_key_named_twice_with_one_value",
        "A duplicate key is refused even where both say the same.",
        ["PUT-4"],
        |c| {
            c.put(items([("a", "same"), ("a", "same")])).fails(InvalidArgument).await?;
            c.get().ok().await?.is_empty()
        }
    ),
    case!(
        "put::takes_keys_that_only_look_alike",
        "Keys that differ in case, in a NUL or in Unicode form are no duplicates.",
        ["PUT-4", "RT-3"],
        |c| {
            let keys: [&[u8]; 6] = [b"A", b"a", b"a\0", b"a ", b"e\xcc\x81", b"\xc3\xa9"];
            c.put(items(keys.map(|key| (key, "v")))).ok().await?.applied(&[true; 6])?;
            c.get().keys(keys).ok().await?.has_keys(&[keys[0], keys[1], keys[2], keys[3], keys[4], keys[5]])
        }
    ),
    case!(
        "put::a_new_item_is_created_and_updated_at_once",
        "created_at and updated_at of a new item are the one moment of its Put.",
        ["PUT-5"],
        |c| {
            c.put(items([("a", "1"), ("b", "2")])).ok().await?;
            let read = c.get().ok().await?;
            let (a, b) = (read.item("a")?, read.item("b")?);
            read.same("updated_at of a", &a.created_at, &a.updated_at)?;
            read.same("times of b", &(a.created_at, a.created_at), &(b.created_at, b.updated_at))
        }
    ),
    case!(
        "put::created_at_survives_an_overwrite",
        "created_at survives an overwrite; updated_at moves on.",
        ["PUT-5"],
        |c| {
            c.put_one("k", "1").ok().await?;
            let first = c.get().ok().await?.item("k")?.clone();
            for value in ["2", "3"] {
                c.advance(c.tick()).await?;
                c.put_one("k", value).ok().await?;
            }
            let read = c.get().ok().await?;
            let last = read.item("k")?;
            read.same("created_at", &first.created_at, &last.created_at)?;
            read.expect(last.updated_at > first.updated_at, "a later updated_at", last.updated_at.show())
        }
    ),
    case!(
        "put::times_are_kept_to_the_microsecond",
        "updated_at moves by exactly the microseconds that passed.",
        ["PUT-5"],
        [MANUAL_CLOCK],
        |c| {
            c.put_one("k", "1").ok().await?;
            let created = c.get().ok().await?.item("k")?.created_at;
            let mut passed = std::time::Duration::ZERO;
            for span in [MICRO, MICRO * 999_999, HOUR, MICRO * 123_456] {
                passed += span;
                c.advance(span).await?;
                c.put_one("k", "2").ok().await?;
                let read = c.get().ok().await?;
                let (updated, kept) = (read.item("k")?.updated_at, read.item("k")?.created_at);
                read.same(
                    "created_at and updated_at",
                    &(created, created.saturating_add(passed)),
                    &(kept, updated),
                )?;
            }
            Ok(())
        }
    ),
    case!("put::created_at_is_new_after_a_delete", "created_at is new after a delete.", ["PUT-5"], |c| {
        c.put_one("k", "old").ok().await?;
        let old = c.get().ok().await?.item("k")?.clone();
        c.delete().keys(["k"]).ok().await?;
        c.advance(c.tick()).await?;
        is_created_anew(c, &old).await
    }),
    case!(
        "put::created_at_is_new_after_a_remembered_delete",
        "created_at is new after a delete that left a tombstone.",
        ["PUT-5", "TOK-5"],
        [TOKENS],
        |c| {
            c.put_one("k", "old").token(1).ok().await?;
            let old = c.get().ok().await?.item("k")?.clone();
            c.delete().keys(["k"]).token(2).ok().await?;
            c.advance(c.tick()).await?;
            is_created_anew(c, &old).await
        }
    ),
    case!(
        "put::created_at_is_new_after_an_expiry",
        "created_at is new after an expiry.",
        ["PUT-5"],
        [EXPIRY],
        |c| {
            c.put_one("k", "old").ok().await?;
            let old = c.get().ok().await?.item("k")?.clone();
            c.put_one("k", "mortal").ttl(c.tick()).ok().await?;
            expire_tick(c).await?;
            is_created_anew(c, &old).await
        }
    ),
    case!(
        "put::created_at_is_new_from_the_moment_of_expiry",
        "A Put at expires_at makes a new item; one a microsecond earlier replaces the old.",
        ["PUT-5", "TTL-1"],
        [EXPIRY, MANUAL_CLOCK],
        |c| {
            c.put(items([("early", "1"), ("late", "1")])).ttl(MICRO * 10).ok().await?;
            let created = c.get().ok().await?.item("early")?.created_at;
            c.advance(MICRO * 9).await?;
            c.put_one("early", "2").ok().await?;
            c.advance(MICRO).await?;
            c.put_one("late", "2").ok().await?;
            let read = c.get().ok().await?;
            read.same("created_at of early", &created, &read.item("early")?.created_at)?;
            read.same(
                "created_at of late",
                &created.saturating_add(MICRO * 10),
                &read.item("late")?.created_at,
            )
        }
    ),
];

/// After an earlier deletion or expiry of `k`, a Put creates a new item with new times.
async fn is_created_anew(c: &Ctx, old: &prism_contract::keyvalue::Item) -> Proof {
    c.put_one("k", "new").ok().await?;
    let read = c.get().ok().await?;
    let new = read.item("k")?;
    read.expect(new.created_at > old.created_at, "a later created_at", new.created_at.show())?;
    read.same("updated_at", &new.created_at, &new.updated_at)
}
