//! An item: a key, a value, and the client's and the server's metadata.

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
        if !Self::is_valid_length(&bytes) {
            return Err(Invalid::length(bytes.len(), 1, Limits::V1.key_bytes as usize));
        }
        Ok(Self(bytes))
    }

    /// Whether a key may have the length of `bytes`.
    pub(super) fn is_valid_length(bytes: &[u8]) -> bool {
        (1..=Limits::V1.key_bytes as usize).contains(&bytes.len())
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

/// An item of a Put: the client's part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewItem {
    /// Its key.
    pub key: Key,
    /// 0 bytes to 1 MiB; an empty value is a value (RT-2).
    pub value: Bytes,
    /// Kept verbatim, at most 127 bytes (RT-5).
    pub content_type: String,
    /// `prism.common.Compression` by number, kept verbatim, unknown numbers included (RT-5).
    pub compression: i32,
}

/// A live item, as reads return it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its key.
    pub key: Key,
    /// Its value; empty if the request has `keys_only` (PAGE-8).
    pub value: Bytes,
    /// As the client sent it (RT-5).
    pub content_type: String,
    /// As the client sent it (RT-5).
    pub compression: i32,
    /// Increased by each applied write, never reused (VER-1, VER-2); above 0.
    pub version: i64,
    /// The highest token the item has seen; 0: none (TOK-1).
    pub priority_token: i64,
    /// The `now` of the Put that created it (PUT-5).
    pub created_at: Timestamp,
    /// The `now` of the last applied Put, never before `created_at` (PUT-5).
    pub updated_at: Timestamp,
    /// The item is absent from this time on (TTL-1); `None`: never expires.
    pub expires_at: Option<Timestamp>,
}

impl Item {
    /// The fixed part of an item's weight: an upper bound for numbers, times and framing.
    pub const FIXED_WEIGHT: usize = 96;

    /// The weight of an item with these lengths on a page, in bytes (PAGE-7). With `keys_only`, the value counts nothing.
    /// The weight is an upper bound of the item's encoded size, so a page never exceeds the requested size.
    pub const fn weigh(key: usize, value: usize, content_type: usize) -> usize {
        key + value + content_type + Self::FIXED_WEIGHT
    }

    /// The weight of this item on a page, in bytes (PAGE-7).
    pub fn weight(&self) -> usize {
        Self::weigh(self.key.len(), self.value.len(), self.content_type.len())
    }
}
