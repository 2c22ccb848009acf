//! Marked values, and how they would look in an output.

use std::collections::BTreeSet;
use std::fmt::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::select;

/// A value that occurs nowhere else.
#[derive(Clone)]
pub(crate) struct Mark {
    pub(crate) bytes: Vec<u8>,
    /// What it is the base64 of.
    decoded: Option<Vec<u8>>,
}

/// Something that the gateway has written or sent.
pub(crate) struct Output {
    pub(crate) place: String,
    pub(crate) bytes: Vec<u8>,
}

/// A mark; of a string if `is_text`. A string has no NUL, which is not allowed in an id.
pub(crate) fn mark(is_text: bool) -> BoxedStrategy<Mark> {
    let of_text = |text: String| Mark { bytes: text.into_bytes(), decoded: None };
    let plain = "[A-Za-z0-9]{16}".prop_map(of_text);
    let special =
        select(vec!["\"", "'", "\\", "\n", "\r", "\t", "\u{1b}", "\u{7f}", "`", "{", "%", " ", "<"]);
    let escaped = prop::collection::vec(("[A-Za-z0-9]", special), 8)
        .prop_map(move |parts| of_text(parts.into_iter().map(|(c, special)| c + special).collect()));
    let other = select(vec!['é', 'ß', 'λ', 'я', '漢', '字', '한', '😀', '\u{a0}', '\u{feff}', '\u{202e}']);
    let not_ascii =
        prop::collection::vec(other, 12).prop_map(move |chars| of_text(chars.into_iter().collect()));
    let base64 = prop::array::uniform16(any::<u8>())
        .prop_map(|bytes| Mark { bytes: STANDARD.encode(bytes).into_bytes(), decoded: Some(bytes.to_vec()) });
    let text = prop_oneof![plain, escaped, not_ascii, base64];
    if is_text {
        return text.boxed();
    }
    let binary = prop::array::uniform16(any::<u8>());
    let binary = binary.prop_map(|bytes| Mark { bytes: bytes.to_vec(), decoded: None });
    prop_oneof![text, binary].boxed()
}

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.bytes.escape_ascii())
    }
}

impl Mark {
    /// The places that show it, and how.
    pub(crate) fn find_in(&self, outputs: &[Output]) -> Vec<String> {
        let values = [Some(&self.bytes), self.decoded.as_ref()];
        let forms: BTreeSet<_> = values.into_iter().flatten().flat_map(|value| forms(value)).collect();
        let mut found = Vec::new();
        for Output { place, bytes } in outputs {
            let text = latin1(bytes);
            if let Some(form) = forms.iter().find(|form| text.contains(form.as_str())) {
                found.push(format!("is in {place} as {form:?}"));
            }
        }
        found
    }
}

/// Each byte as a character, to search bytes as fast as text.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// The encodings in which a value may be written: as it is, escaped, as numbers, in base64 and in hexadecimal digits.
fn forms(value: &[u8]) -> Vec<String> {
    let mut texts =
        vec![value.escape_ascii().to_string(), inner(&format!("{:?}", Bytes::copy_from_slice(value)))];
    texts.extend([
        joined(value, ", ", |byte| format!("{byte}")),
        joined(value, ",", |byte| format!("{byte}")),
    ]);
    for hex in [|byte| format!("{byte:02x}"), |byte| format!("{byte:02X}"), |byte| format!("{byte:x}")] {
        texts.extend(["", " ", ", ", ":"].map(|separator| joined(value, separator, hex)));
    }
    texts.extend([
        joined(value, ", ", |byte| format!("0x{byte:02x}")),
        joined(value, "", |byte| format!("%{byte:02X}")),
    ]);
    // Unreserved and reserved characters as they are.
    texts.push(joined(value, "", percent_encoded));
    for offset in 0..3 {
        let standard = base64_at(value, offset);
        texts.push(standard.replace('+', "-").replace('/', "_"));
        texts.push(standard);
    }
    // Bytes as the characters of the same numbers.
    let as_text = std::str::from_utf8(value).map_or_else(|_| latin1(value), str::to_owned);
    texts.extend([
        as_text.clone(),
        inner(&format!("{as_text:?}")),
        as_text.escape_default().to_string(),
        as_text.escape_unicode().to_string(),
        as_text.encode_utf16().fold(String::new(), |mut text, unit| {
            let _ = write!(text, "\\u{unit:04x}");
            text
        }),
    ]);
    // A line in JSON escapes once more, and so does a Debug of a text.
    let again: Vec<_> = texts.iter().flat_map(|text| [json(text), inner(&format!("{text:?}"))]).collect();
    let texts = texts.into_iter().chain(again);
    std::iter::once(latin1(value)).chain(texts.map(|text| latin1(text.as_bytes()))).collect()
}

fn joined(value: &[u8], separator: &str, show: impl Fn(u8) -> String) -> String {
    value.iter().map(|byte| show(*byte)).collect::<Vec<_>>().join(separator)
}

fn percent_encoded(byte: u8) -> String {
    if byte.is_ascii_graphic() && byte != b'%' {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

/// A text's JSON without its quotes.
fn json(text: &str) -> String {
    inner(&serde_json::to_string(text).expect("a string is JSON"))
}

/// Without the quotes, and the letter before them.
fn inner(quoted: &str) -> String {
    quoted.trim_start_matches('b')[1..].trim_end_matches('"').to_owned()
}

/// The part of the base64 that does not depend on what is before and after, where the value is `offset` bytes after a group.
fn base64_at(value: &[u8], offset: usize) -> String {
    let whole = STANDARD.encode([&vec![0; offset], value].concat());
    whole[(offset * 8).div_ceil(6)..(offset + value.len()) * 8 / 6].to_owned()
}
