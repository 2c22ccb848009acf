//! The lines of an audit log: calls, events and headers, as JSON.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use prism_contract::Namespace;
use prism_mutants::seeded;
use prism_wire::call::CallNotes;
use prism_wire::status::code_name;
use serde::Serialize;
use tonic::Code;

use super::chain::{FORMAT, Hash};
use crate::client::bytes::escape;
use crate::config::AuditShow;

/// An audited call whose answer is known.
#[derive(Clone)]
pub(crate) struct Record {
    pub(crate) time: SystemTime,
    pub(crate) request_id: Option<HeaderValue>,
    pub(crate) caller: Option<String>,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) method: &'static str,
    /// Namespace and subject; neither is known of a call that was refused before its request was read.
    pub(crate) notes: CallNotes,
    pub(crate) code: Code,
    pub(crate) latency: Duration,
    /// Messages of a response stream; `None`: not a stream.
    pub(crate) messages: Option<u64>,
}

/// A line that is no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The gateway opened the file.
    Started,
    /// The gateway closed the file.
    Stopped,
    /// Lines can be written again, after this number was lost.
    Resumed { lost: u64 },
    /// This number of unauthenticated calls has no line, as there were too many.
    Omitted { count: u64 },
}

/// How ids and keys appear in a file.
pub(super) struct Shown {
    pub(super) show: AuditShow,
    pub(super) salt: String,
}

impl Record {
    /// Writes the line without its end.
    pub(super) fn write(&self, line: &mut Vec<u8>, sequence: u64, shown: &Shown) {
        begin(line, sequence, self.time);
        field(line, "request_id", &self.request_id.as_ref().and_then(|id| id.to_str().ok()));
        field(line, "caller", &self.caller);
        field(line, "peer", &self.peer);
        field(line, "method", self.method);
        field(line, "namespace", &self.notes.namespace().map(Namespace::as_str));
        let subject = self.notes.subject();
        field(line, "id", &subject.filter(|subject| !subject.id.is_empty()).map(|of| shown.text(&of.id)));
        for list in subject.iter().flat_map(|subject| &subject.lists) {
            let text = |value: &[u8]| {
                if seeded("audit/hashes-ids-and-no-keys") { escape(value) } else { shown.text(value) }
            };
            let values: Vec<_> = list.values.iter().map(|value| text(value)).collect();
            field(line, list.name, &values);
            if list.omitted > 0 {
                field(line, &format!("{}_omitted", list.name), &list.omitted);
            }
        }
        field(line, "decision", decision(self.code));
        field(line, "status", code_name(self.code));
        field(line, "latency_us", &u64::try_from(self.latency.as_micros()).unwrap_or(u64::MAX));
        if let Some(messages) = self.messages {
            field(line, "messages", &messages);
        }
    }
}

/// Whether the caller was allowed to make the call; the status is the reason if not.
fn decision(code: Code) -> &'static str {
    match code {
        Code::Unauthenticated | Code::PermissionDenied | Code::NotFound => "denied",
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => "allowed",
    }
}

impl Event {
    /// Writes the line without its end.
    pub(super) fn write(self, line: &mut Vec<u8>, sequence: u64) {
        begin(line, sequence, SystemTime::now());
        let (name, count) = match self {
            Self::Started => ("started", None),
            Self::Stopped => ("stopped", None),
            Self::Resumed { lost } => ("resumed", Some(("lost", lost))),
            Self::Omitted { count } => ("omitted", Some(("unauthenticated", count))),
        };
        field(line, "event", name);
        if let Some((name, count)) = count {
            field(line, name, &count);
        }
    }
}

/// Writes the header of a file without its end.
pub(super) fn write_header(
    line: &mut Vec<u8>,
    sequence: u64,
    shown: &Shown,
    previous: Option<&str>,
    torn: u64,
) {
    begin(line, sequence, SystemTime::now());
    field(line, "format", FORMAT);
    field(line, "show", shown.show.name());
    field(line, "salt", &shown.salt);
    field(line, "previous", &previous);
    if torn > 0 {
        field(line, "torn", &torn);
    }
}

impl Shown {
    fn text(&self, value: &[u8]) -> String {
        match self.show {
            // The empty end of a range, or an empty prefix, identifies nothing.
            _ if value.is_empty() => String::new(),
            AuditShow::Hashed if seeded("audit/shows-ids-and-keys-in-plain-text") => escape(value),
            AuditShow::Hashed if seeded("audit/hashes-without-the-salt") => Hash::of(&[value]).to_string(),
            AuditShow::Hashed => Hash::of(&[self.salt.as_bytes(), value]).to_string(),
            AuditShow::Plain => escape(value),
        }
    }
}

fn begin(line: &mut Vec<u8>, sequence: u64, time: SystemTime) {
    line.extend_from_slice(b"{\"seq\":");
    serde_json::to_writer(&mut *line, &sequence).expect("a number is JSON");
    field(line, "time", &rfc3339(time));
}

fn field<T: Serialize + ?Sized>(line: &mut Vec<u8>, name: &str, value: &T) {
    line.extend_from_slice(b",\"");
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(b"\":");
    serde_json::to_writer(line, value).expect("a string, a number or a list of strings is JSON");
}

/// A time in UTC, always with microseconds: times of equal length sort as text.
pub(super) fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let whole = prost_types::Timestamp { seconds, nanos: 0 }.to_string();
    format!("{}.{:06}Z", whole.trim_end_matches('Z'), since.subsec_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_always_has_microseconds() {
        let at = |micros| rfc3339(UNIX_EPOCH + Duration::from_micros(micros));
        assert_eq!(at(1_700_000_000_000_000), "2023-11-14T22:13:20.000000Z");
        assert_eq!(at(1_700_000_000_000_070), "2023-11-14T22:13:20.000070Z");
    }
}
