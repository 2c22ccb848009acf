//! The hash chain of an audit log: how a line is sealed, and how it is read back.
//!
//! A line is `{…,"prev":"P","hash":"H"}`: P is the hash of the line before it, and H the SHA-256 of the line's bytes before
//! `,"hash"`, which include P.

use std::fmt;

use prism_mutants::seeded;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The format that headers name.
pub(super) const FORMAT: &str = "prism-audit-1";

const HASH: &[u8] = br#","hash":""#;
const END: &[u8] = br#""}"#;

/// A SHA-256, shown in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash that the first line of a log continues.
    pub(super) const NONE: Self = Self([0; 32]);

    pub(super) fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// Reads 64 lower-case hexadecimal digits.
    pub fn read(text: &str) -> Option<Self> {
        let digit = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut hash = [0; 32];
        if pairs.len() != hash.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(hash))
    }

    pub(super) fn hex(&self) -> [u8; 64] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 64];
        for (pair, byte) in hex.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        }
        hex
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.hex()).expect("hexadecimal digits are ASCII"))
    }
}

/// The last line of a chain: its sequence number and its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) sequence: u64,
    pub(super) hash: Hash,
}

impl Link {
    /// Before the first line.
    pub(super) const NONE: Self = Self { sequence: 0, hash: Hash::NONE };

    /// Ends the line of `buffer` that starts at `start`, an object without its closing brace, and moves on to it.
    pub(super) fn seal(&mut self, buffer: &mut Vec<u8>, start: usize) {
        buffer.extend_from_slice(br#","prev":""#);
        buffer.extend_from_slice(&self.hash.hex());
        buffer.push(b'"');
        self.sequence += 1;
        // The end of the line is the hash before it, between quotes.
        let hashed = if seeded("audit/hashes-a-line-without-the-one-before") {
            start..buffer.len() - 66
        } else {
            start..buffer.len()
        };
        self.hash = Hash::of(&[&buffer[hashed]]);
        buffer.extend_from_slice(HASH);
        buffer.extend_from_slice(&self.hash.hex());
        buffer.extend_from_slice(END);
        buffer.push(b'\n');
    }
}

/// A line as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) link: Link,
    /// The hash that it continues.
    pub(super) prev: Hash,
    /// Whether its hash is that of its bytes.
    pub(super) intact: bool,
    /// `None`: not the header of a file.
    pub(super) header: Option<Header>,
}

/// The header of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) salt: String,
    /// The name of the file before it, if known.
    pub(super) previous: Option<String>,
    /// The bytes after that file's last whole line.
    pub(super) torn: u64,
}

impl Line {
    /// Reads a line, without its line break; `None`: not a line of an audit log.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Fields {
            seq: u64,
            prev: String,
            hash: String,
            format: Option<String>,
            salt: Option<String>,
            previous: Option<String>,
            torn: Option<u64>,
        }
        let fields: Fields = serde_json::from_slice(line).ok()?;
        // The hash covers everything before it, so nothing may follow it.
        let (body, stated) = line.strip_suffix(END)?.split_last_chunk::<64>()?;
        let body = body.strip_suffix(HASH)?;
        let hash = Hash::read(&fields.hash).filter(|hash| hash.hex() == *stated)?;
        let prev = Hash::read(&fields.prev)?;
        let is_header = fields.format.as_deref() == Some(FORMAT);
        Some(Self {
            link: Link { sequence: fields.seq, hash },
            prev,
            intact: Hash::of(&[body]) == hash,
            header: fields.salt.filter(|_| is_header).map(|salt| Header {
                salt,
                previous: fields.previous,
                torn: fields.torn.unwrap_or_default(),
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_line_reads_back_and_any_changed_byte_shows() {
        let mut link = Link { sequence: 6, hash: Hash::of(&[b"before"]) };
        let before = link;
        let mut buffer = b"{\"seq\":7,\"time\":\"t\"".to_vec();
        link.seal(&mut buffer, 0);
        let line = buffer.strip_suffix(b"\n").unwrap();
        let read = Line::read(line).unwrap();
        assert_eq!((read.link, read.prev, read.intact), (link, before.hash, true));
        for at in 0..line.len() {
            let mut changed = line.to_vec();
            changed[at] ^= 1;
            let noticed = Line::read(&changed).is_none_or(|line| !line.intact);
            assert!(noticed, "{}", String::from_utf8_lossy(&changed));
        }
    }

    #[test]
    fn a_hash_is_64_lower_case_digits() {
        let hash = Hash::of(&[b"a", b"b"]);
        assert_eq!(Hash::read(&hash.to_string()), Some(hash));
        assert!(hash.to_string().starts_with("fb8e20fc2e4c3f24"), "the SHA-256 of ab");
        for text in ["", "ab", &"A".repeat(64), &"0".repeat(63), &"0".repeat(66)] {
            assert_eq!(Hash::read(text), None, "{text}");
        }
    }
}
