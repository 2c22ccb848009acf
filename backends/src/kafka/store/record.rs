//! An event as a record: the series is the key, the payload the value, and the time in milliseconds the timestamp. One header
//! has the rest.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prism_contract::timeseries::{Event, EventId, EventKey, Series, Tags};
use prism_contract::{Invalid, Timestamp};
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};

/// The name of the header.
pub(super) const HEADER: &str = "prism";

/// The first byte of the header: the version of its form.
const VERSION: u8 = 1;

/// The header of an event: version, microseconds within the millisecond, id, content type and tags, with their lengths.
pub(super) fn header(event: &Event) -> Bytes {
    let mut bytes = BytesMut::with_capacity(16 + event.id.as_bytes().len() + event.content_type.len());
    bytes.put_u8(VERSION);
    bytes.put_u16_le(u16::try_from(event.time.as_micros().rem_euclid(1_000)).unwrap_or_default());
    for short in [event.id.as_bytes(), event.content_type.as_bytes()] {
        bytes.put_u8(u8::try_from(short.len()).unwrap_or_default());
        bytes.put_slice(short);
    }
    for (key, value) in event.tags.iter() {
        bytes.put_u8(u8::try_from(key.len()).unwrap_or_default());
        bytes.put_slice(key.as_bytes());
        bytes.put_u16_le(u16::try_from(value.len()).unwrap_or_default());
        bytes.put_slice(value.as_bytes());
    }
    bytes.freeze()
}

/// The timestamp of an event's record, in milliseconds.
pub(super) fn timestamp(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(1_000)
}

/// What a header has besides the time.
struct Parts<'a> {
    micros: u16,
    id: &'a [u8],
    content_type: &'a [u8],
    tags: &'a [u8],
}

/// Takes so many bytes; `None`: there are fewer.
fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

fn parts(mut bytes: &[u8]) -> Option<Parts<'_>> {
    let rest = &mut bytes;
    let (version, micros) = (rest.try_get_u8().ok()?, rest.try_get_u16_le().ok()?);
    let length = usize::from(rest.try_get_u8().ok()?);
    let id = take(rest, length)?;
    let length = usize::from(rest.try_get_u8().ok()?);
    let content_type = take(rest, length)?;
    (version == VERSION && micros < 1_000).then_some(Parts { micros, id, content_type, tags: rest })
}

fn tags(mut bytes: &[u8]) -> Option<Tags> {
    let mut tags = Vec::new();
    while !bytes.is_empty() {
        let length = usize::from(bytes.try_get_u8().ok()?);
        let key = std::str::from_utf8(take(&mut bytes, length)?).ok()?.to_owned();
        let length = usize::from(bytes.try_get_u16_le().ok()?);
        tags.push((key, std::str::from_utf8(take(&mut bytes, length)?).ok()?.to_owned()));
    }
    Tags::new(tags).ok()
}

/// A record that may be an event of Prism.
pub(super) struct Record<'a> {
    message: &'a BorrowedMessage<'a>,
    header: &'a [u8],
    millis: i64,
}

impl<'a> Record<'a> {
    /// A record; `None`: it has no header of Prism, so another program wrote it.
    pub(super) fn of(message: &'a BorrowedMessage<'a>) -> Option<Self> {
        let headers = message.headers()?;
        let header = headers.iter().find(|header| header.key == HEADER)?.value?;
        Some(Self { message, header, millis: message.timestamp().to_millis()? })
    }

    /// The series' name.
    pub(super) fn series(&self) -> &'a [u8] {
        self.message.key().unwrap_or_default()
    }

    /// The event's time.
    pub(super) fn time(&self) -> Result<Timestamp, Invalid> {
        let micros = parts(self.header).ok_or_else(damaged)?.micros;
        Timestamp::from_micros(self.millis.saturating_mul(1_000).saturating_add(i64::from(micros)))
    }

    /// The event's place in its series.
    pub(super) fn key(&self) -> Result<EventKey, Invalid> {
        let id = parts(self.header).ok_or_else(damaged)?.id;
        Ok(EventKey { time: self.time()?, id: EventId::new(Bytes::copy_from_slice(id))? })
    }

    /// The event.
    pub(super) fn event(&self, without_payload: bool) -> Result<Event, Invalid> {
        let parts = parts(self.header).ok_or_else(damaged)?;
        let EventKey { time, id } = self.key()?;
        let content_type = std::str::from_utf8(parts.content_type).map_err(|_| damaged())?;
        let payload = if without_payload { &[] } else { self.message.payload().unwrap_or_default() };
        Ok(Event {
            time,
            id,
            payload: Bytes::copy_from_slice(payload),
            content_type: content_type.into(),
            tags: self.tags()?,
        })
    }

    /// The event's tags.
    pub(super) fn tags(&self) -> Result<Tags, Invalid> {
        tags(parts(self.header).ok_or_else(damaged)?.tags).ok_or_else(damaged)
    }

    /// The payload.
    pub(super) fn payload(&self) -> Bytes {
        Bytes::copy_from_slice(self.message.payload().unwrap_or_default())
    }

    /// Bytes of the payload.
    pub(super) fn payload_bytes(&self) -> usize {
        self.message.payload_len()
    }

    /// The series, checked.
    pub(super) fn checked_series(&self) -> Result<Series, Invalid> {
        Series::new(std::str::from_utf8(self.series()).map_err(|_| damaged())?)
    }
}

fn damaged() -> Invalid {
    Invalid::new("is a damaged header of an event")
}
