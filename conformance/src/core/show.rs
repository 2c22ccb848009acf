//! Values in the texts of failures: as the wire has them, never in the debug form of the suite's language.
//!
//! A version is written `version 17`. [`Abstraction::named`](super::Abstraction::named) then replaces it by its name in the
//! transcript, such as `v2`.

use std::time::Duration;

use bytes::Bytes;
use prism_contract::{PreconditionFailure, Timestamp};

use super::bytes;

/// The longest comparison of two lists that is shown in full, in characters per side. Of a longer one only the first
/// difference is shown.
const WHOLE: usize = 160;

/// A value that failures show.
pub trait Show {
    /// The value as text.
    fn show(&self) -> String;

    /// Both sides of a comparison that failed. The texts differ where the values do, although long values are shortened.
    fn show_both(expected: &Self, actual: &Self) -> (String, String) {
        (expected.show(), actual.show())
    }
}

/// A version of an item; 0: absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(pub i64);

impl Version {
    /// The text for any later version.
    pub(crate) fn above(self) -> String {
        match self.0 {
            0 => "at a version above 0".to_owned(),
            version => format!("above version {version}"),
        }
    }
}

impl Show for Version {
    fn show(&self) -> String {
        match self.0 {
            0 => "absent".to_owned(),
            version => format!("version {version}"),
        }
    }
}

/// Values whose text is that of `Display`.
macro_rules! displayed {
    ($($type:ty),*) => {
        $(impl Show for $type {
            fn show(&self) -> String {
                self.to_string()
            }
        })*
    };
}

displayed!(bool, i32, i64, u16, u32, u64, usize);

impl<T: Show + ?Sized> Show for &T {
    fn show(&self) -> String {
        (**self).show()
    }

    fn show_both(expected: &Self, actual: &Self) -> (String, String) {
        T::show_both(expected, actual)
    }
}

impl Show for str {
    fn show(&self) -> String {
        bytes(self.as_bytes())
    }

    fn show_both(expected: &Self, actual: &Self) -> (String, String) {
        both_bytes(expected.as_bytes(), actual.as_bytes())
    }
}

impl Show for String {
    fn show(&self) -> String {
        self.as_str().show()
    }

    fn show_both(expected: &Self, actual: &Self) -> (String, String) {
        str::show_both(expected, actual)
    }
}

impl Show for Bytes {
    fn show(&self) -> String {
        bytes(self)
    }

    fn show_both(expected: &Self, actual: &Self) -> (String, String) {
        both_bytes(expected, actual)
    }
}

/// RFC 3339, in UTC and to the microsecond.
impl Show for Timestamp {
    fn show(&self) -> String {
        // Not jiff::Timestamp, whose range ends a day before the contract's.
        let epoch = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0);
        let time = epoch.saturating_add(jiff::SignedDuration::from_micros(self.as_micros()));
        time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
    }
}

impl Show for PreconditionFailure {
    fn show(&self) -> String {
        match self.current_version {
            0 => format!("{} is absent", bytes(&self.key)),
            version => format!("{} has version {version}", bytes(&self.key)),
        }
    }
}

impl<T: Show> Show for Option<T> {
    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "none".to_owned(), T::show)
    }

    fn show_both(expected: &Self, actual: &Self) -> (String, String) {
        match (expected, actual) {
            (Some(expected), Some(actual)) => T::show_both(expected, actual),
            (None, _) | (_, None) => (expected.show(), actual.show()),
        }
    }
}

impl<T: Show + PartialEq> Show for [T] {
    fn show(&self) -> String {
        if self.is_empty() {
            return "nothing".to_owned();
        }
        self.iter().map(T::show).collect::<Vec<_>>().join(", ")
    }

    fn show_both(expected: &Self, actual: &Self) -> (String, String) {
        let whole = (expected.show(), actual.show());
        let short = |text: &String| text.chars().count() <= WHOLE;
        if whole.0 != whole.1 && short(&whole.0) && short(&whole.1) {
            return whole;
        }
        let at = expected.iter().zip(actual).take_while(|(expected, actual)| expected == actual).count();
        let of = |list: &Self, text: Option<String>| match text {
            Some(text) => format!("number {} of {} is {text}", at + 1, list.len()),
            None => format!("{} in all", list.len()),
        };
        let texts = match (expected.get(at), actual.get(at)) {
            (Some(expected), Some(actual)) => {
                let (expected, actual) = T::show_both(expected, actual);
                (Some(expected), Some(actual))
            }
            (expected, actual) => (expected.map(T::show), actual.map(T::show)),
        };
        (of(expected, texts.0), of(actual, texts.1))
    }
}

impl<T: Show + PartialEq> Show for Vec<T> {
    fn show(&self) -> String {
        self.as_slice().show()
    }

    fn show_both(expected: &Self, actual: &Self) -> (String, String) {
        <[T]>::show_both(expected, actual)
    }
}

impl<A: Show, B: Show> Show for (A, B) {
    fn show(&self) -> String {
        format!("{} {}", self.0.show(), self.1.show())
    }

    fn show_both(expected: &Self, actual: &Self) -> (String, String) {
        let (first, second) = (A::show_both(&expected.0, &actual.0), B::show_both(&expected.1, &actual.1));
        (format!("{} {}", first.0, second.0), format!("{} {}", first.1, second.1))
    }
}

impl<A: Show, B: Show, C: Show> Show for (A, B, C) {
    fn show(&self) -> String {
        format!("{} {} {}", self.0.show(), self.1.show(), self.2.show())
    }
}

/// Two byte strings that differ, both shortened; if the shortened texts are the same, with the first byte that differs.
pub(crate) fn both_bytes(expected: &[u8], actual: &[u8]) -> (String, String) {
    let texts = (bytes(expected), bytes(actual));
    if texts.0 != texts.1 || expected == actual {
        return texts;
    }
    let at = expected.iter().zip(actual).take_while(|(expected, actual)| expected == actual).count();
    let with_byte = |text: String, of: &[u8]| format!("{text}, byte {at} is {}", bytes(&of[at..=at]));
    (with_byte(texts.0, expected), with_byte(texts.1, actual))
}

/// Text of a server or an error as one line: control characters escaped, and at most `most` characters.
pub(crate) fn line(text: &str, most: usize) -> String {
    let mut out = String::new();
    for (at, char) in text.chars().enumerate() {
        match char {
            _ if at == most => {
                out.push('…');
                break;
            }
            '\t' => out.push_str("    "),
            char if char.is_control() => out.extend(char.escape_default()),
            char => out.push(char),
        }
    }
    out
}

/// A time span as protobuf's JSON has it: seconds with no, 3, 6 or 9 decimal places, such as `1.500s`.
pub(crate) fn span(span: Duration) -> String {
    let (seconds, nanos) = (span.as_secs(), span.subsec_nanos());
    match nanos {
        0 => format!("{seconds}s"),
        nanos if nanos % 1_000_000 == 0 => format!("{seconds}.{:03}s", nanos / 1_000_000),
        nanos if nanos % 1_000 == 0 => format!("{seconds}.{:06}s", nanos / 1_000),
        nanos => format!("{seconds}.{nanos:09}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_the_wire_has_them() {
        let micros = |micros| Timestamp::from_micros(micros).expect("a time of the contract");
        for (shown, text) in [
            (Version(17).show(), "version 17"),
            (Version(0).show(), "absent"),
            (Version(17).above(), "above version 17"),
            (Version(0).above(), "at a version above 0"),
            (Some("a\"b").show(), "\"a\\\"b\""),
            (None::<&str>.show(), "none"),
            (Bytes::from_static(b"\xff\0").show(), "\"\\xff\\x00\""),
            (vec![true, false].show(), "true, false"),
            (Vec::<i64>::new().show(), "nothing"),
            (("a", 1).show(), "\"a\" 1"),
            (micros(1_764_442_222_000_007).show(), "2025-11-29T18:50:22.000007Z"),
            (micros(0).show(), "1970-01-01T00:00:00.000000Z"),
            (Timestamp::MIN.show(), "0001-01-01T00:00:00.000000Z"),
            (Timestamp::MAX.show(), "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(shown, text);
        }
    }

    #[test]
    fn spans_are_those_of_protobuf_json() {
        for (nanos, text) in [
            (0, "0s"),
            (50_000_000_000, "50s"),
            (1_500_000_000, "1.500s"),
            (1_000, "0.000001s"),
            (1, "0.000000001s"),
        ] {
            assert_eq!(span(Duration::from_nanos(nanos)), text);
        }
    }

    #[test]
    fn of_long_lists_the_first_difference_is_shown() {
        let keys = |count: usize| (0..count).map(|at| format!("key {at:04}")).collect::<Vec<_>>();
        let (mut wrong, right) = (keys(100), keys(100));
        wrong[17] = "another".to_owned();
        let shown = Show::show_both(&right, &wrong);
        assert_eq!(shown.0, "number 18 of 100 is \"key 0017\"");
        assert_eq!(shown.1, "number 18 of 100 is \"another\"");
        let shown = Show::show_both(&right, &keys(99));
        assert_eq!(shown, ("number 100 of 100 is \"key 0099\"".to_owned(), "99 in all".to_owned()));
        assert_eq!(Show::show_both(&keys(2), &keys(1)).1, "\"key 0000\"");
    }

    #[test]
    fn long_byte_strings_differ_in_their_texts_too() {
        let long = |last| Bytes::from([vec![b'a'; 999], vec![last]].concat());
        let (expected, actual) = Show::show_both(&long(b'x'), &long(0));
        assert_eq!(expected, "\"aaaaaaaaaaaa\"… 1000 bytes, byte 999 is \"x\"");
        assert_eq!(actual, "\"aaaaaaaaaaaa\"… 1000 bytes, byte 999 is \"\\x00\"");
        let (expected, actual) = Show::show_both(&vec![long(b'x')], &vec![long(0)]);
        assert!(expected != actual && actual.starts_with("number 1 of 1 is "), "{actual}");
    }
}
