//! TimeSeries in Postgres beyond the conformance suite.

mod against_memory;
mod order;
mod outages;
mod pages;
mod partitions;
mod sweeps;
mod tails;

use bytes::Bytes;
use prism_contract::timeseries::{
    Append, Event, EventId, EventPage, Position, Query, Series, SeriesEvent, Start, Tags, Tail, TimeRange,
    TimeSeriesBackend, Window,
};
use prism_contract::{Error, Namespace, PageSize, Timestamp};

use crate::common::{at, namespace};

const NOW: i64 = 1_000;

fn series(name: &str) -> Series {
    Series::new(name).unwrap()
}

fn tags(tags: &[(&str, &str)]) -> Tags {
    Tags::new(tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))).unwrap()
}

/// An event whose payload names it.
fn event(of: &str, time: i64, id: &str) -> SeriesEvent {
    let payload = Bytes::from(format!("{of} {time} {id}"));
    let id = EventId::new(id.as_bytes().to_vec()).unwrap();
    let event = Event { time: at(time), id, payload, content_type: String::new(), tags: Tags::default() };
    SeriesEvent { series: series(of), event }
}

fn append(events: Vec<SeriesEvent>) -> Append {
    Append {
        namespace: namespace(),
        events,
        now: at(NOW),
        window: Window::default(),
        expired: None,
        partitions: 4,
    }
}

fn query(of: &str) -> Query {
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

/// `None`: the whole namespace.
fn tail(of: Option<&str>, after: Position) -> Tail {
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

/// All events of a Query, page by page, and the snapshot.
async fn all(store: &impl TimeSeriesBackend, mut query: Query) -> Result<(Vec<Event>, Position), Error> {
    let mut events = Vec::new();
    loop {
        let EventPage { events: page, next, snapshot } = store.query(&query).await?;
        assert!(page.len() <= query.page.items());
        events.extend(page);
        (query.after, query.snapshot) = (next, Some(snapshot.clone()));
        if query.after.is_none() {
            return Ok((events, snapshot));
        }
    }
}

/// The ids of all events of a series.
async fn ids(store: &impl TimeSeriesBackend, of: &str) -> Vec<String> {
    names(&all(store, query(of)).await.unwrap().0)
}

fn names<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<String> {
    events.into_iter().map(|event| event.id.as_bytes().escape_ascii().to_string()).collect()
}

/// Reads a log to its end; the Tail is then after that.
async fn read(store: &impl TimeSeriesBackend, tail: &mut Tail) -> Result<Vec<SeriesEvent>, Error> {
    let mut events = Vec::new();
    loop {
        let page = store.tail(tail).await?;
        events.extend(page.events);
        tail.after = page.position;
        if !page.more {
            return Ok(events);
        }
    }
}

async fn start(store: &impl TimeSeriesBackend, of: Option<&str>, start: Start) -> Tail {
    tail(of, store.position(&namespace(), of.map(series).as_ref(), start).await.unwrap())
}

/// The same time of expiry for every namespace.
fn expired_at(time: Timestamp) -> impl Fn(&Namespace) -> Option<Timestamp> {
    move |_| Some(time)
}
