//! Queries: the order of time from a log in the order of arrival.

use std::time::Duration;

use prism_contract::timeseries::{Histogram, TimeRange, TimeSeriesBackend};
use prism_contract::{PageSize, Timestamp};
use prism_testkit::{Backend, skips};

use super::broker::{append, event, ids, namespace, now, open, pages, query, series, store};

fn after(start: Timestamp, millis: u64) -> Timestamp {
    start.saturating_add(Duration::from_millis(millis))
}

#[tokio::test]
async fn late_events_and_events_of_the_same_millisecond_take_their_place() {
    if skips(Backend::Kafka, "late_events_and_events_of_the_same_millisecond_take_their_place") {
        return;
    }
    let (store, _) = store().await;
    let start = now();
    let micro = start.saturating_add(Duration::from_micros(1));
    store.append(append(vec![event(after(start, 9), "last", "1"), event(micro, "b", "2")])).await.unwrap();
    store.append(append(vec![event(micro, "a", "3"), event(start, "first", "4")])).await.unwrap();
    let (events, _) = pages(&store, query()).await;
    assert_eq!(ids(&events), ["first", "a", "b", "last"]);
    assert_eq!(events[0], event(start, "first", "4").event);
    // An exclusive end within the millisecond.
    let range = TimeRange { start: 0, end: micro.as_micros() };
    let (events, _) = pages(&store, super::broker::query_of(range)).await;
    assert_eq!(ids(&events), ["first"]);
}

#[tokio::test]
async fn of_an_identity_the_first_content_stays() {
    if skips(Backend::Kafka, "of_an_identity_the_first_content_stays") {
        return;
    }
    let (store, _) = store().await;
    let start = now();
    store.append(append(vec![event(start, "one", "first")])).await.unwrap();
    store.append(append(vec![event(start, "two", "other"), event(start, "one", "again")])).await.unwrap();
    let (events, _) = pages(&store, query()).await;
    assert_eq!(ids(&events), ["one", "two"]);
    assert_eq!(events[0].payload, "first");
    // The first one does not match, so that the second must not be found in its place.
    let mut other = event(start, "three", "x");
    other.event.tags = prism_contract::timeseries::Tags::default();
    store.append(append(vec![other])).await.unwrap();
    store.append(append(vec![event(start, "three", "y")])).await.unwrap();
    let tagged = prism_contract::timeseries::Query { tags: event(start, "x", "").event.tags, ..query() };
    let (events, _) = pages(&store, tagged).await;
    assert_eq!(ids(&events), ["one", "two"]);
}

#[tokio::test]
async fn pages_are_the_same_whatever_the_buffer_and_the_gateway() {
    if skips(Backend::Kafka, "pages_are_the_same_whatever_the_buffer_and_the_gateway") {
        return;
    }
    let (store, options) = store().await;
    let start = now();
    // In an order that is neither that of time nor its reverse.
    let all: Vec<u64> = (0..300).map(|at| at * 7 % 300).collect();
    for some in all.chunks(60) {
        let events =
            some.iter().map(|at| event(after(start, *at), &format!("e{at:03}"), "payload")).collect();
        store.append(append(events)).await.unwrap();
    }
    let expected: Vec<_> = (0..300).map(|at| format!("e{at:03}")).collect();
    let small = || prism_contract::timeseries::Query { page: PageSize::new(7, 0), ..query() };
    let (events, count) = pages(&store, small()).await;
    assert_eq!((ids(&events), count), (expected.clone(), 43));
    // Of a buffer that holds a few events only, so that the rest is read again.
    let narrow = open(&prism_backends::kafka::Options { scan_bytes: 4_096, ..options }).await;
    let (events, _) = pages(&narrow, small()).await;
    assert_eq!(ids(&events), expected);
    // Each page at another gateway, which holds nothing of the pages before.
    let (mut query, mut events) = (small(), Vec::new());
    for turn in 0.. {
        let page = [&store, &narrow][turn % 2].query(&query).await.unwrap();
        events.extend(page.events);
        let Some(next) = page.next else { break };
        (query.after, query.snapshot) = (Some(next), Some(page.snapshot));
    }
    assert_eq!(ids(&events), expected);
}

#[tokio::test]
async fn a_histogram_counts_each_identity_once() {
    if skips(Backend::Kafka, "a_histogram_counts_each_identity_once") {
        return;
    }
    let (store, _) = store().await;
    let start = now();
    let events = || (0..20).map(|at| event(after(start, at), &format!("{at}"), "four")).collect();
    store.append(append(events())).await.unwrap();
    store.append(append(events())).await.unwrap();
    let histogram = Histogram {
        namespace: namespace(),
        series: series("s"),
        range: TimeRange { start: start.as_micros(), end: after(start, 15).as_micros() },
        bucket: std::num::NonZeroU64::new(10_000).unwrap(),
        tags: event(start, "x", "").event.tags,
        expired: None,
    };
    let buckets = store.histogram(&histogram).await.unwrap();
    let counts: Vec<_> =
        buckets.iter().map(|bucket| (bucket.start, bucket.count, bucket.payload_bytes)).collect();
    assert_eq!(counts, [(start, 10, 40), (after(start, 10), 5, 20)]);
}
