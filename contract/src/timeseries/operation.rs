//! Valid requests, as a backend receives them, and its answers.
//!
//! `expired` in a request is the time up to which events have expired (RET-1): an event is live if its time is later, and
//! `None` means that every event is. An edge computes it from the namespace's retention.

use std::num::NonZeroU64;

use bytes::Bytes;

use super::{Event, EventId, Position, Series, SeriesEvent, Tags, Window};
use crate::common::Checks;
use crate::{Error, Namespace, PageSize, Timestamp};

/// Writes events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Their namespace.
    pub namespace: Namespace,
    /// 1 to 1,000 events with distinct identities.
    pub events: Vec<SeriesEvent>,
    /// The server's time.
    pub now: Timestamp,
    /// The times that are accepted (ACC-1).
    pub window: Window,
    /// Events up to this time have expired.
    pub expired: Option<Timestamp>,
    /// Partitions of the namespace, if this is its first Append.
    pub partitions: u32,
}

impl Append {
    /// The indices of events outside the window: they are written only if each is there already, which a backend that
    /// detects duplicates has to check (ACC-2).
    pub fn outside(&self) -> impl Iterator<Item = usize> {
        let times = self.events.iter().map(|event| event.event.time).enumerate();
        times.filter(|(_, time)| !self.window.accepts(self.now, *time)).map(|(at, _)| at)
    }

    /// The error of an Append with these events outside the window; `Ok`: none.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], which names each event and the window (ACC-1).
    pub fn refuse(&self, outside: impl IntoIterator<Item = usize>) -> Result<(), Error> {
        let mut checks = Checks::default();
        for at in outside {
            checks.refuse(format_args!("events[{at}].event.time"), self.window.refusal().into_string());
        }
        checks.finish()
    }
}

/// Times from `start` to before `end`, in microseconds since the epoch: whole years 1970 to 9999 if a request names no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeRange {
    /// Inclusive.
    pub start: i64,
    /// Exclusive; at most [`TimeRange::ALL`]'s.
    pub end: i64,
}

impl TimeRange {
    /// Every time.
    pub const ALL: Self = Self { start: 0, end: Timestamp::MAX.as_micros() + 1 };

    /// Whether it holds `time`.
    pub const fn contains(self, time: Timestamp) -> bool {
        self.start <= time.as_micros() && time.as_micros() < self.end
    }

    /// The times of it that have not expired.
    #[must_use]
    pub fn live(self, expired: Option<Timestamp>) -> Self {
        let first = expired.map_or(self.start, |expired| expired.as_micros().saturating_add(1));
        Self { start: self.start.max(first), ..self }
    }

    /// Whether it holds no time.
    pub const fn is_empty(self) -> bool {
        self.start >= self.end
    }
}

/// The place of an event within its series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey {
    /// Its time.
    pub time: Timestamp,
    /// Its id.
    pub id: EventId,
}

/// Reads a page of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The namespace.
    pub namespace: Namespace,
    /// The series.
    pub series: Series,
    /// The times.
    pub range: TimeRange,
    /// Tags that each event must have.
    pub tags: Tags,
    /// The exact mirror of the order (QRY-7).
    pub reverse: bool,
    /// The size of the page.
    pub page: PageSize,
    /// Leave payloads out (QRY-8).
    pub without_payload: bool,
    /// The snapshot of the first page; `None`: this is the first (QRY-1).
    pub snapshot: Option<Position>,
    /// Events beyond this one, in the direction of the Query.
    pub after: Option<EventKey>,
    /// Events up to this time have expired.
    pub expired: Option<Timestamp>,
}

/// A page of a Query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// The events in order.
    pub events: Vec<Event>,
    /// The end of the page, where the next one begins; `None`: nothing is left. It may lie beyond the last event, and a page
    /// may have an end and no events: a backend passes over a bounded number of events that do not match.
    pub next: Option<EventKey>,
    /// The position of the series' log when the Query began: no event after it is in any page.
    pub snapshot: Position,
}

/// Where a Tail begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Before the first event.
    Beginning,
    /// After the last event.
    Now,
}

/// Reads a page of a log in append order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The namespace.
    pub namespace: Namespace,
    /// The series; `None`: all.
    pub series: Option<Series>,
    /// Tags that each event must have.
    pub tags: Tags,
    /// Events after this position.
    pub after: Position,
    /// Events up to this time are passed over: they had expired when the Tail began (TAIL-6).
    pub passed_over: Option<Timestamp>,
    /// The size of the page.
    pub page: PageSize,
    /// Leave payloads out.
    pub without_payload: bool,
    /// Events up to this time have expired. One that the Tail would have brought, and that is not passed over, ends it with
    /// [`Error::TokenExpired`].
    pub expired: Option<Timestamp>,
}

/// A page of a Tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailPage {
    /// The events, those of each series in append order.
    pub events: Vec<SeriesEvent>,
    /// The position after everything that was read, matching or not.
    pub position: Position,
    /// Whether the page ended before the log did.
    pub more: bool,
}

/// Lists the series that have a live event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListSeries {
    /// The namespace.
    pub namespace: Namespace,
    /// The start of each name.
    pub prefix: String,
    /// Names after this one.
    pub after: Option<Series>,
    /// Maximum names, 1 to 1,000.
    pub limit: usize,
    /// Events up to this time have expired.
    pub expired: Option<Timestamp>,
}

/// A page of names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeriesPage {
    /// The names in byte order.
    pub series: Vec<Series>,
    /// The name after which the next page begins, listed or not; `None`: nothing is left.
    pub next: Option<Series>,
}

/// Counts the events of a series by time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    /// The namespace.
    pub namespace: Namespace,
    /// The series.
    pub series: Series,
    /// The times, of at most 10,000 buckets.
    pub range: TimeRange,
    /// The width of a bucket in microseconds. Buckets begin at the start of the range.
    pub bucket: NonZeroU64,
    /// Tags that each event must have.
    pub tags: Tags,
    /// Events up to this time have expired.
    pub expired: Option<Timestamp>,
}

/// The live events of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// When it begins.
    pub start: Timestamp,
    /// The number of events, above 0.
    pub count: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
}

impl Histogram {
    /// The start of the bucket of an event at `time`, a time in the range.
    pub fn start_of(&self, time: Timestamp) -> Timestamp {
        let width = i64::try_from(self.bucket.get()).unwrap_or(i64::MAX);
        let offset = (time.as_micros() - self.range.start) / width * width;
        Timestamp::from_micros(self.range.start + offset).unwrap_or(time)
    }
}

/// Removes the live events of a series in a range (DEL-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteEvents {
    /// The namespace.
    pub namespace: Namespace,
    /// The series.
    pub series: Series,
    /// The times.
    pub range: TimeRange,
    /// Events up to this time have expired: they are left to the sweep.
    pub expired: Option<Timestamp>,
}

impl Event {
    /// Its place within its series.
    pub fn key(&self) -> EventKey {
        EventKey { time: self.time, id: self.id.clone() }
    }

    /// The event without its payload, if that is left out.
    #[must_use]
    pub fn shown(&self, without_payload: bool) -> Self {
        if without_payload {
            let Self { time, id, content_type, tags, .. } = self.clone();
            return Self { time, id, payload: Bytes::new(), content_type, tags };
        }
        self.clone()
    }
}
