//! The limits of the contract: enforced at the edge, published by `Describe`.

use crate::PageSize;

/// The limits a server publishes. All sizes are bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum length of a record id.
    pub id_bytes: u32,
    /// Maximum length of a key.
    pub key_bytes: u32,
    /// Maximum length of a value.
    pub value_bytes: u32,
    /// Maximum items in one Put.
    pub put_items: u32,
    /// Maximum bytes of keys and values in one Put.
    pub put_bytes: u32,
    /// Maximum items per page, and the default.
    pub page_items: u32,
    /// Maximum weight of a page, and the default; see [`Item::weight`](super::Item::weight).
    pub page_bytes: u32,
}

impl Limits {
    /// Maximum length of a content type, in bytes.
    pub const CONTENT_TYPE_BYTES: usize = 127;
    /// Maximum length of a bound of `match_range`: that of the successor of the longest key, which is the longest key and a
    /// zero byte. So a range can skip any key and continue after it.
    pub const BOUND_BYTES: usize = Self::V1.key_bytes as usize + 1;
    /// Maximum keys in one `match_keys`.
    pub const MATCH_KEYS: usize = 1_000;
    /// Maximum preconditions per request.
    pub const PRECONDITIONS: usize = 100;

    /// Maximum length of a page token, in bytes.
    pub const TOKEN_BYTES: usize = 4_096;

    /// The limits of contract version 1.
    pub const V1: Self = Self {
        id_bytes: 512,
        key_bytes: 1_024,
        value_bytes: 1 << 20,
        put_items: 1_000,
        put_bytes: 4 << 20,
        page_items: PageSize::MAX_ITEMS,
        page_bytes: PageSize::MAX_BYTES,
    };
}
