//! Validation of TimeSeries' requests.

use std::collections::HashSet;
use std::num::NonZeroU64;

use super::request::{DurationInput, EventInput, TagsInput, TimeInput};
use super::{Event, EventId, Limits, Series, SeriesEvent, Tags, TimeRange};
use crate::common::{Checks, checked_text};
use crate::{Invalid, Namespace, Timestamp};

impl Checks {
    pub(super) fn namespace_and_series(
        &mut self,
        namespace: &str,
        series: &str,
    ) -> Option<(Namespace, Series)> {
        let namespace = self.at("namespace", Namespace::new(namespace));
        let series = self.at("series", Series::new(series));
        namespace.zip(series)
    }

    /// A Tail's names: an empty series means the whole namespace.
    pub(super) fn namespace_and_any_series(
        &mut self,
        namespace: &str,
        series: &str,
    ) -> Option<(Namespace, Option<Series>)> {
        if series.is_empty() {
            return self.at("namespace", Namespace::new(namespace)).map(|namespace| (namespace, None));
        }
        let names = self.namespace_and_series(namespace, series);
        names.map(|(namespace, series)| (namespace, Some(series)))
    }

    pub(super) fn prefix(&mut self, prefix: String) -> Option<String> {
        let checked = checked_text(&prefix, 0, Limits::V1.series_bytes as usize).map(|_| ());
        self.at("prefix", checked).map(|()| prefix)
    }

    pub(super) fn tags(&mut self, tags: TagsInput) -> Option<Tags> {
        self.at("tags", Tags::new(tags))
    }

    /// The events of an Append at `now`. An event without a time gets that one, and one without an id a unique id.
    pub(super) fn events(&mut self, now: Timestamp, events: Vec<EventInput>) -> Vec<SeriesEvent> {
        let (max_events, max_bytes) = (Limits::V1.append_events as usize, Limits::V1.append_bytes as usize);
        let count = events.len();
        let events = events.into_iter().enumerate().filter_map(|(at, event)| self.event(now, at, event));
        let events: Vec<_> = events.collect();
        let bytes: usize = events.iter().map(SeriesEvent::weight).sum();
        // One violation for the field, whatever is wrong with it (ERR-1).
        let mut faults = Vec::new();
        if count == 0 || count > max_events {
            faults.push(format!("holds {count} events; 1 to {max_events} are allowed"));
        }
        if bytes > max_bytes {
            faults.push(format!(
                "series, ids, payloads, content types and tags are {bytes} bytes together; at most {max_bytes} are \
                 allowed"
            ));
        }
        if !faults.is_empty() {
            self.refuse("events", faults.join("; "));
        } else if events.len() == count {
            self.no_identity_twice(&events);
        }
        events
    }

    fn event(&mut self, now: Timestamp, at: usize, event: EventInput) -> Option<SeriesEvent> {
        let EventInput { series, time, id, payload, content_type, tags, is_missing } = event;
        let series = self.at(format_args!("events[{at}].series"), Series::new(series));
        if is_missing {
            self.refuse(
                format_args!("events[{at}].event"),
                "is missing; set an event, with or without content",
            );
            return None;
        }
        let time = time.map_or(Ok(now), exact_time);
        let time = self.at(format_args!("events[{at}].event.time"), time);
        let id = if id.is_empty() { Ok(EventId::unique(now, at)) } else { EventId::new(id) };
        let id = self.at(format_args!("events[{at}].event.id"), id);
        let max = Limits::V1.payload_bytes as usize;
        let payload =
            if payload.len() > max { Err(Invalid::length(payload.len(), 0, max)) } else { Ok(payload) };
        let payload = self.at(format_args!("events[{at}].event.payload"), payload);
        let typed = checked_text(&content_type, 0, Limits::CONTENT_TYPE_BYTES).map(|_| ());
        let typed = self.at(format_args!("events[{at}].event.content_type"), typed);
        let tags = self.at(format_args!("events[{at}].event.tags"), Tags::new(tags));
        typed?;
        let event = Event { time: time?, id: id?, payload: payload?, content_type, tags: tags? };
        Some(SeriesEvent { series: series?, event })
    }

    /// Refuses an identity that an Append has twice (APP-6).
    fn no_identity_twice(&mut self, events: &[SeriesEvent]) {
        if events.len() < 2 {
            return;
        }
        let mut seen = HashSet::with_capacity(events.len());
        for (at, SeriesEvent { series, event }) in events.iter().enumerate() {
            if !seen.insert((series, event.time, &event.id)) {
                self.refuse(
                    format_args!("events[{at}].event.id"),
                    "repeats series, time and id of an earlier event; each event may occur once",
                );
            }
        }
    }

    /// The range of two bounds, each rounded up to a whole microsecond (QRY-2).
    pub(super) fn range(&mut self, start: Option<TimeInput>, end: Option<TimeInput>) -> Option<TimeRange> {
        let start = start.map_or(Some(TimeRange::ALL.start), |start| self.at("start", bound(start)));
        let end = end.map_or(Some(TimeRange::ALL.end), |end| self.at("end", bound(end)));
        let range = TimeRange { start: start?, end: end? };
        if range.is_empty() {
            self.refuse("end", "is not after start; the range has to hold a microsecond");
            return None;
        }
        Some(range)
    }

    /// The range of a DeleteEvents: exactly one of `all`, or a bound or both (DEL-4).
    pub(super) fn range_or_all(
        &mut self,
        start: Option<TimeInput>,
        end: Option<TimeInput>,
        all: bool,
    ) -> Option<TimeRange> {
        let is_bounded = start.is_some() || end.is_some();
        if all == is_bounded {
            self.refuse(
                "all",
                if all {
                    "is set beside a bound; set either all, or start, end or both"
                } else {
                    "is missing; set all to delete every event of the series, or start, end or both"
                },
            );
            return None;
        }
        self.range(start, end)
    }

    /// The range and the width of a bucket of a Histogram (HIS-2).
    pub(super) fn buckets(
        &mut self,
        start: Option<TimeInput>,
        end: Option<TimeInput>,
        bucket: Option<DurationInput>,
    ) -> Option<(TimeRange, NonZeroU64)> {
        for (field, is_missing) in [("start", start.is_none()), ("end", end.is_none())] {
            if is_missing {
                self.refuse(field, "is missing; a Histogram needs both bounds");
            }
        }
        let range = if start.is_some() && end.is_some() { self.range(start, end) } else { None };
        let bucket = bucket.ok_or_else(|| Invalid::new("is missing; set the width of a bucket"));
        let width = self.at("bucket", bucket.and_then(width));
        let (range, width) = (range?, width?);
        let (span, max) = (range.end.abs_diff(range.start), u64::from(Limits::V1.buckets));
        let count = span.div_ceil(width.get());
        if count > max {
            self.refuse("bucket", format!("makes {count} buckets of the range; at most {max} are allowed"));
            return None;
        }
        Some((range, width))
    }
}

/// The time of an event: whole microseconds.
fn exact_time(time: TimeInput) -> Result<Timestamp, Invalid> {
    let nanos = time.nanos_since_epoch()?;
    if nanos % 1_000 != 0 {
        return Err(Invalid::new("is finer than a microsecond; whole microseconds are allowed"));
    }
    let micros = i64::try_from(nanos / 1_000);
    Timestamp::from_micros(micros.map_err(|_| Invalid::new("is outside the years 1970 to 9999"))?)
}

/// A bound in microseconds, rounded up.
fn bound(time: TimeInput) -> Result<i64, Invalid> {
    let micros = (time.nanos_since_epoch()? + 999) / 1_000;
    i64::try_from(micros).map_err(|_| Invalid::new("is outside the years 1970 to 9999"))
}

/// The width of a bucket in whole microseconds.
fn width(bucket: DurationInput) -> Result<NonZeroU64, Invalid> {
    let span = bucket.span()?.ok_or_else(|| Invalid::new("is negative; a positive duration is allowed"))?;
    let nanos = span.as_nanos();
    if nanos == 0 {
        return Err(Invalid::new("is 0; a positive duration is allowed"));
    }
    if nanos % 1_000 != 0 {
        return Err(Invalid::new("is finer than a microsecond; whole microseconds are allowed"));
    }
    let micros = u64::try_from(nanos / 1_000).unwrap_or(u64::MAX);
    NonZeroU64::new(micros).ok_or_else(|| Invalid::new("is 0; a positive duration is allowed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_rounded_up_and_a_time_has_to_be_exact() {
        let time = |seconds, nanos| TimeInput { seconds, nanos };
        assert_eq!(bound(time(1, 1_000)), Ok(1_000_001));
        assert_eq!(bound(time(1, 1_001)), Ok(1_000_002));
        assert_eq!(bound(time(253_402_300_799, 999_999_999)), Ok(TimeRange::ALL.end));
        assert_eq!(exact_time(time(1, 1_000)).map(Timestamp::as_micros), Ok(1_000_001));
        for bad in [time(-1, 0), time(253_402_300_800, 0), time(0, -1), time(0, 1_000_000_000), time(1, 1)] {
            assert!(exact_time(bad).is_err(), "{bad:?} was accepted");
        }
        for bad in [time(-1, 999_999_999), time(253_402_300_800, 0), time(0, -1), time(0, 1_000_000_000)] {
            assert!(bound(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
