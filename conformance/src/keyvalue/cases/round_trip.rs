//! Round trip: an item is read back byte for byte, and under its own name only.

use super::support::{finds_nothing, noise};
use crate::core::case;
use crate::keyvalue::{Case, item, items};

pub(super) const CASES: &[Case] = &[
    case!(
        "round_trip::every_byte_comes_back",
        "A value comes back with every byte 00–FF.",
        ["RT-1"],
        |c| {
            let up: Vec<u8> = (0..=255).collect();
            let down: Vec<u8> = up.iter().rev().copied().collect();
            c.put(items([("down", &down), ("up", &up)])).ok().await?;
            c.get().ok().await?.holds(&[("down", &down), ("up", &up)])
        }
    ),
    case!(
        "round_trip::values_of_every_length_class_come_back",
        "A value comes back whole on both sides of every length that encodings change at.",
        ["RT-1"],
        |c| {
            let lengths = [1, 2, 127, 128, 255, 256, 1_999, 2_049, 4_096, 16_383, 16_384, 65_535, 65_536];
            let pairs: Vec<_> =
                lengths.iter().map(|&len| (format!("{len:05}"), noise(len, len as u64))).collect();
            c.put(items(pairs.iter().map(|(key, value)| (key, value)))).ok().await?;
            c.get().ok().await?.holds(&pairs)
        }
    ),
    case!("round_trip::a_value_at_the_limit_comes_back", "A value of 1 MiB comes back.", ["RT-1"], |c| {
        let value = noise(1 << 20, 1);
        c.put_one("k", &value).ok().await?;
        c.get().ok().await?.holds(&[("k", &value)])
    }),
    case!(
        "round_trip::an_empty_value_is_an_item",
        "An empty value is not an absent item: it is answered and counted.",
        ["RT-1", "RT-2"],
        |c| {
            c.put_one("k", "").ok().await?;
            c.get().ok().await?.holds(&[("k", "")])?;
            c.get().keys(["k"]).ok().await?.holds(&[("k", "")])?;
            c.scan().on("r").ok().await?.has_keys(&[("r", "k")])?;
            c.delete().all().ok().await?.counts(1)
        }
    ),
    case!(
        "round_trip::an_empty_value_replaces_another",
        "An item overwritten with an empty value is there, and empty.",
        ["RT-2"],
        |c| {
            c.put_one("k", "full").ok().await?;
            c.put_one("k", "").ok().await?;
            c.get().ok().await?.holds(&[("k", "")])
        }
    ),
    case!(
        "round_trip::keys_are_bytes",
        "Keys that text would mix up are distinct, and each has its own value.",
        ["RT-3"],
        |c| {
            let mut pairs: Vec<_> =
                HOSTILE_KEYS.iter().enumerate().map(|(at, key)| (*key, format!("value {at}"))).collect();
            c.put(items(pairs.iter().map(|(key, value)| (key, value)))).ok().await?;
            for pair in &pairs {
                c.get().keys([pair.0]).ok().await?.holds(std::slice::from_ref(pair))?;
            }
            pairs.sort_unstable();
            c.get().ok().await?.holds(&pairs)
        }
    ),
    case!(
        "round_trip::keys_are_literal_in_prefixes",
        "Wildcards of patterns in a prefix stand for themselves.",
        ["RT-3", "PRED-3"],
        |c| {
            let keys: [&[u8]; 8] = [b"%", b"*", b"A", b"[a]", b"\\", b"_", b"a", b"\xc3\xa9"];
            c.put(items(keys.map(|key| (key, "v")))).ok().await?;
            for key in keys {
                c.get().prefix(key).ok().await?.has_keys(&[key])?;
            }
            c.get().prefix("a%").ok().await?.is_empty()
        }
    ),
    case!(
        "round_trip::keys_are_literal_in_deletes",
        "A Delete of a key that looks like a pattern removes that key only.",
        ["RT-3", "DEL-3"],
        |c| {
            c.put(items([("%", "1"), ("A", "2"), ("_", "3"), ("a", "4")])).ok().await?;
            c.delete().keys(["%"]).ok().await?.counts(1)?;
            c.delete().prefix("_").ok().await?.counts(1)?;
            c.delete().keys(["a"]).ok().await?.counts(1)?;
            c.get().ok().await?.holds(&[("A", "2")])
        }
    ),
    case!(
        "round_trip::long_keys_are_told_apart_by_their_last_byte",
        "Keys of 1,024 bytes that differ in the last one are distinct.",
        ["RT-3"],
        |c| {
            let [mut one, mut two] = [noise(1_024, 2), noise(1_024, 2)];
            (one[1_023], two[1_023]) = (0x7F, 0x80);
            c.put(items([(&one, "one"), (&two, "two")])).ok().await?;
            c.get().keys([&one]).ok().await?.holds(&[(&one, "one")])?;
            c.get().ok().await?.holds(&[(&one, "one"), (&two, "two")])
        }
    ),
    case!(
        "round_trip::ids_are_compared_byte_by_byte",
        "Ids that text would mix up are different records.",
        ["RT-4"],
        |c| {
            let ids = [
                "a",
                "A",
                "a ",
                " a",
                "ab",
                "1",
                "01",
                "1.0",
                "%",
                "_",
                "\\",
                "'",
                "\"",
                "../a",
                "a/b",
                "é",
                "e\u{301}",
                "ss",
                "ß",
                "ı",
                "i",
                "I",
                "😀",
                "\u{1}",
                "\u{feff}a",
                "NULL",
            ];
            for id in ids {
                c.put_one("k", id).on(id).ok().await?;
            }
            for id in ids {
                c.get().on(id).ok().await?.holds(&[("k", id)])?;
                c.scan().on(id).ok().await?.has_keys(&[(id, "k")])?;
            }
            Ok(())
        }
    ),
    case!(
        "round_trip::long_ids_are_told_apart_by_their_last_byte",
        "Ids of 512 bytes that differ in the last one are different records.",
        ["RT-4"],
        |c| {
            let common = "é".repeat(255);
            let [one, two] = [format!("{common}xa"), format!("{common}xb")];
            c.put_one("k", "one").on(&one).ok().await?;
            c.put_one("k", "two").on(&two).ok().await?;
            c.get().on(&one).ok().await?.holds(&[("k", "one")])?;
            c.get().on(&two).ok().await?.holds(&[("k", "two")])
        }
    ),
    case!(
        "round_trip::namespaces_are_compared_byte_by_byte",
        "Namespaces that a pattern or a number would mix up are different ones.",
        ["RT-4", "ISO-1"],
        |c| {
            let suffixes = ["", ".", "-", "_", "a", "ab", "a_b", "a.b", "a-b", "axb", "1", "01", "1.0"];
            for suffix in suffixes {
                c.put_one("k", suffix).within(suffix).ok().await?;
            }
            for suffix in suffixes {
                c.get().within(suffix).ok().await?.holds(&[("k", suffix)])?;
            }
            Ok(())
        }
    ),
    case!(
        "round_trip::content_type_comes_back_verbatim",
        "content_type comes back verbatim: neither parsed, folded nor trimmed.",
        ["RT-5"],
        |c| {
            let longest = "x".repeat(127);
            let content_types = [
                "",
                "text/plain",
                "TEXT/Plain; charset=\"UTF-8\" ",
                " a",
                "not a type",
                "é😀",
                "a\0b",
                longest.as_str(),
            ];
            for content_type in content_types {
                let mut typed = item("k", "v");
                typed.content_type = content_type.to_owned();
                c.put([typed]).ok().await?;
                let read = c.get().ok().await?;
                read.same("content_type", &content_type, &read.item("k")?.content_type.as_str())?;
            }
            Ok(())
        }
    ),
    case!(
        "round_trip::compression_comes_back_verbatim",
        "compression comes back verbatim, also a number without a name, and the value is left alone.",
        ["RT-5"],
        |c| {
            for compression in [0, 1, 2, 5, 99, i32::MAX, -1, i32::MIN] {
                let mut packed = item("k", "not really packed");
                packed.compression = compression;
                c.put([packed]).ok().await?;
                let read = c.get().ok().await?;
                read.holds(&[("k", "not really packed")])?;
                read.same("compression", &compression, &read.item("k")?.compression)?;
            }
            Ok(())
        }
    ),
    case!(
        "round_trip::scan_answers_the_items_that_get_answers",
        "Scan answers the same items as Get: values, metadata, versions and times.",
        ["RT-1", "RT-5"],
        |c| {
            let mut typed = item("b", "2");
            (typed.content_type, typed.compression) = ("text/plain".to_owned(), 3);
            c.put([item("a", "1"), typed]).ok().await?;
            c.advance(c.tick()).await?;
            c.put_one("a", "3").ok().await?;
            let read = c.get().ok().await?.into_inner().items;
            let scanned = c.scan().on("r").ok().await?;
            let items: Vec<_> = scanned.entries().map(|entry| entry.item.clone()).collect();
            scanned.same("items", &read, &items)
        }
    ),
    case!(
        "round_trip::absent_items_are_not_in_the_answer",
        "An absent item is simply not in the answer.",
        ["RT-6"],
        |c| {
            c.put(items([("b", "1"), ("d", "2")])).ok().await?;
            c.get().keys(["a", "b", "c"]).ok().await?.holds(&[("b", "1")])?;
            c.get().keys(["c"]).ok().await?.is_empty()?;
            c.get().range("c", "d").ok().await?.is_empty()?;
            c.get().prefix("bb").ok().await?.is_empty()
        }
    ),
    case!(
        "round_trip::an_absent_record_is_empty",
        "Get and Scan of an absent record are OK and empty.",
        ["RT-6"],
        |c| {
            c.put_one("k", "v").on("another").ok().await?;
            c.get().ok().await?.is_empty()?;
            c.get().keys(["k"]).ok().await?.is_empty()?;
            finds_nothing(&c.scan().on("r").ok().await?)
        }
    ),
    case!(
        "round_trip::an_emptied_record_is_an_absent_one",
        "A record whose items are all deleted reads as one that never was.",
        ["RT-6", "DEL-1"],
        |c| {
            c.put(items([("a", "1"), ("b", "2")])).ok().await?;
            c.delete().keys(["a"]).ok().await?;
            c.delete().keys(["b"]).ok().await?;
            c.get().ok().await?.is_empty()?;
            finds_nothing(&c.scan().on("r").ok().await?)
        }
    ),
];

const HOSTILE_KEYS: [&[u8]; 34] = [
    b"a",
    b"a\0",
    b"a\0\0",
    b"\0",
    b"\0\0",
    b"A",
    b"1",
    b"01",
    b"1.0",
    b"%",
    b"_",
    b"\\",
    b"'",
    b"''",
    b"\\\\",
    b"a%",
    b"a_",
    b"ab",
    b"*",
    b"?",
    b"[a]",
    b"\"",
    b";--",
    b" ",
    b"a ",
    b" a",
    b"NULL",
    b"\xc3\xa9",
    b"e\xcc\x81",
    b"\xc3",
    b"\xc3\x28",
    b"\xff",
    b"\xff\xfe",
    b"\xef\xbb\xbfa",
];
