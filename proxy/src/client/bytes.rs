//! Byte strings as readable text: UTF-8 unchanged, everything else as escapes that can be typed in again.

use std::fmt::Write;
use std::ops::ControlFlow;

use unicode_width::UnicodeWidthStr;

use crate::terminal::is_harmless;

/// Bytes as one line of text. Printable characters are unchanged, a backslash is `\\`, newline, return and tab are `\n`,
/// `\r` and `\t`, and every other byte is `\xNN`, including those of invisible, combining and direction-changing characters.
/// [`unescape`] is the inverse.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    // A closure that never breaks.
    let _ = escape_each(bytes, |escaped, _| {
        text.push_str(escaped);
        ControlFlow::<()>::Continue(())
    });
    text
}

/// The start of escaped bytes, cut to a width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    /// The text, at most as wide as allowed.
    pub(super) text: String,
    /// The number of bytes that it does not show.
    pub(super) rest: usize,
}

/// The escaped bytes, if their text has at most `width` columns; otherwise their start in at most `cut` columns.
pub(super) fn escape_within(bytes: &[u8], width: usize, cut: usize) -> Start {
    let mut start = Start { text: String::new(), rest: bytes.len() };
    let (mut whole, mut columns, mut done) = (String::new(), 0, 0);
    let too_wide = escape_each(bytes, |escaped, length| {
        columns += escaped.width();
        if columns > width {
            return ControlFlow::Break(());
        }
        whole.push_str(escaped);
        done += length;
        if columns <= cut {
            start.text.clone_from(&whole);
            start.rest = bytes.len() - done;
        }
        ControlFlow::Continue(())
    });
    match too_wide {
        ControlFlow::Continue(()) => Start { text: whole, rest: 0 },
        ControlFlow::Break(()) => start,
    }
}

/// Calls `with` for each character or invalid byte, with its escaped text and its length in bytes.
fn escape_each<B>(bytes: &[u8], mut with: impl FnMut(&str, usize) -> ControlFlow<B>) -> ControlFlow<B> {
    let mut escaped = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            escaped.clear();
            escape_character(&mut escaped, character);
            with(&escaped, character.len_utf8())?;
        }
        for byte in chunk.invalid() {
            escaped.clear();
            escape_bytes(&mut escaped, &[*byte]);
            with(&escaped, 1)?;
        }
    }
    ControlFlow::Continue(())
}

fn escape_character(text: &mut String, character: char) {
    match character {
        '\\' => text.push_str("\\\\"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        printable if is_printable(printable) => text.push(printable),
        other => escape_bytes(text, other.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Whether a character is visible by itself, whatever stands beside it, so that it can be told from others in a table and
/// typed in again.
fn is_printable(character: char) -> bool {
    // The standard library knows the printable characters: `escape_debug` leaves them unchanged.
    matches!(character, '\\' | '\'' | '"') || character.escape_debug().len() == 1
}

fn escape_bytes(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        write!(text, "\\x{byte:02x}").expect("writing to a String cannot fail");
    }
}

/// Whether bytes are text that a terminal just shows: UTF-8 of harmless characters, newlines and tabs.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| {
        text.chars().all(|character| matches!(character, '\n' | '\t') || is_harmless(character))
    })
}

/// Decodes the escapes `\xNN`, `\\`, `\n`, `\r`, `\t` and `\0`.
pub(super) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend(&rest.as_bytes()[..at]);
        let (byte, length) = unescape_one(&rest[at..])?;
        bytes.push(byte);
        rest = &rest[at + length..];
    }
    bytes.extend(rest.as_bytes());
    Ok(bytes)
}

/// Decodes the escape at the start of `text`: its byte and its length.
fn unescape_one(text: &str) -> Result<(u8, usize), String> {
    let byte = match text.as_bytes().get(1) {
        Some(b'x') => {
            let digits = text.get(2..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            return byte.map(|byte| (byte, 4)).ok_or_else(|| {
                "'\\x' must be followed by two hexadecimal digits, such as '\\x0a'".to_owned()
            });
        }
        Some(b'\\') => b'\\',
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'0') => 0,
        Some(_) | None => {
            return Err(
                "a backslash is followed by an unknown escape; \\xNN, \\\\, \\n, \\r, \\t and \\0 are allowed"
                    .to_owned(),
            );
        }
    };
    Ok((byte, 2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::terminal::{COMBINED, FORMATS};

    #[test]
    fn printable_text_is_unchanged_and_other_bytes_are_escaped() {
        assert_eq!(escape("Grüße, 'Welt' \"x\"".as_bytes()), "Grüße, 'Welt' \"x\"");
        assert_eq!(escape(b"a\\b\n\r\t\0\x1b\x7f"), "a\\\\b\\n\\r\\t\\x00\\x1b\\x7f");
        assert_eq!(escape(b"\xff\xc3\x28"), "\\xff\\xc3(");
        assert_eq!(escape("\u{202e}".as_bytes()), "\\xe2\\x80\\xae", "a right-to-left override");
        assert_eq!(escape("e\u{301}".as_bytes()), "e\\xcc\\x81", "a combining accent");
    }

    #[test]
    fn a_text_is_cut_between_characters_by_their_width() {
        let cut = |bytes: &[u8], width, cut| {
            let Start { text, rest } = escape_within(bytes, width, cut);
            (text, rest)
        };
        assert_eq!(cut(b"abcdef", 6, 3), ("abcdef".to_owned(), 0));
        assert_eq!(cut(b"abcdefg", 6, 3), ("abc".to_owned(), 4));
        assert_eq!(cut("日本語".as_bytes(), 6, 3), ("日本語".to_owned(), 0), "each is two columns wide");
        assert_eq!(cut("日本語".as_bytes(), 5, 3), ("日".to_owned(), 6));
        assert_eq!(cut(b"a\x1b[2J", 5, 4), ("a".to_owned(), 4), "an escape is not cut in half");
        assert_eq!(cut(b"abc", 0, 0), (String::new(), 3));
        assert_eq!(cut(b"", 0, 0), (String::new(), 0));
    }

    #[test]
    fn text_has_no_control_characters_but_newlines_and_tabs() {
        assert!(is_text("{\n\t\"a\": \"Grüße\"}\n".as_bytes()));
        assert!(is_text(COMBINED.as_bytes()));
        for format in FORMATS {
            assert!(!is_text(format.to_string().as_bytes()), "{format:?}");
        }
        for bytes in [&b"\x1b[2J"[..], b"\xff", b"\0", b"a\rb", "\u{9b}1m".as_bytes(), "\u{202e}".as_bytes()]
        {
            assert!(!is_text(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn invalid_escapes_are_refused() {
        for bad in ["\\", "\\x", "\\x1", "\\xg0", "\\x+1", "\\q", "\\x1é", "é\\"] {
            assert!(unescape(bad).is_err(), "{bad} was accepted");
        }
    }

    proptest! {
        #[test]
        fn escaped_bytes_unescape_to_the_same(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(unescape(&escape(&bytes)), Ok(bytes));
        }

        #[test]
        fn escaped_text_has_no_control_characters_and_unescapes_to_the_same(text in any::<String>()) {
            let escaped = escape(text.as_bytes());
            prop_assert!(!escaped.chars().any(char::is_control));
            prop_assert_eq!(unescape(&escaped), Ok(text.into_bytes()));
        }
    }
}
