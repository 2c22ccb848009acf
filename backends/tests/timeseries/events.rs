//! Requests and events of the tests, and reads of all pages.

use prism_contract::timeseries::{
    Append, Event, EventId, EventKey, ListSeries, Position, Query, Series, SeriesEvent, Start, Tags, Tail,
    TimeRange, TimeSeriesBackend, Window,
};
use prism_contract::{Error, Namespace, PageSize, Timestamp};

use crate::common::{at, namespace};

pub(crate) fn series(name: &str) -> Series {
    Series::new(name).expect("a series")
}

pub(crate) fn tags(tags: &[(&str, &str)]) -> Tags {
    Tags::new(tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))).expect("tags")
}

/// An event without tags.
pub(crate) fn event(of: &str, time: i64, id: &str, payload: impl Into<bytes::Bytes>) -> SeriesEvent {
    let id = EventId::new(id.as_bytes().to_vec()).expect("an id");
    let event = Event {
        time: at(time),
        id,
        payload: payload.into(),
        content_type: String::new(),
        tags: Tags::default(),
    };
    SeriesEvent { series: series(of), event }
}

/// An Append of any time.
pub(crate) fn append(events: Vec<SeriesEvent>) -> Append {
    append_in(namespace(), events)
}

pub(crate) fn append_in(namespace: Namespace, events: Vec<SeriesEvent>) -> Append {
    Append { namespace, events, now: at(1_000), window: Window::default(), expired: None, partitions: 8 }
}

/// A Query of all events of a series.
pub(crate) fn query(of: &str) -> Query {
    Query {
        namespace: namespace(),
        series: series(of),
        range: TimeRange::ALL,
        tags: Tags::default(),
        reverse: false,
        page: PageSize::default(),
        without_payload: false,
        snapshot: None,
        after: None,
        expired: None,
    }
}

/// A Tail after a position.
pub(crate) fn tail(of: Option<&str>, after: Position) -> Tail {
    Tail {
        namespace: namespace(),
        series: of.map(series),
        tags: Tags::default(),
        after,
        passed_over: None,
        page: PageSize::default(),
        without_payload: false,
        expired: None,
    }
}

pub(crate) async fn beginning(store: &impl TimeSeriesBackend) -> Position {
    store.position(&namespace(), None, Start::Beginning).await.expect("a position")
}

pub(crate) async fn now(store: &impl TimeSeriesBackend) -> Position {
    store.position(&namespace(), None, Start::Now).await.expect("a position")
}

/// All events of a Query, page by page, and the number of pages.
pub(crate) async fn read(
    store: &impl TimeSeriesBackend,
    mut query: Query,
) -> Result<(Vec<Event>, usize), Error> {
    let (mut events, mut pages) = (Vec::new(), 0);
    loop {
        let page = store.query(&query).await?;
        pages += 1;
        events.extend(page.events);
        query.snapshot = Some(page.snapshot);
        match page.next {
            None => return Ok((events, pages)),
            next => query.after = next,
        }
    }
}

/// All events of a log, page by page, the position after them, and the number of pages.
pub(crate) async fn follow(
    store: &impl TimeSeriesBackend,
    mut tail: Tail,
) -> Result<(Vec<SeriesEvent>, Position, usize), Error> {
    let (mut events, mut pages) = (Vec::new(), 0);
    loop {
        let page = store.tail(&tail).await?;
        pages += 1;
        events.extend(page.events);
        if !page.more {
            return Ok((events, page.position, pages));
        }
        assert_ne!(page.position, tail.after, "a page without progress");
        tail.after = page.position;
    }
}

/// All names of a namespace.
pub(crate) async fn names(store: &impl TimeSeriesBackend, expired: Option<Timestamp>) -> Vec<String> {
    let (prefix, after) = (String::new(), None);
    let mut list = ListSeries { namespace: namespace(), prefix, after, limit: 2, expired };
    let mut names = Vec::new();
    loop {
        let page = store.list_series(&list).await.expect("a page of names");
        names.extend(page.series.iter().map(|series| series.as_str().to_owned()));
        if page.next.is_none() {
            return names;
        }
        list.after = page.next;
    }
}

pub(crate) fn keys(events: &[Event]) -> Vec<EventKey> {
    events.iter().map(Event::key).collect()
}
