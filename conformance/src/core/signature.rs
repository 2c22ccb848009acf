//! The signature of a failure: its divergence without the parts that differ between runs and servers.
//!
//! Failures with the same texts belong together, and a failure with the fingerprint of a seeded bug has a likely cause.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::{Divergence, StatusCode};

/// Where a case failed, what was required there, and what was observed, without the values of one run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature {
    /// The step of the transcript; `None`: no single step.
    pub step: Option<usize>,
    /// The required behaviour. Numbers are `#`, quoted text is `"…"`; ids of rules are kept.
    pub expected: String,
    /// The observed behaviour, in the same form; a status is its code alone, because messages are free text.
    pub actual: String,
}

impl Signature {
    /// The signature of a divergence.
    pub fn of(divergence: &Divergence) -> Self {
        let actual = &divergence.actual;
        Self {
            step: divergence.step,
            expected: normalized(&divergence.expected),
            actual: status(actual).map_or_else(|| normalized(actual), str::to_owned),
        }
    }

    /// The compact form, for recording.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint { step: self.step, expected: hash(&self.expected), actual: hash(&self.actual) }
    }
}

/// A signature whose texts are hashes. Displayed as `STEP:EXPECTED:ACTUAL`, with `-` in place of no step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Fingerprint {
    /// The step of the transcript.
    pub step: Option<usize>,
    expected: u16,
    actual: u16,
}

impl Fingerprint {
    /// Whether both failed in the same way, at whatever step.
    pub fn is_alike(self, other: Self) -> bool {
        (self.expected, self.actual) == (other.expected, other.actual)
    }

    /// Whether both failed the same check of a case, whatever they observed there.
    pub fn is_same_check(self, other: Self) -> bool {
        (self.step, self.expected) == (other.step, other.expected)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(step) => write!(f, "{step}:{:04x}:{:04x}", self.expected, self.actual),
            None => write!(f, "-:{:04x}:{:04x}", self.expected, self.actual),
        }
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = || {
            let mut parts = text.split(':');
            let step = match parts.next()? {
                "-" => None,
                step => Some(step.parse().ok()?),
            };
            let mut hash = || u16::from_str_radix(parts.next()?, 16).ok();
            let (expected, actual) = (hash()?, hash()?);
            parts.next().is_none().then_some(Self { step, expected, actual })
        };
        parsed().ok_or_else(|| format!("'{text}' is no fingerprint; STEP:EXPECTED:ACTUAL is allowed"))
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The status code that a text begins with: `NOT_FOUND (no such item)`.
fn status(text: &str) -> Option<&'static str> {
    let word = text.split(|char: char| !char.is_ascii_uppercase() && char != '_').next()?;
    StatusCode::ALL.into_iter().map(|(_, name)| name).find(|name| *name == word)
}

/// Text without values: each number is `#`, each quoted text `"…"`. The number of a rule, such as `PUT-3`, is kept.
pub(super) fn normalized(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' => {
                skip_quoted(&mut chars);
                out.push_str("\"…\"");
            }
            digit if digit.is_ascii_digit() && !ends_with_rule_prefix(&out) => {
                while chars.next_if(char::is_ascii_digit).is_some() {}
                out.push('#');
            }
            other => out.push(other),
        }
    }
    out
}

/// Skips the rest of a quoted text, escaped quotes included.
fn skip_quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(char) = chars.next() {
        match char {
            '\\' => drop(chars.next()),
            '"' => return,
            _ => {}
        }
    }
}

/// Whether the text ends with `PUT-`, or with `PUT-1`, the beginning of `PUT-12`.
fn ends_with_rule_prefix(text: &str) -> bool {
    let prefix = text.trim_end_matches(|char: char| char.is_ascii_digit()).strip_suffix('-');
    prefix.is_some_and(|prefix| {
        let letters = prefix.chars().rev().take_while(char::is_ascii_uppercase).count();
        letters >= 2
    })
}

/// 64-bit FNV-1a, folded to 16 bits. It is compared within one case only, where few texts occur.
fn hash(text: &str) -> u16 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let parts = hash.to_le_bytes();
    parts.chunks(2).fold(0, |folded, part| folded ^ u16::from_le_bytes([part[0], part[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(expected: &str, actual: &str) -> Signature {
        let (expected, actual) = (expected.to_owned(), actual.to_owned());
        Signature::of(&Divergence { step: Some(3), expected, actual })
    }

    #[test]
    fn values_of_a_run_are_left_out_and_rules_are_kept() {
        let found = signature(r#"OK (ERR-12, RT-1): "a\"1" at version 17"#, "UNKNOWN (bug 42)");
        assert_eq!(found.expected, "OK (ERR-12, RT-1): \"…\" at version #");
        assert_eq!(found.actual, "UNKNOWN");
        assert_eq!(signature("2026-11-29T01:02:03Z", "OK").expected, "#-#-#T#:#:#Z");
        assert_eq!(signature("OK", "OKAY").actual, "OKAY");
        assert_eq!(signature("OK", "\"open").actual, "\"…\"");
    }

    #[test]
    fn a_fingerprint_is_read_back_as_it_was_written() {
        let here = signature("OK", "3 items").fingerprint();
        assert_eq!(here.to_string().parse(), Ok(here));
        let nowhere = Fingerprint { step: None, ..here };
        assert_eq!(nowhere.to_string().parse(), Ok(nowhere));
        assert!(here.is_same_check(signature("OK", "4 keys").fingerprint()));
        assert!(!here.is_same_check(signature("NOT_FOUND", "3 items").fingerprint()));
        assert!(!here.is_same_check(nowhere));
        for wrong in ["", "1", "1:0", "x:0:0", "1:0:0:0", "1:g:0"] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }
}
