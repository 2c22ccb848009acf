//! Requests and answers as on the wire, not validated yet. The shapes are the wire's, without gRPC: the gateway decodes into
//! them, and the suite uses them in process.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::{Bucket, Capabilities, Event, Limits, Policy, SeriesEvent};
use crate::Timestamp;
pub use crate::{DurationInput, TimeInput};

/// Tags as on the wire.
pub type TagsInput = BTreeMap<String, String>;

/// An event as the client sent it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventInput {
    /// 1 to 512 bytes.
    pub series: String,
    /// `None`: the server's time.
    pub time: Option<TimeInput>,
    /// 1 to 128 bytes; empty: the server makes one.
    pub id: Bytes,
    /// 0 bytes to 1 MiB.
    pub payload: Bytes,
    /// At most 127 bytes.
    pub content_type: String,
    /// At most 16.
    pub tags: TagsInput,
    /// Whether the request has a series here and no event, which is refused.
    pub is_missing: bool,
}

/// Writes events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AppendRequest {
    /// The namespace.
    pub namespace: String,
    /// 1 to 1,000 events, 4 MiB together.
    pub events: Vec<EventInput>,
}

/// Answers an Append.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AppendResponse {
    /// One per event, in request order.
    pub results: Vec<AppendResult>,
}

/// The outcome of one event of an Append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendResult {
    /// The event's time.
    pub time: Timestamp,
    /// Its id.
    pub id: Bytes,
    /// Whether it was there already (APP-8).
    pub duplicate: bool,
}

/// Reads a series as a stream of messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueryRequest {
    /// The namespace.
    pub namespace: String,
    /// The series.
    pub series: String,
    /// Inclusive; `None`: from the first event.
    pub start: Option<TimeInput>,
    /// Exclusive; `None`: to the last event.
    pub end: Option<TimeInput>,
    /// Tags that each event must have.
    pub tags: TagsInput,
    /// The exact mirror of the order.
    pub reverse: bool,
    /// Maximum events of all messages together; 0: all.
    pub limit: u64,
    /// Maximum weight of a message; 0: the server's default.
    pub page_size_bytes: u32,
    /// Leave payloads out.
    pub without_payload: bool,
    /// The token of a message; empty: from the start.
    pub resume_token: Bytes,
}

/// One message of a Query.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueryResponse {
    /// In order.
    pub events: Vec<Event>,
    /// Resumes after this message; empty: nothing is left.
    pub resume_token: Bytes,
    /// In the last message: a Tail from it brings every event written after the Query began (QRY-11).
    pub tail_token: Bytes,
}

/// Where a Tail begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TailFrom {
    /// Nowhere: refused.
    #[default]
    Unset,
    /// Before the first event.
    Beginning,
    /// After the last event.
    Now,
    /// After the message with this token.
    Token(Bytes),
}

/// Reads a series, or a namespace, in append order and without end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TailRequest {
    /// The namespace.
    pub namespace: String,
    /// The series; empty: the whole namespace.
    pub series: String,
    /// Tags that each event must have.
    pub tags: TagsInput,
    /// Where it begins.
    pub from: TailFrom,
    /// Leave payloads out.
    pub without_payload: bool,
}

/// One message of a Tail.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TailResponse {
    /// In append order of each series; none: a heartbeat, or progress.
    pub events: Vec<SeriesEvent>,
    /// Continues after this message.
    pub token: Bytes,
}

/// Lists series as a stream of messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListSeriesRequest {
    /// The namespace.
    pub namespace: String,
    /// The start of each name; empty: all.
    pub prefix: String,
    /// Maximum names of all messages together; 0: all.
    pub limit: u64,
    /// The token of a message; empty: from the start.
    pub resume_token: Bytes,
}

/// One message of a ListSeries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListSeriesResponse {
    /// In byte order.
    pub series: Vec<String>,
    /// Resumes after this message; empty: nothing is left.
    pub resume_token: Bytes,
}

/// Counts the events of a series by time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistogramRequest {
    /// The namespace.
    pub namespace: String,
    /// The series.
    pub series: String,
    /// Inclusive, required.
    pub start: Option<TimeInput>,
    /// Exclusive, required.
    pub end: Option<TimeInput>,
    /// The width of a bucket, required.
    pub bucket: Option<DurationInput>,
    /// Tags that each event must have.
    pub tags: TagsInput,
}

/// One message of a Histogram.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistogramResponse {
    /// In order, without empty ones.
    pub buckets: Vec<Bucket>,
}

/// Removes events of a series.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeleteEventsRequest {
    /// The namespace.
    pub namespace: String,
    /// The series.
    pub series: String,
    /// Inclusive.
    pub start: Option<TimeInput>,
    /// Exclusive.
    pub end: Option<TimeInput>,
    /// All of them, in place of a bound.
    pub all: bool,
}

/// Answers a DeleteEvents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeleteEventsResponse {
    /// How many live events were removed.
    pub deleted_count: u64,
}

/// Requests a description of the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DescribeRequest {
    /// The namespace to describe.
    pub namespace: String,
}

/// Describes the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeResponse {
    /// The server's version.
    pub server_version: String,
    /// The contract's version.
    pub contract_version: String,
    /// Capabilities beyond the core (CAP-1).
    pub capabilities: Capabilities,
    /// The limits in force.
    pub limits: Limits,
    /// The namespace's policy.
    pub policy: Policy,
    /// Maximum time between two messages of a Tail (TAIL-4).
    pub heartbeat: Duration,
}
