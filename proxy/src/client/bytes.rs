//! Bytes as people read and type them: UTF-8 as it is, everything else as escapes that can be typed again.

use std::fmt::Write;

/// Bytes as one line of text. Printable characters stand for themselves, a backslash is `\\`, newline, return and tab are
/// `\n`, `\r` and `\t`, and every other byte is `\xNN`: also that of a character that cannot be seen or that would
/// change how its neighbours look. [`unescape`] gives the same bytes back.
pub(super) fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            escape_character(&mut text, character);
        }
        escape_bytes(&mut text, chunk.invalid());
    }
    text
}

fn escape_character(text: &mut String, character: char) {
    match character {
        '\\' => text.push_str("\\\\"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        '\'' | '"' => text.push(character),
        // The standard library knows which characters show; the others it writes as more than themselves.
        shown if shown.escape_debug().len() == 1 => text.push(shown),
        hidden => escape_bytes(text, hidden.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

fn escape_bytes(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        write!(text, "\\x{byte:02x}").expect("a String takes what is written to it");
    }
}

/// What a person typed, with `\xNN`, `\\`, `\n`, `\r`, `\t` and `\0` taken for the bytes they stand for.
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

/// The byte of the escape that `text` begins with, and the escape's length.
fn unescape_one(text: &str) -> Result<(u8, usize), String> {
    let byte = match text.as_bytes().get(1) {
        Some(b'x') => {
            let digits = text.get(2..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
            let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            return byte
                .map(|byte| (byte, 4))
                .ok_or_else(|| "'\\x' needs two hexadecimal digits after it, such as '\\x0a'".to_owned());
        }
        Some(b'\\') => b'\\',
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'0') => 0,
        Some(_) | None => {
            return Err(
                "a backslash stands before something else than what is allowed: \\xNN, \\\\, \\n, \\r, \\t or \\0"
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

    #[test]
    fn printable_text_stands_for_itself_and_the_rest_is_escaped() {
        assert_eq!(escape("Grüße, 'Welt' \"x\"".as_bytes()), "Grüße, 'Welt' \"x\"");
        assert_eq!(escape(b"a\\b\n\r\t\0\x1b\x7f"), "a\\\\b\\n\\r\\t\\x00\\x1b\\x7f");
        assert_eq!(escape(b"\xff\xc3\x28"), "\\xff\\xc3(");
        assert_eq!(
            escape("\u{202e}".as_bytes()),
            "\\xe2\\x80\\xae",
            "a character that turns the line around"
        );
    }

    #[test]
    fn an_escape_that_stands_for_nothing_is_refused() {
        for bad in ["\\", "\\x", "\\x1", "\\xg0", "\\x+1", "\\q", "\\x1é", "é\\"] {
            assert!(unescape(bad).is_err(), "{bad} was taken");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_typed_again(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(unescape(&escape(&bytes)), Ok(bytes));
        }

        #[test]
        fn any_text_that_is_shown_can_be_typed_again(text in any::<String>()) {
            let shown = escape(text.as_bytes());
            prop_assert!(!shown.chars().any(char::is_control));
            prop_assert_eq!(unescape(&shown), Ok(text.into_bytes()));
        }
    }
}
