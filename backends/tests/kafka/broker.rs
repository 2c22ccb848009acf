//! Stores on the broker of this process, and requests to them.

use std::time::{Duration, SystemTime};

use prism_backends::{Kafka, kafka};
use prism_contract::timeseries::{
    Append, Event, EventId, EventPage, Position, Query, Series, SeriesEvent, Start, Tags, Tail, TailPage,
    TimeRange, TimeSeriesBackend, Window,
};
use prism_contract::{Namespace, PageSize, Timestamp};

/// The acceptance window of the tests, on both sides.
pub(crate) const WINDOW: Duration = Duration::from_mins(10);

/// A store with a separate prefix of topics, and the options that open it again.
pub(crate) async fn store() -> (Kafka, kafka::Options) {
    let broker = prism_testkit::Kafka::shared().await.expect("a broker");
    let mut options = kafka::Options::new(broker.address());
    options.topic_prefix = broker.prefix().expect("random numbers");
    options.readers = 2;
    (open(&options).await, options)
}

pub(crate) async fn open(options: &kafka::Options) -> Kafka {
    Kafka::open(options.clone()).await.expect("an open store")
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time after 1970");
    Timestamp::from_micros(i64::try_from(since.as_micros()).expect("a time")).expect("a time before 10000")
}

pub(crate) fn namespace() -> Namespace {
    Namespace::new("events").expect("a namespace")
}

pub(crate) fn series(name: &str) -> Series {
    Series::new(name).expect("a series")
}

/// An event of the series `s`.
pub(crate) fn event(time: Timestamp, id: &str, payload: &str) -> SeriesEvent {
    let event = Event {
        time,
        id: EventId::new(id.as_bytes().to_vec()).expect("an id"),
        payload: payload.as_bytes().to_vec().into(),
        content_type: "text/plain".to_owned(),
        tags: Tags::new([("kind".to_owned(), "k".to_owned())]).expect("tags"),
    };
    SeriesEvent { series: series("s"), event }
}

pub(crate) fn append(events: Vec<SeriesEvent>) -> Append {
    let window = Window { past: Some(WINDOW), future: Some(WINDOW) };
    Append { namespace: namespace(), events, now: now(), window, expired: None, partitions: 4 }
}

/// A Query of all of the series `s`.
pub(crate) fn query() -> Query {
    Query {
        namespace: namespace(),
        series: series("s"),
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

/// A Query of these times of the series `s`.
pub(crate) fn query_of(range: TimeRange) -> Query {
    Query { range, ..query() }
}

/// All pages of a Query, and their number.
pub(crate) async fn pages(store: &Kafka, mut query: Query) -> (Vec<Event>, usize) {
    let (mut events, mut count) = (Vec::new(), 0);
    loop {
        let EventPage { events: read, next, snapshot } = store.query(&query).await.expect("a page");
        events.extend(read);
        count += 1;
        let Some(next) = next else { return (events, count) };
        (query.after, query.snapshot) = (Some(next), Some(snapshot));
    }
}

/// The ids of events, as text.
pub(crate) fn ids(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| String::from_utf8_lossy(event.id.as_bytes()).into_owned()).collect()
}

/// A Tail of the series `s` after a position.
pub(crate) fn tail(after: Position) -> Tail {
    Tail {
        namespace: namespace(),
        series: Some(series("s")),
        tags: Tags::default(),
        after,
        passed_over: None,
        page: PageSize::default(),
        without_payload: false,
        expired: None,
    }
}

/// The position at the end of the series `s`.
pub(crate) async fn end(store: &Kafka) -> Position {
    store.position(&namespace(), Some(&series("s")), Start::Now).await.expect("a position")
}

/// Reads a Tail until this many events have come.
pub(crate) async fn read(store: &Kafka, mut tail: Tail, count: usize) -> (Vec<SeriesEvent>, Position) {
    let mut events = Vec::new();
    while events.len() < count {
        let TailPage { events: read, position, more } = store.tail(&tail).await.expect("a page");
        events.extend(read);
        tail.after = position;
        if !more && events.len() < count {
            store.appended(&tail).await;
        }
    }
    (events, tail.after)
}
