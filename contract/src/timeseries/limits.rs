//! The limits of the contract: enforced at the edge, published by `Describe`.

use crate::PageSize;

/// The limits a server publishes. All sizes are bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum length of a series' name.
    pub series_bytes: u32,
    /// Maximum length of an event's id.
    pub id_bytes: u32,
    /// Maximum length of a payload.
    pub payload_bytes: u32,
    /// Maximum tags of an event, and of a filter.
    pub tags: u32,
    /// Maximum events in one Append.
    pub append_events: u32,
    /// Maximum weight of the events in one Append; see [`SeriesEvent::weight`](super::SeriesEvent::weight).
    pub append_bytes: u32,
    /// Maximum events in a message of Query or Tail.
    pub message_events: u32,
    /// Maximum weight of the events in a message of Query or Tail.
    pub message_bytes: u32,
    /// Maximum buckets of a Histogram.
    pub buckets: u32,
}

impl Limits {
    /// Maximum length of a content type, in bytes.
    pub const CONTENT_TYPE_BYTES: usize = 127;
    /// Maximum length of a tag's key, in bytes.
    pub const TAG_KEY_BYTES: usize = 64;
    /// Maximum length of a tag's value, in bytes.
    pub const TAG_VALUE_BYTES: usize = 256;
    /// Maximum names in a message of ListSeries, and buckets in a message of Histogram.
    pub const MESSAGE_ENTRIES: usize = 1_000;
    /// Maximum length of a token, in bytes.
    pub const TOKEN_BYTES: usize = 8_192;
    /// Maximum partitions of a namespace: a token of a whole namespace has a position in each.
    pub const PARTITIONS: u32 = 256;

    /// The limits of contract version 1.
    pub const V1: Self = Self {
        series_bytes: 512,
        id_bytes: 128,
        payload_bytes: 1 << 20,
        tags: 16,
        append_events: 1_000,
        append_bytes: 4 << 20,
        message_events: PageSize::MAX_ITEMS,
        message_bytes: PageSize::MAX_BYTES,
        buckets: 10_000,
    };
}
