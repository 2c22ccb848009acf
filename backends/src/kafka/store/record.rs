//! An event as a record: the series is the key, the payload the value, and the time in milliseconds the timestamp. One header
//! has the rest.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prism_contract::timeseries::{Event, EventId, EventKey, Series, Tags};
use prism_contract::{Invalid, Timestamp};
use rdkafka::message::{Headers, Message, Timestamp as Stamp};

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

/// A record with a header of Prism, which is not parsed yet: a damaged one of another series is not an error.
pub(super) struct Record<'a> {
    series: &'a [u8],
    payload: &'a [u8],
    header: &'a [u8],
    stamp: Stamp,
}

impl<'a> Record<'a> {
    /// A record; `None`: it has no header of Prism, so another program wrote it.
    pub(super) fn of(message: &'a impl Message) -> Option<Self> {
        let headers = message.headers()?;
        let header = headers.iter().find(|header| header.key == HEADER)?.value?;
        Some(Self {
            series: message.key().unwrap_or_default(),
            payload: message.payload().unwrap_or_default(),
            header,
            stamp: message.timestamp(),
        })
    }

    /// The series' name.
    pub(super) fn series(&self) -> &'a [u8] {
        self.series
    }

    /// The times that the event may have, in microseconds: the first and the last. `None`: the record does not tell.
    pub(super) fn times(&self) -> Option<(i64, i64)> {
        let Stamp::CreateTime(millis @ 0..) = self.stamp else { return None };
        let first = millis.saturating_mul(1_000);
        Some((first, first.saturating_add(999)))
    }

    /// Reads the header.
    ///
    /// # Errors
    /// The header is damaged, or the timestamp is not the one that the producer set: the event's time is not known.
    pub(super) fn parse(&self) -> Result<Parsed<'a>, Invalid> {
        let Parts { micros, id, content_type, tags } = parts(self.header).ok_or_else(damaged)?;
        let (first, _) = self.times().ok_or_else(|| {
            Invalid::new(
                "has no CreateTime timestamp; message.timestamp.type of the topic has to be CreateTime",
            )
        })?;
        let time = Timestamp::from_micros(first.saturating_add(i64::from(micros)))?;
        Ok(Parsed { time, series: self.series, id, content_type, tags, payload: self.payload })
    }
}

/// A record whose header is read.
pub(super) struct Parsed<'a> {
    /// The event's time.
    pub(super) time: Timestamp,
    series: &'a [u8],
    id: &'a [u8],
    content_type: &'a [u8],
    tags: &'a [u8],
    payload: &'a [u8],
}

impl Parsed<'_> {
    /// The event's place in its series.
    pub(super) fn key(&self) -> Result<EventKey, Invalid> {
        Ok(EventKey { time: self.time, id: EventId::new(Bytes::copy_from_slice(self.id))? })
    }

    /// The event's tags.
    pub(super) fn tags(&self) -> Result<Tags, Invalid> {
        tags(self.tags).ok_or_else(damaged)
    }

    /// The event with this place.
    pub(super) fn event(&self, key: EventKey, without_payload: bool) -> Result<Event, Invalid> {
        let content_type = std::str::from_utf8(self.content_type).map_err(|_| damaged())?;
        let payload = if without_payload { &[] } else { self.payload };
        Ok(Event {
            time: key.time,
            id: key.id,
            payload: Bytes::copy_from_slice(payload),
            content_type: content_type.into(),
            tags: self.tags()?,
        })
    }

    /// Bytes of the payload.
    pub(super) fn payload_bytes(&self) -> usize {
        self.payload.len()
    }

    /// The series, checked.
    pub(super) fn series(&self) -> Result<Series, Invalid> {
        Series::new(std::str::from_utf8(self.series).map_err(|_| damaged())?)
    }
}

fn damaged() -> Invalid {
    Invalid::new("is a damaged header of an event")
}

/// Records for unit tests.
#[cfg(test)]
pub(super) mod samples {
    use rdkafka::message::{Header, OwnedHeaders, OwnedMessage};

    use super::*;

    /// An event without content.
    pub(crate) fn event(micros: i64, id: &str) -> Event {
        Event {
            time: Timestamp::from_micros(micros).unwrap(),
            id: EventId::new(id.as_bytes().to_vec()).unwrap(),
            payload: Bytes::new(),
            content_type: String::new(),
            tags: Tags::default(),
        }
    }

    /// The record of an event.
    pub(crate) fn of(series: &str, offset: i64, event: &Event) -> OwnedMessage {
        with(series, offset, Stamp::CreateTime(timestamp(event.time)), &header(event))
    }

    /// A record with this timestamp and this header.
    pub(crate) fn with(series: &str, offset: i64, stamp: Stamp, header: &[u8]) -> OwnedMessage {
        let headers = OwnedHeaders::new().insert(Header { key: HEADER, value: Some(header) });
        OwnedMessage::new(
            Some(Vec::new()),
            Some(series.as_bytes().to_vec()),
            "topic".to_owned(),
            stamp,
            0,
            offset,
            Some(headers),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_back_from_its_record() {
        let mut event = samples::event(1_234_567, "id");
        event.content_type = "text/plain".to_owned();
        event.tags = Tags::new([("kind".to_owned(), "k".to_owned())]).unwrap();
        let message = samples::of("s", 0, &event);
        let record = Record::of(&message).unwrap();
        assert_eq!((record.series(), record.times()), (&b"s"[..], Some((1_234_000, 1_234_999))));
        let parsed = record.parse().unwrap();
        assert_eq!(parsed.event(parsed.key().unwrap(), false).unwrap(), event);
    }

    #[test]
    fn the_time_of_an_event_is_never_that_of_the_broker() {
        let event = samples::event(1_234_567, "id");
        for stamp in [Stamp::LogAppendTime(1_234), Stamp::NotAvailable, Stamp::CreateTime(-1)] {
            let message = samples::with("s", 0, stamp, &header(&event));
            let refused = Record::of(&message).unwrap().parse().err().map(|why| why.to_string());
            let expected =
                "has no CreateTime timestamp; message.timestamp.type of the topic has to be CreateTime";
            assert_eq!(refused.as_deref(), Some(expected), "{stamp:?}");
        }
    }
}
