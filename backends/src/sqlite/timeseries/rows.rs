//! Rows of events: their bounds, their columns, and which match a filter.

use prism_contract::Timestamp;
use prism_contract::timeseries::{Event, EventKey, Tags, TimeRange};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row, ValueRef};

use super::remove::key;
use super::sql::Payloads;
use crate::engine::CorruptRow;
use crate::timeseries::stored_tags;

/// Up to this many events are read without prefetch, which would not help.
const FEW: usize = 16;

/// Maximum rows that a page passes over or returns.
pub(super) const ROWS: usize = 10_000;

pub(super) type Query = sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments>;

/// The bounds of a read by key, both exclusive. No id is empty, so a time with an empty id is before its events.
pub(super) struct Bounds {
    start: (i64, Vec<u8>),
    end: (i64, Vec<u8>),
}

impl Bounds {
    /// The events of a range beyond `after`, in a direction.
    pub(super) fn of(range: TimeRange, after: Option<&EventKey>, reverse: bool) -> Self {
        let mut bounds = Self { start: (range.start, Vec::new()), end: (range.end, Vec::new()) };
        if let Some(EventKey { time, id }) = after {
            let beyond = (time.as_micros(), id.as_bytes().to_vec());
            // A key from a token may lie outside the range, which has moved since: the narrower bound counts.
            if reverse {
                bounds.end = bounds.end.min(beyond);
            } else {
                bounds.start = bounds.start.max(beyond);
            }
        }
        bounds
    }

    /// An id after this key's, with no other in between.
    pub(super) fn after(key: &EventKey) -> Vec<u8> {
        [key.id.as_bytes(), &[0]].concat()
    }

    /// Ends with this key.
    pub(super) fn end_after(&mut self, last: &EventKey) {
        self.end = (last.time.as_micros(), Self::after(last));
    }

    /// Binds the four parameters.
    pub(super) fn bind(&self, query: Query) -> Query {
        query.bind(self.start.0).bind(self.start.1.clone()).bind(self.end.0).bind(self.end.1.clone())
    }
}

/// Which payloads to read first.
pub(super) fn payloads(without_payload: bool, events: usize) -> Payloads {
    match without_payload {
        true => Payloads::None,
        false if events > FEW => Payloads::Small,
        false => Payloads::All,
    }
}

/// A filter by tags.
pub(super) struct Filter(Vec<Vec<u8>>);

impl Filter {
    pub(super) fn new(tags: &Tags) -> Self {
        Self(stored_tags::needles(tags))
    }

    /// Whether every event matches.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the event with this column of tags matches.
    pub(super) fn matches(&self, column: &[u8]) -> bool {
        self.0.iter().all(|needle| column.windows(needle.len()).any(|part| part == needle))
    }
}

/// The time in a row.
pub(super) fn time(row: &SqliteRow) -> Result<Timestamp, sqlx::Error> {
    Timestamp::from_micros(row.try_get(0)?).map_err(CorruptRow::because)
}

/// The position in a row.
pub(super) fn position(row: &SqliteRow) -> Result<i64, sqlx::Error> {
    row.try_get(2)
}

/// The tags in a row.
pub(super) fn tags(row: &SqliteRow) -> Result<&[u8], sqlx::Error> {
    row.try_get(4)
}

/// The event in a row; `None`: its payload is large and was not read.
pub(super) fn event(row: &SqliteRow) -> Result<Option<Event>, sqlx::Error> {
    const PAYLOAD: usize = 5;
    if row.try_get_raw(PAYLOAD)?.is_null() {
        return Ok(None);
    }
    let EventKey { time, id } = key(row)?;
    let tags = stored_tags::decode(tags(row)?).map_err(CorruptRow::because)?;
    let payload = row.try_get::<Vec<u8>, _>(PAYLOAD)?.into();
    Ok(Some(Event { time, id, payload, content_type: row.try_get(3)?, tags }))
}
