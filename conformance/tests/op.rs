//! The text form of operations: it parses back to the same operation, and has the documented syntax.

use prism_conformance::keyvalue::op::{Op, parse_all};
use prism_conformance::keyvalue::property::{Mix, Weights, operations};
use proptest::prelude::*;

const EVERYTHING: Mix = Mix {
    keys: &[b"a", b"\"", b"\\", b"=", b",", b" ", b"..", b"\n", b"\x00", b"\xff", b"only"],
    spaces: &["", "b", "-1"],
    ids: &["r", "é", "a \"b\""],
    weights: Weights {
        put: 9,
        get: 9,
        delete: 9,
        scan: 9,
        describe: 1,
        advance: 3,
        retention: 1,
        sweep: 1,
        restart: 2,
    },
    tokens: 0.5,
    ttls: 0.5,
    conditions: 0.5,
    pages: 0.5,
    length: (1, 30),
};

proptest! {
    #[test]
    fn every_operation_round_trips_through_text_and_json(ops in operations(EVERYTHING)) {
        for op in ops {
            let line = op.to_string();
            prop_assert!(!line.contains('\n'), "{line}");
            prop_assert_eq!(line.parse::<Op>(), Ok(op.clone()), "{}", line);
            let json = serde_json::to_string(&op).unwrap();
            prop_assert_eq!(serde_json::from_str::<Op>(&json).unwrap(), op);
        }
    }
}

#[test]
fn handwritten_lines_round_trip() {
    for line in [
        r#"put $ns "r" "a"="1" type "text/plain" compression 2 "b"="" token 3 ttl 2 if "a" current if "c" absent"#,
        r#"put $nsb "\xc3\xa9" "\x00"="\xff" token -1 ttl 0 if "a" stale if "b" 7"#,
        r#"get $ns "r" prefix "a" page of 2 bytes 300 keys only reverse next"#,
        r#"get $ns "r" keys only"#,
        r#"get $ns "r" keys "a","b" keys only foreign"#,
        r#"get $ns "r" unset broken"#,
        r#"delete $ns "r" range "a".."b" token 2"#,
        r#"delete $ns "r" keys token 4"#,
        "scan $ns all page of 2 limit 5 cut 1 next",
        r#"scan $ns "r""#,
        "describe $ns",
        "advance 3",
        "advance almost 3",
        "advance microsecond",
        "advance retention",
        "advance almost retention",
        "sweep",
        "restart clean",
        "restart crash",
    ] {
        assert_eq!(line.parse::<Op>().map(|op| op.to_string()), Ok(line.to_owned()));
    }
}

#[test]
fn an_invalid_line_is_refused_with_a_reason() {
    for (line, reason) in [
        ("", "nothing found, an operation expected in: "),
        ("fetch $ns", "'fetch' is not an operation in: fetch $ns"),
        ("get r \"a\"", "'r' is not a namespace; $ns and a suffix are expected in: get r \"a\""),
        ("put $ns \"r\" \"a\"", "a key without '=' in: put $ns \"r\" \"a\""),
        ("put $ns \"r", "unterminated quote in: put $ns \"r"),
        ("sweep now", "unexpected 'now' in: sweep now"),
        ("advance soon", "'soon' is not a number of ticks in: advance soon"),
    ] {
        assert_eq!(line.parse::<Op>().map_err(|why| why.to_string()), Err(reason.to_owned()));
    }
}

#[test]
fn comments_and_empty_lines_are_skipped() {
    let ops = parse_all("# a story\n\n  sweep\nadvance 1\n").unwrap();
    assert_eq!(ops.iter().map(ToString::to_string).collect::<Vec<_>>(), ["sweep", "advance 1"]);
}
