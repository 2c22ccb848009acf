//! Predicates: the keys of a record that are chosen.

use super::support::{NAMESPACE_SCAN, finds_nothing};
use crate::core::StatusCode::InvalidArgument;
use crate::core::{Proof, case};
use crate::keyvalue::{Case, Ctx, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "predicate::a_range_holds_its_start_and_not_its_end",
        "A range holds its start and not its end.",
        ["PRED-1"],
        |c| {
            letters(c).await?;
            c.get().range("b", "d").ok().await?.has_keys(&["b", "c"])
        }
    ),
    case!(
        "predicate::a_range_is_cut_between_a_key_and_the_next",
        "A bound that is a key followed by NUL lies right behind that key.",
        ["PRED-1"],
        |c| {
            letters(c).await?;
            c.get().range("b\0", "d\0").ok().await?.has_keys(&["c", "d"])
        }
    ),
    case!(
        "predicate::a_range_is_cut_right_behind_the_longest_key",
        "A range may begin right behind a key of 1,024 bytes, and end with it: bounds have room for one byte more.",
        ["PRED-1"],
        |c| {
            for byte in [b'k', 0, 0xFF] {
                let longest = [byte; 1_024];
                let (shorter, behind) = (&longest[..1_023], [&longest[..], &[0]].concat());
                c.delete().all().ok().await?;
                put_keys(c, &[shorter, &longest]).await?;
                c.get().range(&behind, "").ok().await?.is_empty()?;
                c.get().range("", &behind).ok().await?.has_keys(&[shorter, &longest])?;
                c.get().range(longest, &behind).ok().await?.has_keys(&[&longest])?;
                let pages = c.get().range("", &behind).page_of(1).pages().await?;
                for (page, key) in pages.iter().zip([shorter, &longest]) {
                    page.has_keys(&[key])?;
                }
                c.delete().range(&behind, "").ok().await?.counts(0)?;
                c.delete().range("", &behind).ok().await?.counts(2)?;
            }
            Ok(())
        }
    ),
    case!(
        "predicate::a_bound_need_not_be_a_key",
        "A range's bounds need not be keys of the record.",
        ["PRED-1"],
        |c| {
            letters(c).await?;
            c.get().range("A", "bb").ok().await?.has_keys(&["a", "b"])?;
            c.get().range("bb", "zz").ok().await?.has_keys(&["c", "d", "e"])?;
            c.get().range("bb", "c").ok().await?.is_empty()
        }
    ),
    case!(
        "predicate::an_empty_bound_is_open",
        "An empty start reaches to the first key, an empty end to the last.",
        ["PRED-1"],
        |c| {
            put_keys(c, &[b"\0", b"b", b"\xff\xff\xff"]).await?;
            c.get().range("", "b").ok().await?.has_keys::<&[u8]>(&[b"\0"])?;
            c.get().range("b", "").ok().await?.has_keys::<&[u8]>(&[b"b", b"\xff\xff\xff"])?;
            c.get().range("", "").ok().await?.has_keys::<&[u8]>(&[b"\0", b"b", b"\xff\xff\xff"])
        }
    ),
    case!(
        "predicate::a_range_compares_unsigned_bytes",
        "A range compares unsigned bytes, neither text nor numbers.",
        ["PRED-1", "ORD-1"],
        |c| {
            put_keys(c, &[b"01", b"1", b"10", b"9", b"A", b"Z", b"_", b"a", b"\x7f", b"\x80", b"\xc3\xa9"])
                .await?;
            c.get().range("1", "9").ok().await?.has_keys(&["1", "10"])?;
            c.get().range("A", "a").ok().await?.has_keys(&["A", "Z", "_"])?;
            c.get().range(b"\x7f", b"\x81").ok().await?.has_keys::<&[u8]>(&[b"\x7f", b"\x80"])?;
            c.get().range("a", b"\xc3\xaa").ok().await?.has_keys::<&[u8]>(&[
                b"a",
                b"\x7f",
                b"\x80",
                b"\xc3\xa9",
            ])
        }
    ),
    case!(
        "predicate::a_range_chooses_in_scan_alike",
        "A range chooses in Scan as in Get.",
        ["PRED-1"],
        |c| {
            letters(c).await?;
            c.scan().on("r").range("b", "d").ok().await?.has_keys(&[("r", "b"), ("r", "c")])?;
            c.scan().on("r").range("", "b").ok().await?.has_keys(&[("r", "a")])?;
            c.scan().on("r").range("e", "").ok().await?.has_keys(&[("r", "e")])
        }
    ),
    case!(
        "predicate::a_range_chooses_in_every_record",
        "A predicate of a namespace's Scan chooses within each record.",
        ["PRED-1", "PRED-3", "PRED-4"],
        [NAMESPACE_SCAN],
        |c| {
            for id in ["1", "b", "z"] {
                c.put(items(["a", "b", "bb", "c"].map(|key| (key, "v")))).on(id).ok().await?;
            }
            let both = [("1", "b"), ("1", "bb"), ("b", "b"), ("b", "bb"), ("z", "b"), ("z", "bb")];
            c.scan().range("b", "c").ok().await?.has_keys(&both)?;
            c.scan().prefix("b").ok().await?.has_keys(&both)?;
            c.scan().keys(["bb", "b", "bb"]).ok().await?.has_keys(&both)
        }
    ),
    case!(
        "predicate::an_inverted_range_is_refused",
        "A range whose start does not lie before its end is refused in Get, Scan and Delete.",
        ["PRED-2"],
        |c| {
            letters(c).await?;
            let inverted: [(&[u8], &[u8]); 5] =
                [(b"c", b"b"), (b"b", b"b"), (b"b\0", b"b"), (b"\x80", b"\x7f"), (b"9", b"10")];
            for (start, end) in inverted {
                c.get().range(start, end).fails(InvalidArgument).await?;
                c.scan().on("r").range(start, end).fails(InvalidArgument).await?;
                c.delete().range(start, end).fails(InvalidArgument).await?;
            }
            c.get().ok().await?.has_keys(&["a", "b", "c", "d", "e"])
        }
    ),
    case!(
        "predicate::a_range_of_one_key_is_taken",
        "A range whose end is the very next byte string is no empty range.",
        ["PRED-2", "PRED-1"],
        |c| {
            put_keys(c, &[b"a", b"a\0", b"b"]).await?;
            c.get().range("a", "a\0").ok().await?.has_keys(&["a"])?;
            c.get().range(b"\x7f", b"\x80").ok().await?.is_empty()
        }
    ),
    case!(
        "predicate::a_prefix_chooses_what_begins_with_it",
        "A prefix selects the keys that begin with it, itself included.",
        ["PRED-3"],
        |c| {
            put_keys(c, &[b"A", b"Ab", b"a", b"a\0", b"ab", b"abc", b"a\xff\xff", b"b", b"ba"]).await?;
            c.get().prefix("a").ok().await?.has_keys::<&[u8]>(&[
                b"a",
                b"a\0",
                b"ab",
                b"abc",
                b"a\xff\xff",
            ])?;
            c.get().prefix("ab").ok().await?.has_keys(&["ab", "abc"])?;
            c.get().prefix("abcd").ok().await?.is_empty()
        }
    ),
    case!(
        "predicate::a_prefix_ending_in_ff_chooses_right",
        "A prefix that ends in FF bytes selects exactly the keys that begin with it.",
        ["PRED-3"],
        |c| {
            put_keys(
                c,
                &[
                    b"a",
                    b"a\xfe\xff",
                    b"a\xff",
                    b"a\xff\0",
                    b"a\xff\xff",
                    b"a\xff\xff\x01",
                    b"b",
                    b"b\0",
                    b"\xff",
                ],
            )
            .await?;
            c.get().prefix(b"a\xff").ok().await?.has_keys::<&[u8]>(&[
                b"a\xff",
                b"a\xff\0",
                b"a\xff\xff",
                b"a\xff\xff\x01",
            ])?;
            c.get().prefix(b"a\xff\xff").ok().await?.has_keys::<&[u8]>(&[b"a\xff\xff", b"a\xff\xff\x01"])
        }
    ),
    case!(
        "predicate::a_prefix_of_ff_only_chooses_to_the_end",
        "A prefix of nothing but FF bytes selects to the last key.",
        ["PRED-3"],
        |c| {
            let longest = [0xFF; 1_024];
            put_keys(c, &[b"a", b"\xfe\xff", b"\xff", b"\xff\0", b"\xff\xff", &longest]).await?;
            c.get().prefix(b"\xff").ok().await?.has_keys::<&[u8]>(&[
                b"\xff",
                b"\xff\0",
                b"\xff\xff",
                &longest,
            ])?;
            c.get().prefix(b"\xff\xff").ok().await?.has_keys::<&[u8]>(&[b"\xff\xff", &longest])?;
            c.get().prefix(longest).ok().await?.has_keys(&[longest])
        }
    ),
    case!("predicate::the_empty_prefix_chooses_all", "The empty prefix selects all keys.", ["PRED-3"], |c| {
        put_keys(c, &[b"\0", b"a", b"\xff"]).await?;
        c.get().prefix("").ok().await?.has_keys::<&[u8]>(&[b"\0", b"a", b"\xff"])?;
        c.delete().prefix("").ok().await?.counts(3)
    }),
    case!(
        "predicate::a_prefix_may_cut_a_character",
        "A prefix may end within a UTF-8 character.",
        ["PRED-3", "RT-3"],
        |c| {
            put_keys(c, &["e".as_bytes(), "è".as_bytes(), "é".as_bytes(), "ø".as_bytes(), b"\xc3", b"\xc4"])
                .await?;
            let expected = [b"\xc3".as_slice(), "è".as_bytes(), "é".as_bytes(), "ø".as_bytes()];
            c.get().prefix(b"\xc3").ok().await?.has_keys(&expected)
        }
    ),
    case!(
        "predicate::keys_come_once_and_in_key_order",
        "match_keys answers each present key once, in key order, however often it was named.",
        ["PRED-4", "ORD-1"],
        |c| {
            letters(c).await?;
            let named = ["d", "a", "x", "d", "B", "b", "a", "d"];
            c.get().keys(named).ok().await?.has_keys(&["a", "b", "d"])
        }
    ),
    case!(
        "predicate::keys_choose_in_scan_alike",
        "match_keys answers each key once in Scan, too.",
        ["PRED-4"],
        |c| {
            letters(c).await?;
            let named = ["d", "a", "x", "d"];
            c.scan().on("r").keys(named).ok().await?.has_keys(&[("r", "a"), ("r", "d")])?;
            finds_nothing(&c.scan().on("r").keys(["x"]).ok().await?)
        }
    ),
    case!(
        "predicate::keys_are_whole_keys",
        "match_keys selects whole keys, neither prefixes nor spans.",
        ["PRED-4"],
        |c| {
            put_keys(c, &[b"a", b"a\0", b"ab", b"b", b"c"]).await?;
            c.get().keys(["a", "c"]).ok().await?.has_keys(&["a", "c"])
        }
    ),
];

async fn put_keys(c: &Ctx, keys: &[&[u8]]) -> Proof {
    c.put(items(keys.iter().map(|key| (*key, "v")))).ok().await.map(drop)
}

async fn letters(c: &Ctx) -> Proof {
    put_keys(c, &[b"a", b"b", b"c", b"d", b"e"]).await
}
