//! The line format: round trips, and messages for what is not allowed.

use bytes::Bytes;
use prism_contract::Timestamp;
use prism_contract::keyvalue::{Entry, Item, Key, NewItem, RecordId};
use proptest::prelude::*;
use rstest::rstest;

use super::{Line, LineItem, MAX_LINE_BYTES, full_line, parse, parse_full, record_line};

fn text_of(line: &Line) -> Vec<u8> {
    record_line(line.id.as_str(), &line.items)
}

fn hostile_bytes(min: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), min..40),
        prop::collection::vec(prop::sample::select(&b"\0\x1f\"\\/{}[],:\n\r\x7f\xc3\xa9\xff"[..]), min..40),
        any::<String>()
            .prop_map(String::into_bytes)
            .prop_filter("long enough", move |bytes| bytes.len() >= min),
    ]
}

prop_compose! {
    fn item()(
        key in hostile_bytes(1),
        value in hostile_bytes(0),
        content_type in "[ -~]{0,20}",
        compression in prop_oneof![Just(0), 1..6, any::<i32>()],
        expires_at in prop::option::of(-62_135_596_800_000_000..=253_402_300_799_999_999_i64),
    ) -> LineItem {
        LineItem {
            item: NewItem { key: Key::new(key).unwrap(), value: value.into(), content_type, compression },
            expires_at: expires_at.map(|micros| Timestamp::from_micros(micros).unwrap()),
        }
    }
}

prop_compose! {
    fn line()(
        id in "[^\0]{1,60}",
        mut items in prop::collection::vec(item(), 1..20),
    ) -> Line {
        items.sort_by(|a, b| a.item.key.cmp(&b.item.key));
        items.dedup_by(|a, b| a.item.key == b.item.key);
        Line { id: RecordId::new(id).unwrap(), items }
    }
}

proptest! {
    #[test]
    fn a_written_record_is_one_line_and_parses_as_the_same(line in line()) {
        let text = text_of(&line);
        let (newline, rest) = text.split_last().unwrap();
        prop_assert_eq!(*newline, b'\n');
        prop_assert!(!rest.contains(&b'\n'));
        let read = parse(rest);
        prop_assert_eq!(read.as_ref(), Ok(&line));
        prop_assert_eq!(text_of(&read.unwrap()), text, "not the same bytes when written again");
    }

    #[test]
    fn arbitrary_bytes_do_not_panic_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }
}

prop_compose! {
    fn entry()(
        id in "[^\0]{1,60}",
        item in item(),
        version in 1..=i64::MAX,
        priority_token in prop_oneof![Just(0), 0..=i64::MAX],
        created_at in -62_135_596_800_000_000..=253_402_300_000_000_000_i64,
        (age, life) in (0..799_000_000_i64, prop::option::of(1..999_999_i64)),
    ) -> Entry {
        let at = |micros| Timestamp::from_micros(micros).unwrap();
        let NewItem { key, value, content_type, compression } = item.item;
        let item = Item {
            key, value, content_type, compression, version, priority_token,
            created_at: at(created_at),
            updated_at: at(created_at + age),
            expires_at: life.map(|life| at(created_at + age + life)),
        };
        Entry { id: RecordId::new(id).unwrap(), item }
    }
}

proptest! {
    #[test]
    fn a_full_export_line_parses_as_the_same(entry in entry()) {
        let text = full_line(&entry);
        let (newline, rest) = text.split_last().unwrap();
        prop_assert_eq!(*newline, b'\n');
        prop_assert_eq!(parse_full(rest), Ok(entry));
        let why = parse(rest).unwrap_err();
        prop_assert!(why.starts_with("items[0].version belongs to a full export"), "{}", why);
    }
}

#[rstest]
#[case::no_version("", "version is missing; each line of 'prism export --full' has it")]
#[case::version_zero(r#","version":0"#, "version is 0; 1 or more is allowed")]
#[case::negative_token(r#","version":1,"priority_token":-1"#, "priority_token is -1; 0 or more is allowed")]
#[case::no_created_at(r#","version":1"#, "created_at is missing")]
#[case::no_updated_at(r#","version":1,"created_at":"2020-01-01T00:00:00Z""#, "updated_at is missing")]
#[case::not_a_time(r#","version":1,"created_at":"2020-01-01""#, "created_at is not a time; RFC 3339")]
#[case::updated_first(
    r#","version":1,"created_at":"2020-01-02T00:00:00Z","updated_at":"2020-01-01T00:00:00Z""#,
    "updated_at is before created_at"
)]
#[case::expired_when_written(
    r#","version":1,"created_at":"2020-01-01T00:00:00Z","updated_at":"2020-01-02T00:00:00Z","expires_at":"2020-01-02T00:00:00Z""#,
    "expires_at is not after updated_at"
)]
fn impossible_metadata_in_a_full_line_is_refused_with_the_reason(
    #[case] members: &str,
    #[case] expected: &str,
) {
    let line = format!(r#"{{"id":"a","items":[{{"key":"k","value":""{members}}}]}}"#);
    let why = parse_full(line.as_bytes()).unwrap_err();
    assert!(why.starts_with(&format!("items[0].{expected}")), "{why}");
}

#[test]
fn a_full_line_holds_one_item() {
    let why = parse_full(br#"{"id":"a","items":[]}"#).unwrap_err();
    assert_eq!(why, "items holds 0 items; a line of a full export holds 1");
}

#[test]
fn the_canonical_form_has_no_spaces_and_escapes_only_what_json_requires() {
    let item = |key: &'static [u8], value: &'static [u8]| LineItem {
        item: NewItem {
            key: Key::new(key).unwrap(),
            value: Bytes::from_static(value),
            content_type: String::new(),
            compression: 0,
        },
        expires_at: None,
    };
    let mut odd = item(b"z", "é\u{7f}/<".as_bytes());
    odd.item.content_type = "text/plain".to_owned();
    odd.item.compression = 2;
    odd.expires_at = Some(Timestamp::from_micros(1_500_000).unwrap());
    let items = [item(b"\xff", b""), item(b"a", b"\"\\\x08\x0c\n\r\t\x01\x1f"), odd];
    let expected = concat!(
        r#"{"id":"x y","items":[{"key_base64":"/w==","value":""},"#,
        r#"{"key":"a","value":"\"\\\b\f\n\r\t\u0001\u001f"},"#,
        "{\"key\":\"z\",\"value\":\"é\u{7f}/<\",\"content_type\":\"text/plain\",\"compression\":\"zstd\",",
        "\"expires_at\":\"1970-01-01T00:00:01.500Z\"}]}\n",
    );
    assert_eq!(String::from_utf8(record_line("x y", &items)).unwrap(), expected);
}

#[rstest]
#[case::empty("", "the line is empty")]
#[case::blank(" \r", "the line is empty")]
#[case::not_json("x", "expected value")]
#[case::cut(r#"{"id":"a","items":["#, "EOF")]
#[case::more_after(r#"{"id":"a","items":[{"key":"k","value":""}]} {}"#, "trailing characters (at byte 45")]
#[case::unknown_member(r#"{"id":"a","items":[],"ttl":1}"#, "unknown field `ttl`, expected `id` or `items`")]
#[case::unknown_in_item(
    r#"{"id":"a","items":[{"key":"k","vlaue":""}]}"#,
    "unknown field `vlaue`, expected one of `key`"
)]
#[case::member_twice(r#"{"id":"a","id":"b","items":[]}"#, "duplicate field `id`")]
#[case::no_id(r#"{"items":[{"key":"k","value":""}]}"#, "missing field `id`")]
#[case::empty_id(r#"{"id":"","items":[{"key":"k","value":""}]}"#, "id is 0 bytes; 1 to 512 are allowed")]
#[case::nul_in_id(r#"{"id":"\u0000","items":[{"key":"k","value":""}]}"#, "id holds a NUL character")]
#[case::no_items(r#"{"id":"a","items":[]}"#, "items is empty; 1 to 1000 are allowed")]
#[case::empty_key(
    r#"{"id":"a","items":[{"key":"","value":""}]}"#,
    "items[0].key is 0 bytes; 1 to 1024 are allowed"
)]
#[case::no_value(
    r#"{"id":"a","items":[{"key":"k"}]}"#,
    "items[0].value is missing; give value, or value_base64"
)]
#[case::two_values(
    r#"{"id":"a","items":[{"key":"k","value":"","value_base64":""}]}"#,
    "items[0].value is given twice"
)]
#[case::bad_base64(
    r#"{"id":"a","items":[{"key":"k","value_base64":"/w="}]}"#,
    "items[0].value_base64 is not base64"
)]
#[case::lone_surrogate(r#"{"id":"a","items":[{"key":"k","value":"\ud800"}]}"#, "(at byte")]
#[case::key_twice(
    r#"{"id":"a","items":[{"key":"k","value":""},{"key_base64":"aw==","value":""}]}"#,
    "items[1] repeats the key"
)]
#[case::compression_name(
    r#"{"id":"a","items":[{"key":"k","value":"","compression":"zip"}]}"#,
    "a number or one of gzip, zstd"
)]
#[case::expiry(
    r#"{"id":"a","items":[{"key":"k","value":"","expires_at":"soon"}]}"#,
    "items[0].expires_at is not a time; RFC 3339"
)]
fn an_invalid_line_is_refused_with_the_reason(#[case] line: &str, #[case] expected: &str) {
    let why = parse(line.as_bytes()).unwrap_err();
    assert!(why.contains(expected), "{why}");
    assert!(!why.contains("line 1"), "the parser's line number is in the message: {why}");
}

#[test]
fn a_line_is_accepted_at_each_limit_and_refused_above_it() {
    let line = |items: &str| parse(format!(r#"{{"id":"a","items":[{items}]}}"#).as_bytes());
    let many = |count: usize| {
        (0..count).map(|at| format!(r#"{{"key":"{at}","value":""}}"#)).collect::<Vec<_>>().join(",")
    };
    assert_eq!(line(&many(1_000)).unwrap().items.len(), 1_000);
    assert!(line(&many(1_001)).unwrap_err().contains("items holds more than 1000 items"));

    let sized = |key: usize, value: usize| {
        line(&format!(r#"{{"key":"{}","value":"{}"}}"#, "k".repeat(key), "v".repeat(value))).map(drop)
    };
    assert_eq!(sized(1_024, 1 << 20), Ok(()));
    assert_eq!(sized(1_025, 0), Err("items[0].key is 1025 bytes; 1 to 1024 are allowed".to_owned()));
    assert_eq!(
        sized(1, (1 << 20) + 1),
        Err("items[0].value is 1048577 bytes; 0 to 1048576 are allowed".to_owned())
    );

    let whole = |value: usize| {
        let items = (0..4).map(|at| format!(r#"{{"key":"{at}","value":"{}"}}"#, "v".repeat(value)));
        line(&items.collect::<Vec<_>>().join(",")).map(|line| line.bytes())
    };
    assert_eq!(whole((1 << 20) - 1), Ok(4 << 20));
    assert!(
        whole(1 << 20).unwrap_err().contains("keys and values are 4194308 bytes together; at most 4194304")
    );

    assert!(parse(&vec![b' '; MAX_LINE_BYTES + 1]).unwrap_err().contains("longer than 33554432 bytes"));
}

#[test]
fn lines_conflict_if_they_share_an_id_and_their_keys_overlap() {
    let line = |id: &str, keys: &[&str]| {
        let items: Vec<_> = keys.iter().map(|key| format!(r#"{{"key":"{key}","value":""}}"#)).collect();
        parse(format!(r#"{{"id":"{id}","items":[{}]}}"#, items.join(",")).as_bytes()).unwrap()
    };
    assert!(line("a", &["k"]).may_conflict(&line("a", &["k"])));
    assert!(line("a", &["a", "m"]).may_conflict(&line("a", &["m", "z"])));
    assert!(!line("a", &["a", "m"]).may_conflict(&line("a", &["n", "z"])));
    assert!(!line("a", &["k"]).may_conflict(&line("b", &["k"])));
}
