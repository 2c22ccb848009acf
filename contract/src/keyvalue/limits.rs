//! The limits of the contract: checked at the edge, published by `Describe`.

use crate::PageSize;

/// The limits a server publishes. All sizes are bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest record id.
    pub id_bytes: u32,
    /// Longest key.
    pub key_bytes: u32,
    /// Longest value.
    pub value_bytes: u32,
    /// Most items in one Put.
    pub put_items: u32,
    /// Most bytes of keys and values in one Put.
    pub put_bytes: u32,
    /// Most items on one page, and the default.
    pub page_items: u32,
    /// Most weight on one page, and the default; see [`Item::weight`](super::Item::weight).
    pub page_bytes: u32,
}

impl Limits {
    /// Longest content type, in bytes.
    pub const CONTENT_TYPE_BYTES: usize = 127;
    /// Longest start and end of a `match_range`: that of the key right above the longest key, which is the longest key
    /// and a zero byte. So a range can leave out any key and go on after it.
    pub const BOUND_BYTES: usize = Self::V1.key_bytes as usize + 1;
    /// Most keys named by one `match_keys`.
    pub const MATCH_KEYS: usize = 1_000;
    /// Most preconditions of one request.
    pub const PRECONDITIONS: usize = 100;

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
