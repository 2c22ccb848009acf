//! Assertions on TimeSeries responses.

use std::collections::BTreeMap;

use bytes::Bytes;
use prism_contract::Timestamp;
use prism_contract::timeseries::request::{
    AppendResponse, DeleteEventsResponse, EventInput, HistogramResponse, ListSeriesResponse, QueryResponse,
    TailResponse, TimeInput,
};
use prism_contract::timeseries::{Event, EventId, Series, SeriesEvent, Tags};

use crate::core::{Proof, Reply, Stop, diverged};

/// The time of a valid input.
pub(super) fn timestamp(time: TimeInput) -> Option<Timestamp> {
    Timestamp::from_micros(time.seconds.checked_mul(1_000_000)? + i64::from(time.nanos) / 1_000).ok()
}

/// The event that a valid input with a time and an id is; `None`: it is another.
pub(super) fn stored(input: &EventInput) -> Option<SeriesEvent> {
    let EventInput { series, time, id, payload, content_type, tags, is_missing } = input.clone();
    if is_missing {
        return None;
    }
    let event = Event {
        time: timestamp(time?)?,
        id: EventId::new(id).ok()?,
        payload,
        content_type,
        tags: Tags::new(tags).ok()?,
    };
    Some(SeriesEvent { series: Series::new(series).ok()?, event })
}

/// The events of these inputs.
pub(super) fn all_stored(inputs: &[EventInput]) -> Result<Vec<SeriesEvent>, Stop> {
    let stored = inputs.iter().map(stored).collect::<Option<_>>();
    stored.ok_or_else(|| Stop::Broken("the case expects an event without a time or an id".to_owned()))
}

fn ids<'a, I: AsRef<[u8]> + 'a>(ids: impl IntoIterator<Item = &'a I>) -> Vec<Bytes> {
    ids.into_iter().map(|id| Bytes::copy_from_slice(id.as_ref())).collect()
}

impl Reply<AppendResponse> {
    /// One result per event, with these `duplicate` flags.
    pub fn duplicates(&self, expected: &[bool]) -> Proof {
        let actual: Vec<_> = self.results.iter().map(|result| result.duplicate).collect();
        self.same("duplicate", &expected, &actual.as_slice())
    }

    /// One result per event, with its time and its id.
    pub fn identifies(&self, inputs: &[EventInput]) -> Proof {
        let expected: Vec<_> = all_stored(inputs)?
            .into_iter()
            .map(|stored| (stored.event.time, stored.event.id.into_bytes()))
            .collect();
        let actual: Vec<_> = self.results.iter().map(|result| (result.time, result.id.clone())).collect();
        self.same("times and ids", &expected, &actual)
    }
}

impl Reply<Vec<QueryResponse>> {
    /// The events of all messages.
    pub fn events(&self) -> Vec<Event> {
        self.iter().flat_map(|message| message.events.clone()).collect()
    }

    /// Exactly these events, in this order.
    pub fn holds(&self, expected: &[EventInput]) -> Proof {
        let expected: Vec<_> = all_stored(expected)?.into_iter().map(|stored| stored.event).collect();
        self.same("events", &expected, &self.events())
    }

    /// Exactly the events with these ids, in this order.
    pub fn has_ids<I: AsRef<[u8]>>(&self, expected: &[I]) -> Proof {
        let actual: Vec<_> = self.events().into_iter().map(|event| event.id.into_bytes()).collect();
        self.same("ids", &ids(expected), &actual)
    }

    /// The token of the last message; empty if nothing is left.
    pub fn resume_token(&self) -> Bytes {
        self.last().map(|message| message.resume_token.clone()).unwrap_or_default()
    }

    /// The tail token, which the last message and only that has.
    pub fn tail_token(&self) -> Result<Bytes, Stop> {
        let Some((last, before)) = self.split_last() else {
            return diverged(self.step, "a last message", "no message");
        };
        self.expect(!last.tail_token.is_empty(), "a tail_token in the last message", "none")?;
        let early = before.iter().any(|message| !message.tail_token.is_empty());
        self.expect(!early, "a tail_token in the last message only", "one in an earlier message")?;
        Ok(last.tail_token.clone())
    }

    /// Nothing is left: no resume token.
    pub fn is_last(&self) -> Proof {
        self.expect(self.resume_token().is_empty(), "no resume_token", "a resume_token")
    }
}

impl Reply<Vec<TailResponse>> {
    /// The events of all messages.
    pub fn events(&self) -> Vec<SeriesEvent> {
        self.iter().flat_map(|message| message.events.clone()).collect()
    }

    /// Exactly these events, in this order.
    pub fn holds(&self, expected: &[EventInput]) -> Proof {
        self.same("events", &all_stored(expected)?, &self.events())
    }

    /// Exactly the events with these ids, in this order.
    pub fn has_ids<I: AsRef<[u8]>>(&self, expected: &[I]) -> Proof {
        let actual: Vec<_> = self.events().into_iter().map(|event| event.event.id.into_bytes()).collect();
        self.same("ids", &ids(expected), &actual)
    }

    /// For each series, exactly the events with these ids, in this order: the order of series is free.
    pub fn has_ids_by_series(&self, expected: &[(&str, &[&str])]) -> Proof {
        let mut actual: BTreeMap<String, Vec<Bytes>> = BTreeMap::new();
        for SeriesEvent { series, event } in self.events() {
            actual.entry(series.as_str().to_owned()).or_default().push(event.id.into_bytes());
        }
        let mut expected: Vec<_> = expected.iter().map(|(of, with)| ((*of).to_owned(), ids(*with))).collect();
        expected.sort();
        self.same("series and ids", &expected, &actual.into_iter().collect())
    }

    /// The token of the last message.
    pub fn token(&self) -> Result<Bytes, Stop> {
        let token = self.last().map(|message| message.token.clone()).unwrap_or_default();
        self.expect(!token.is_empty(), "a token", "none")?;
        Ok(token)
    }
}

impl Reply<Vec<ListSeriesResponse>> {
    /// The names of all messages.
    pub fn names(&self) -> Vec<String> {
        self.iter().flat_map(|message| message.series.clone()).collect()
    }

    /// Exactly these names, in this order.
    pub fn has<N: AsRef<str>>(&self, expected: &[N]) -> Proof {
        let expected: Vec<_> = expected.iter().map(|name| name.as_ref().to_owned()).collect();
        self.same("series", &expected, &self.names())
    }

    /// The token of the last message; empty if nothing is left.
    pub fn resume_token(&self) -> Bytes {
        self.last().map(|message| message.resume_token.clone()).unwrap_or_default()
    }
}

impl Reply<Vec<HistogramResponse>> {
    /// Exactly these buckets: when each begins, its number of events, and the bytes of their payloads.
    pub fn counts(&self, expected: &[(Timestamp, u64, u64)]) -> Proof {
        let buckets = self.iter().flat_map(|message| &message.buckets);
        let actual = buckets.map(|bucket| (bucket.start, bucket.count, bucket.payload_bytes));
        self.same("buckets", &expected.to_vec(), &actual.collect())
    }
}

impl Reply<DeleteEventsResponse> {
    /// This many live events were removed.
    pub fn counts(&self, expected: u64) -> Proof {
        self.same("deleted_count", &expected, &self.deleted_count)
    }
}
