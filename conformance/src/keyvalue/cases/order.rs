//! Order: by the unsigned bytes of id, then of key, and exactly mirrored in reverse.

use super::support::{NAMESPACE_SCAN, REVERSE, entries, joined};
use crate::core::{Proof, case};
use crate::keyvalue::{Case, Ctx, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "order::get_answers_in_byte_order",
        "Get answers in byte order of key, whatever a collation says.",
        ["ORD-1"],
        |c| {
            put_shuffled(c).await?;
            c.get().ok().await?.has_keys(&sorted())
        }
    ),
    case!("order::bytes_are_unsigned", "The bytes of keys are compared as unsigned.", ["ORD-1"], |c| {
        let keys: Vec<[u8; 1]> = (0..=255).map(|byte| [byte]).collect();
        c.put(items(keys.iter().rev().map(|key| (key, "v")))).ok().await?;
        c.get().ok().await?.has_keys(&keys)
    }),
    case!(
        "order::a_key_stands_before_what_it_begins",
        "A key stands before every longer key that begins with it.",
        ["ORD-1"],
        |c| {
            let keys: [&[u8]; 6] = [b"a", b"a\0", b"a\0\0", b"a\0b", b"a\x01", b"aa"];
            c.put(items([5, 3, 1, 4, 2, 0].map(|at| (keys[at], "v")))).ok().await?;
            c.get().ok().await?.has_keys(&keys)
        }
    ),
    case!(
        "order::writing_does_not_reorder",
        "Neither the order of writes nor an overwrite changes the order.",
        ["ORD-1"],
        |c| {
            for key in ["c", "a", "d", "b"] {
                c.put_one(key, "1").ok().await?;
            }
            c.put_one("b", "2").ok().await?;
            c.delete().keys(["a"]).ok().await?;
            c.put_one("a", "3").ok().await?;
            c.get().ok().await?.holds(&[("a", "3"), ("b", "2"), ("c", "1"), ("d", "1")])
        }
    ),
    case!(
        "order::scan_of_a_record_answers_in_byte_order",
        "Scan of a record answers in byte order of key.",
        ["ORD-1"],
        |c| {
            put_shuffled(c).await?;
            let expected: Vec<_> = sorted().into_iter().map(|key| ("r", key)).collect();
            c.scan().on("r").ok().await?.has_keys(&expected)
        }
    ),
    case!(
        "order::scan_orders_records_by_id_bytes",
        "Scan of a namespace answers records in byte order of id.",
        ["ORD-1"],
        [NAMESPACE_SCAN],
        |c| {
            for id in SHUFFLED_IDS {
                c.put_one("k", id).on(id).ok().await?;
            }
            let mut ids = SHUFFLED_IDS.map(|id| (id, "k"));
            ids.sort_unstable();
            c.scan().ok().await?.has_keys(&ids)
        }
    ),
    case!(
        "order::scan_compares_ids_before_keys",
        "Scan of a namespace compares ids first and keys only within a record.",
        ["ORD-1"],
        [NAMESPACE_SCAN],
        |c| {
            put_boundaries(c).await?;
            c.scan().ok().await?.has_keys(&BOUNDARIES)?;
            let small = c.scan().page_of(2).ok().await?;
            small.has_keys(&BOUNDARIES)
        }
    ),
    case!(
        "order::reverse_mirrors_get",
        "With reverse Get answers the exact mirror.",
        ["ORD-2"],
        [REVERSE],
        |c| {
            put_shuffled(c).await?;
            let mut mirrored = c.get().ok().await?.into_inner().items;
            mirrored.reverse();
            let read = c.get().reverse().ok().await?;
            read.same("items", &mirrored, &read.items)
        }
    ),
    case!(
        "order::reverse_mirrors_every_predicate",
        "With reverse a predicate selects the same keys, mirrored.",
        ["ORD-2", "PRED-1", "PRED-3", "PRED-4"],
        [REVERSE],
        |c| {
            put_shuffled(c).await?;
            let chosen = [
                c.get().range("a", "b"),
                c.get().range("", "a"),
                c.get().range("b", ""),
                c.get().prefix("a"),
                c.get().prefix(b"\xff"),
                c.get().keys(["b", "a", "zz", "A", "a"]),
            ];
            let mirrored = [
                c.get().range("a", "b").reverse(),
                c.get().range("", "a").reverse(),
                c.get().range("b", "").reverse(),
                c.get().prefix("a").reverse(),
                c.get().prefix(b"\xff").reverse(),
                c.get().keys(["b", "a", "zz", "A", "a"]).reverse(),
            ];
            for (forwards, backwards) in chosen.into_iter().zip(mirrored) {
                let mut expected = forwards.ok().await?.into_inner().items;
                expected.reverse();
                let read = backwards.ok().await?;
                read.same("items", &expected, &read.items)?;
            }
            Ok(())
        }
    ),
    case!(
        "order::reverse_starts_at_the_end",
        "With reverse the first page holds the last items.",
        ["ORD-2", "PAGE-1"],
        [REVERSE],
        |c| {
            put_shuffled(c).await?;
            let keys = sorted();
            c.get().reverse().page_of(1).ok().await?.has_keys(&keys[keys.len() - 1..])?;
            let mut mirrored = c.get().ok().await?.into_inner().items;
            mirrored.reverse();
            let pages = c.get().reverse().page_of(4).pages().await?;
            c.same("the pages together", &mirrored, &joined(&pages))
        }
    ),
    case!(
        "order::reverse_mirrors_scan_of_a_record",
        "With reverse Scan of a record answers the exact mirror.",
        ["ORD-2"],
        [REVERSE],
        |c| {
            put_shuffled(c).await?;
            let mut mirrored = entries(&c.scan().on("r").ok().await?);
            mirrored.reverse();
            let read = c.scan().on("r").reverse().page_of(5).ok().await?;
            read.same("entries", &mirrored, &entries(&read))
        }
    ),
    case!(
        "order::reverse_mirrors_scan_of_a_namespace",
        "With reverse Scan of a namespace mirrors ids and keys.",
        ["ORD-2"],
        [REVERSE, NAMESPACE_SCAN],
        |c| {
            put_boundaries(c).await?;
            let mut mirrored = BOUNDARIES;
            mirrored.reverse();
            c.scan().reverse().ok().await?.has_keys(&mirrored)?;
            c.scan().reverse().page_of(2).ok().await?.has_keys(&mirrored)
        }
    ),
    case!(
        "order::reverse_mirrors_ids_of_any_script",
        "With reverse Scan of a namespace begins at the last id of all, whatever it is written in.",
        ["ORD-2", "ORD-1"],
        [REVERSE, NAMESPACE_SCAN],
        |c| {
            // The last code point, whose bytes are the greatest that an id may begin with.
            let ids: Vec<_> = SHUFFLED_IDS.into_iter().chain(["\u{10ffff}"]).collect();
            for id in &ids {
                c.put_one("k", id).on(*id).ok().await?;
            }
            let mut mirrored: Vec<_> = ids.into_iter().map(|id| (id, "k")).collect();
            mirrored.sort_unstable();
            mirrored.reverse();
            c.scan().reverse().ok().await?.has_keys(&mirrored)?;
            c.scan().reverse().page_of(3).ok().await?.has_keys(&mirrored)
        }
    ),
];

/// Keys whose byte order differs from every collation's, shuffled.
const SHUFFLED: [&[u8]; 22] = [
    b"b",
    b"\xff",
    b"_",
    b"10",
    b"a\0",
    b"Z",
    b"\xc3\xa9",
    b"a",
    b"\x7f",
    b"2",
    b"B",
    b"aa",
    b"\0",
    b"a!",
    b"\x80",
    b"e\xcc\x81",
    b"A",
    b"a-b",
    b"ab",
    b"01",
    b"a\0\0",
    b"z",
];

/// Ids likewise. In UTF-16 the emoji would sort before the fullwidth tilde.
const SHUFFLED_IDS: [&str; 16] =
    ["b", "～", "a!", "Z", "é", "😀", "a", "ab", "10", "_", "2", "e\u{301}", "A", "a\u{1}", "z", "aé"];

fn sorted() -> Vec<&'static [u8]> {
    let mut keys = SHUFFLED.to_vec();
    keys.sort_unstable();
    keys
}

async fn put_shuffled(c: &Ctx) -> Proof {
    c.put(items(SHUFFLED.map(|key| (key, "v")))).ok().await.map(drop)
}

/// Records and keys whose order changes if id and key are concatenated before the comparison.
const BOUNDARIES: [(&str, &[u8]); 9] = [
    ("a", b"\0"),
    ("a", b"bc"),
    ("a", b"z"),
    ("a", b"\xff"),
    ("a\u{1}", b"a"),
    ("a\u{1}", b"\xff"),
    ("ab", b"\0"),
    ("ab", b"c"),
    ("b", b"a"),
];

async fn put_boundaries(c: &Ctx) -> Proof {
    for (id, key) in BOUNDARIES.into_iter().rev() {
        c.put_one(key, "v").on(id).ok().await?;
    }
    Ok(())
}
