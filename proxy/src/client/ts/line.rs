//! Events as JSON lines: `prism ts append` reads them, and with `--json` the other commands print them.
//!
//! ```json
//! {"series":"web-1","time":"2030-01-02T03:04:05.678901Z","id":"a7","payload":"GET /","tags":{"status":"200"}}
//! ```

use std::collections::BTreeMap;

use bytes::Bytes;
use prism_contract::Timestamp;
use prism_contract::timeseries::request::EventInput;
use prism_contract::timeseries::{Event, EventId, Limits, Series, SeriesEvent, Tags};
use prism_contract::{Invalid, TimeInput};
use serde::Deserialize;
use serde::ser::{Serialize, SerializeMap, Serializer};
use sha2::{Digest, Sha256};

use crate::client::jsonl::{bytes_member, json_error, optional_bytes};
use crate::client::time;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEvent {
    series: Option<String>,
    time: Option<String>,
    id: Option<String>,
    id_base64: Option<String>,
    payload: Option<String>,
    payload_base64: Option<String>,
    content_type: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

/// Parses a line without its newline, to append it to `series` unless it names another one. The error states the fault and what
/// is allowed, but not the line number.
///
/// A line without a time gets `now`. A line without an id gets one made from its number and its bytes, so that the same line
/// of a file is the same event if it is appended again.
pub(super) fn parse(
    line: &[u8],
    number: u64,
    series: Option<&str>,
    now: Timestamp,
) -> Result<EventInput, String> {
    if line.trim_ascii().is_empty() {
        return Err("the line is empty; each line is a JSON object with the members of an event".to_owned());
    }
    let raw: RawEvent = serde_json::from_slice(line).map_err(|error| json_error(&error))?;
    let series = raw
        .series
        .as_deref()
        .or(series)
        .ok_or("series is missing; name it on the line or on the command line")?;
    let time = raw.time.as_deref().map(time::parse).transpose().map_err(|why| format!("time {why}"))?;
    let id = optional_bytes("id", raw.id, raw.id_base64)?.unwrap_or_else(|| id_of(line, number));
    let payload = optional_bytes("payload", raw.payload, raw.payload_base64)?.unwrap_or_default();
    let event = EventInput {
        series: series.to_owned(),
        time: Some(time_input(time.unwrap_or(now))),
        id,
        payload,
        content_type: raw.content_type.unwrap_or_default(),
        tags: raw.tags,
        is_missing: false,
    };
    check(&event)?;
    Ok(event)
}

/// Checks the limits of the contract that concern one event.
pub(super) fn check(event: &EventInput) -> Result<(), String> {
    let named = |name: &'static str| move |why: Invalid| format!("{name} {why}");
    Series::new(&event.series).map_err(named("series"))?;
    EventId::new(event.id.clone()).map_err(named("id"))?;
    Tags::new(event.tags.clone()).map_err(named("tags"))?;
    let limits = [
        ("payload", event.payload.len(), Limits::V1.payload_bytes as usize),
        ("content_type", event.content_type.len(), Limits::CONTENT_TYPE_BYTES),
    ];
    match limits.into_iter().find(|(_, length, max)| length > max) {
        Some((name, length, max)) => Err(format!("{name} is {length} bytes; 0 to {max} are allowed")),
        None => Ok(()),
    }
}

/// The bytes that an event counts in an Append.
pub(super) fn weight(event: &EventInput) -> usize {
    let tags: usize = event.tags.iter().map(|(key, value)| key.len() + value.len()).sum();
    event.series.len() + event.id.len() + event.payload.len() + event.content_type.len() + tags
}

/// A time in the form of a request.
pub(super) fn time_input(time: Timestamp) -> TimeInput {
    let (micros, second) = (time.as_micros(), 1_000_000);
    let nanos = i32::try_from(micros.rem_euclid(second) * 1_000).expect("less than a second of nanoseconds");
    TimeInput { seconds: micros.div_euclid(second), nanos }
}

/// 16 bytes of the SHA-256 of the line's number and bytes.
fn id_of(line: &[u8], number: u64) -> Bytes {
    let mut hasher = Sha256::new();
    hasher.update(number.to_le_bytes());
    hasher.update(line);
    Bytes::copy_from_slice(&hasher.finalize()[..16])
}

/// An event as a line.
pub(super) struct EventLine<'a> {
    /// Its series, if the result may contain several.
    pub(super) series: Option<&'a Series>,
    pub(super) event: &'a Event,
    /// The response holds no payloads, so none are printed.
    pub(super) without_payload: bool,
}

impl<'a> EventLine<'a> {
    /// The line of an event of a Tail.
    pub(super) fn of(event: &'a SeriesEvent, without_payload: bool) -> Self {
        Self { series: Some(&event.series), event: &event.event, without_payload }
    }
}

impl Serialize for EventLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { series, event, without_payload } = self;
        let mut map = serializer.serialize_map(None)?;
        if let Some(series) = series {
            map.serialize_entry("series", series.as_str())?;
        }
        map.serialize_entry("time", &time::format(event.time))?;
        bytes_member(&mut map, "id", "id_base64", event.id.as_bytes())?;
        if !without_payload {
            bytes_member(&mut map, "payload", "payload_base64", &event.payload)?;
        }
        if !event.content_type.is_empty() {
            map.serialize_entry("content_type", &event.content_type)?;
        }
        if !event.tags.is_empty() {
            map.serialize_entry("tags", &event.tags.iter().collect::<BTreeMap<_, _>>())?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        time::parse(text).unwrap()
    }

    const NOW: &str = "2030-01-02T03:04:05Z";

    fn parsed(line: &str) -> Result<EventInput, String> {
        parse(line.as_bytes(), 1, Some("s"), at(NOW))
    }

    #[test]
    fn a_printed_event_parses_as_the_same() {
        let tags = [("a".to_owned(), "1".to_owned())];
        for (id, payload) in [(&b"id"[..], &b"text"[..]), (b"\xff", b"\0\xff"), (b"i", b"")] {
            let event = Event {
                time: at("2030-01-02T03:04:05.678901Z"),
                id: EventId::new(Bytes::from_static(id)).unwrap(),
                payload: Bytes::from_static(payload),
                content_type: "text/plain".to_owned(),
                tags: Tags::new(tags.clone()).unwrap(),
            };
            let series = Series::new("other").unwrap();
            let line = EventLine { series: Some(&series), event: &event, without_payload: false };
            let line = serde_json::to_string(&line).unwrap();
            let expected = EventInput {
                series: "other".to_owned(),
                time: Some(TimeInput { seconds: 1_893_553_445, nanos: 678_901_000 }),
                id: Bytes::from_static(id),
                payload: Bytes::from_static(payload),
                content_type: "text/plain".to_owned(),
                tags: tags.clone().into(),
                is_missing: false,
            };
            assert_eq!(parsed(&line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn a_line_without_time_and_id_gets_the_time_of_the_command_and_an_id_of_its_place() {
        let line = r#"{"payload":"p"}"#;
        let event = parsed(line).unwrap();
        assert_eq!((event.series.as_str(), event.time), ("s", Some(time_input(at(NOW)))));
        assert_eq!(event.id.len(), 16);
        assert_eq!(parsed(line).unwrap().id, event.id, "the same line is the same event");
        assert_ne!(parse(line.as_bytes(), 2, Some("s"), at(NOW)).unwrap().id, event.id);
    }

    #[test]
    fn a_bad_line_is_refused_with_its_fault() {
        let long = format!(r#"{{"content_type":"{}"}}"#, "x".repeat(128));
        for (line, why) in [
            ("", "the line is empty"),
            ("7", "invalid type"),
            (r#"{"value":"v"}"#, "unknown field `value`"),
            (r#"{"time":"yesterday"}"#, "time is not a time"),
            (r#"{"time":"2030-01-02T03:04:05.0000001Z"}"#, "time is finer than a microsecond"),
            (r#"{"id":"a","id_base64":"YQ=="}"#, "id is given twice"),
            (r#"{"id":""}"#, "id is 0 bytes; 1 to 128 are allowed"),
            (r#"{"payload_base64":"?"}"#, "payload_base64 is not base64"),
            (r#"{"series":""}"#, "series is 0 bytes"),
            (r#"{"tags":{"K":"v"}}"#, "tags the key of a tag is malformed"),
            (&long, "content_type is 128 bytes; 0 to 127 are allowed"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.starts_with(why), "{line}: {error}");
        }
        let without = parse(br#"{"payload":"p"}"#, 1, None, at(NOW)).unwrap_err();
        assert!(without.starts_with("series is missing"), "{without}");
    }
}
