//! Byte strings as readable text: UTF-8 unchanged, everything else as escapes that can be typed in again.

use std::fmt::Write;

/// Bytes as one line of text. Printable characters are unchanged, a backslash is `\\`, newline, return and tab are `\n`,
/// `\r` and `\t`, and every other byte is `\xNN`, including those of invisible, combining and direction-changing characters.
/// [`unescape`] is the inverse.
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
        // The standard library knows the printable characters: `escape_debug` leaves them unchanged.
        printable if printable.escape_debug().len() == 1 => text.push(printable),
        other => escape_bytes(text, other.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

fn escape_bytes(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        write!(text, "\\x{byte:02x}").expect("writing to a String cannot fail");
    }
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

    #[test]
    fn printable_text_is_unchanged_and_other_bytes_are_escaped() {
        assert_eq!(escape("Grüße, 'Welt' \"x\"".as_bytes()), "Grüße, 'Welt' \"x\"");
        assert_eq!(escape(b"a\\b\n\r\t\0\x1b\x7f"), "a\\\\b\\n\\r\\t\\x00\\x1b\\x7f");
        assert_eq!(escape(b"\xff\xc3\x28"), "\\xff\\xc3(");
        assert_eq!(escape("\u{202e}".as_bytes()), "\\xe2\\x80\\xae", "a right-to-left override");
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
