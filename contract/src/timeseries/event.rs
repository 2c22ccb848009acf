//! Events and what identifies them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::Limits;
use crate::common::checked_text;
use crate::{Invalid, Timestamp};

/// A series' name within its namespace: 1–512 bytes of UTF-8 without NUL. Compared byte by byte (APP-9).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series(Arc<str>);

impl Series {
    /// Checks a name.
    pub fn new(text: impl AsRef<str>) -> Result<Self, Invalid> {
        checked_text(text.as_ref(), 1, Limits::V1.series_bytes as usize).map(|text| Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Series({:?})", &*self.0)
    }
}

/// An event's id within its series and time: 1–128 bytes, any bytes (APP-9).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Bytes);

impl EventId {
    /// Checks an id.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, Invalid> {
        let (bytes, max) = (bytes.into(), Limits::V1.id_bytes as usize);
        if bytes.is_empty() || bytes.len() > max {
            return Err(Invalid::length(bytes.len(), 1, max));
        }
        Ok(Self(bytes))
    }

    /// The id that the server makes for event number `at` of an Append at `now`: a UUIDv7, whose counter keeps the events
    /// of one Append in request order.
    pub(super) fn unique(now: Timestamp, at: usize) -> Self {
        let micros = u64::try_from(now.as_micros()).unwrap_or_default();
        let nanos = u32::try_from(micros % 1_000_000 * 1_000).unwrap_or_default();
        let counter = u128::try_from(at).unwrap_or_default();
        // 42 bits of the id: the rest of the 74 stays random.
        let time = uuid::Timestamp::from_unix_time(micros / 1_000_000, nanos, counter, 12);
        Self(Bytes::copy_from_slice(uuid::Uuid::new_v7(time).as_bytes()))
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

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({})", self.0.escape_ascii())
    }
}

/// The tags of an event, or of a filter: unique keys, in byte order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Tags(Vec<(String, String)>);

impl Tags {
    /// Checks tags: at most 16, with keys of 1–64 bytes of `[a-z0-9._-]` and values of at most 256 bytes of UTF-8 without
    /// NUL, and no key twice.
    pub fn new(tags: impl IntoIterator<Item = (String, String)>) -> Result<Self, Invalid> {
        let mut tags: Vec<_> = tags.into_iter().collect();
        let max = Limits::V1.tags as usize;
        if tags.len() > max {
            return Err(Invalid::new(format!("holds {} tags; at most {max} are allowed", tags.len())));
        }
        for (key, value) in &tags {
            check_key(key)?;
            checked_text(value, 0, Limits::TAG_VALUE_BYTES)
                .map_err(|why| Invalid::new(format!("the value of a tag {why}")))?;
        }
        tags.sort_by(|one, other| one.0.cmp(&other.0));
        if tags.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(Invalid::new("names a key twice; each key may occur once"));
        }
        Ok(Self(tags))
    }

    /// The tags, in byte order of their keys.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an event with the tags `of` has each of these, with an equal value (QRY-3).
    pub fn match_all(&self, of: &Self) -> bool {
        self.0.iter().all(|tag| of.0.binary_search(tag).is_ok())
    }

    fn weight(&self) -> usize {
        self.0.iter().map(|(key, value)| key.len() + value.len()).sum()
    }
}

fn check_key(key: &str) -> Result<(), Invalid> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    if key.is_empty() || key.len() > Limits::TAG_KEY_BYTES {
        let why = Invalid::length(key.len(), 1, Limits::TAG_KEY_BYTES);
        return Err(Invalid::new(format!("the key of a tag {why}")));
    }
    if key.bytes().all(allowed) {
        return Ok(());
    }
    Err(Invalid::new("the key of a tag is malformed; a-z, 0-9, '.', '_' and '-' are allowed"))
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When it happened.
    pub time: Timestamp,
    /// Its id within its series and time.
    pub id: EventId,
    /// 0 bytes to 1 MiB. Empty if the request left payloads out (QRY-8).
    pub payload: Bytes,
    /// At most 127 bytes without NUL.
    pub content_type: String,
    /// Its tags.
    pub tags: Tags,
}

/// An event and its series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesEvent {
    /// Its series.
    pub series: Series,
    /// The event.
    pub event: Event,
}

impl Event {
    /// Bytes that it counts in a message, in a series with this name: name, id, payload, content type and tags.
    pub fn weight(&self, series: &Series) -> usize {
        let Self { id, payload, content_type, tags, .. } = self;
        series.as_str().len() + id.as_bytes().len() + payload.len() + content_type.len() + tags.weight()
    }
}

impl SeriesEvent {
    /// Bytes that it counts in an Append and in a message.
    pub fn weight(&self) -> usize {
        self.event.weight(&self.series)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(tags: &[(&str, &str)]) -> Result<Tags, Invalid> {
        Tags::new(tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn a_series_is_1_to_512_bytes_without_nul() {
        for good in ["a", " ", "Ünï", &"x".repeat(512)] {
            assert_eq!(Series::new(good).map(|n| n.as_str().to_owned()), Ok(good.to_owned()));
        }
        for bad in ["", "\0", "a\0b", &"x".repeat(513)] {
            assert!(Series::new(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn an_id_is_1_to_128_bytes() {
        assert_eq!(EventId::new(vec![0; 128]).map(EventId::into_bytes), Ok(vec![0; 128].into()));
        assert_eq!(EventId::new(vec![]), Err(Invalid::length(0, 1, 128)));
        assert_eq!(EventId::new(vec![0; 129]), Err(Invalid::length(129, 1, 128)));
    }

    #[test]
    fn the_ids_of_an_append_are_version_7_of_its_time_in_request_order() {
        let now = Timestamp::from_micros(1_700_000_000_123_456).unwrap();
        let ids: Vec<_> = (0..1_000).map(|at| EventId::unique(now, at)).collect();
        assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
        for id in &ids {
            let bytes = id.as_bytes();
            let millis = bytes[..6].iter().fold(0, |all: u64, byte| all << 8 | u64::from(*byte));
            assert_eq!((bytes.len(), millis, bytes[6] >> 4, bytes[8] >> 6), (16, 1_700_000_000_123, 7, 2));
        }
        assert_ne!(EventId::unique(now, 7), EventId::unique(now, 7));
    }

    #[test]
    fn tags_have_limits_and_are_in_byte_order() {
        let sorted = tags(&[("b", "2"), ("a", "1")]).unwrap();
        assert_eq!(sorted.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        let many: Vec<_> = (0..17).map(|at| (format!("k{at}"), String::new())).collect();
        assert_eq!(Tags::new(many[..16].to_vec()).map(|tags| tags.iter().len()), Ok(16));
        assert_eq!(Tags::new(many).unwrap_err().to_string(), "holds 17 tags; at most 16 are allowed");
        let (key, value) = ("k".repeat(64), "é".repeat(128));
        assert_eq!(tags(&[(&key, &value)]).unwrap().iter().collect::<Vec<_>>(), [(&*key, &*value)]);
        let twice = tags(&[("a", "1"), ("b", ""), ("a", "2")]).unwrap_err();
        assert_eq!(twice.to_string(), "names a key twice; each key may occur once");
        for bad in
            [("", "v"), (&*format!("{key}k"), "v"), ("K", "v"), ("k", &*format!("{value}e")), ("k", "\0")]
        {
            assert!(tags(&[bad]).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_filter_matches_events_that_have_each_of_its_tags() {
        let event = tags(&[("a", "1"), ("b", "2")]).unwrap();
        for matching in [&[][..], &[("a", "1")], &[("b", "2"), ("a", "1")]] {
            assert!(tags(matching).unwrap().match_all(&event));
        }
        for other in [&[("a", "2")][..], &[("c", "1")], &[("a", "1"), ("b", "1")], &[("a", "")]] {
            assert!(!tags(other).unwrap().match_all(&event));
        }
    }
}
