//! TimeSeries' values in the texts of failures.

use std::fmt::Write;

use prism_contract::timeseries::request::{QueryResponse, TimeInput};
use prism_contract::timeseries::{Capabilities, Capability, Event, Limits, Policy, SeriesEvent, Tags};

use crate::core::{Show, both_bytes, bytes, span};

/// `time "id"="payload" …`, in the order of the transcript.
fn event(event: &Event, payload: &str) -> String {
    let mut text = format!("{} {}={payload}", event.time.show(), bytes(event.id.as_bytes()));
    if !event.content_type.is_empty() {
        let _ = write!(text, " type {}", bytes(event.content_type.as_bytes()));
    }
    if !event.tags.is_empty() {
        let _ = write!(text, " {}", event.tags.show());
    }
    text
}

impl Show for Event {
    fn show(&self) -> String {
        event(self, &bytes(&self.payload))
    }

    fn show_both(expected: &Self, actual: &Self) -> (String, String) {
        let payloads = both_bytes(&expected.payload, &actual.payload);
        (event(expected, &payloads.0), event(actual, &payloads.1))
    }
}

impl Show for SeriesEvent {
    fn show(&self) -> String {
        format!("{} {}", bytes(self.series.as_str().as_bytes()), self.event.show())
    }

    fn show_both(expected: &Self, actual: &Self) -> (String, String) {
        let with_series =
            |of: &Self, event: String| format!("{} {event}", bytes(of.series.as_str().as_bytes()));
        let (one, other) = Event::show_both(&expected.event, &actual.event);
        (with_series(expected, one), with_series(actual, other))
    }
}

impl Show for Tags {
    fn show(&self) -> String {
        tags(self.iter())
    }
}

/// `#key="value"` for each tag.
pub(super) fn tags<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    tags.map(|(key, value)| format!("#{key}={}", bytes(value.as_bytes()))).collect::<Vec<_>>().join(" ")
}

impl Show for QueryResponse {
    fn show(&self) -> String {
        let has = |token: &[u8]| if token.is_empty() { "no" } else { "a" };
        let (resume, tail) = (has(&self.resume_token), has(&self.tail_token));
        format!("a message of {} with {resume} resume_token and {tail} tail_token", self.events.show())
    }
}

impl Show for Capabilities {
    fn show(&self) -> String {
        let names: Vec<_> = self.iter().map(Capability::name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

impl Show for Policy {
    fn show(&self) -> String {
        let text = |of: Option<std::time::Duration>| of.map_or_else(|| "unlimited".to_owned(), span);
        let (retention, past, future) =
            (text(self.retention), text(self.window.past), text(self.window.future));
        let partitions = self.partitions;
        format!("retention {retention}, accept_past {past}, accept_future {future}, partitions {partitions}")
    }
}

impl Show for Limits {
    fn show(&self) -> String {
        let Self {
            series_bytes,
            id_bytes,
            payload_bytes,
            tags,
            append_events,
            append_bytes,
            message_events,
            message_bytes,
            buckets,
        } = self;
        format!(
            "series_bytes {series_bytes}, id_bytes {id_bytes}, payload_bytes {payload_bytes}, tags {tags}, append_events \
             {append_events}, append_bytes {append_bytes}, message_events {message_events}, message_bytes \
             {message_bytes}, buckets {buckets}"
        )
    }
}

/// RFC 3339; a time without that form is shown by its fields.
impl Show for TimeInput {
    fn show(&self) -> String {
        let micros = self.seconds.checked_mul(1_000_000).and_then(|micros| {
            let nanos = i64::from(self.nanos);
            ((0..1_000_000_000).contains(&nanos) && nanos % 1_000 == 0).then_some(micros + nanos / 1_000)
        });
        match micros.and_then(|micros| prism_contract::Timestamp::from_micros(micros).ok()) {
            Some(time) => time.show(),
            None => format!("{{seconds: {}, nanos: {}}}", self.seconds, self.nanos),
        }
    }
}
