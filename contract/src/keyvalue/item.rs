//! An item: a key, a value, and what the client and the server say about it.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use super::Limits;
use crate::{Invalid, Timestamp};

/// An item's key: 1–1,024 opaque bytes, ordered as unsigned bytes (RT-3, ORD-1).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Bytes);

impl Key {
    /// Checks a key's length.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, Invalid> {
        let bytes = bytes.into();
        let max = Limits::V1.key_bytes as usize;
        if bytes.is_empty() || bytes.len() > max {
            return Err(Invalid::length(bytes.len(), 1, max));
        }
        Ok(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl std::borrow::Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(\"{}\")", self.0.escape_ascii())
    }
}

/// An item as a Put brings it: what the client chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewItem {
    /// Where it goes.
    pub key: Key,
    /// 0 bytes to 1 MiB; empty is a value, not an absence (RT-2).
    pub value: Bytes,
    /// Kept verbatim, at most 127 bytes (RT-5).
    pub content_type: String,
    /// `prism.common.Compression` by number, kept verbatim, numbers without a name included (RT-5).
    pub compression: i32,
}

/// A live item as reads answer it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its key.
    pub key: Key,
    /// Its value; empty where the request said `keys_only` (PAGE-8).
    pub value: Bytes,
    /// As the client gave it (RT-5).
    pub content_type: String,
    /// As the client gave it (RT-5).
    pub compression: i32,
    /// Raised by each applied write, never reused (VER-1, VER-2); above 0.
    pub version: i64,
    /// The highest token the item has seen; 0: none (TOK-1).
    pub priority_token: i64,
    /// The `now` of the Put that made it (PUT-5).
    pub created_at: Timestamp,
    /// The `now` of the last applied Put, never before `created_at` (PUT-5).
    pub updated_at: Timestamp,
    /// Absent from this moment on (TTL-1); `None`: never expires.
    pub expires_at: Option<Timestamp>,
}

impl Item {
    /// What a page counts for an item besides its key, value and content type: a bound for numbers, times and framing.
    pub const FIXED_WEIGHT: usize = 96;

    /// What an item with these lengths weighs on a page, in bytes (PAGE-7). An answer with `keys_only` counts no value.
    /// The weight is a bound for the item's size in the encoded answer, so a page never outgrows what was asked.
    pub const fn weigh(key: usize, value: usize, content_type: usize) -> usize {
        key + value + content_type + Self::FIXED_WEIGHT
    }

    /// What this item weighs on a page, in bytes (PAGE-7).
    pub fn weight(&self) -> usize {
        Self::weigh(self.key.len(), self.value.len(), self.content_type.len())
    }
}
