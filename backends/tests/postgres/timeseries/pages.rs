//! Pages, tags, snapshots and deletions.

use bytes::Bytes;
use prism_contract::timeseries::{
    Append, DeleteEvents, Histogram, Query, SeriesEvent, Start, Tail, TimeRange, TimeSeriesBackend, Window,
};
use prism_contract::{Code, PageSize};
use std::num::NonZeroU64;
use std::time::Duration;

use super::{all, append, event, ids, names, query, read, series, start, tags};
use crate::common::{at, namespace};
use crate::test_db::test_db;

/// Events of `s`, every hundredth with a tag.
fn tagged(range: std::ops::Range<i64>) -> Vec<SeriesEvent> {
    let event = |time: i64| {
        let mut event = event("s", time, &format!("{time}"));
        event.event.tags =
            tags(if time % 100 == 0 { &[("k", "v"), ("l", "")] } else { &[("k", "vv"), ("l", "")] });
        event
    };
    range.map(event).collect()
}

#[tokio::test]
async fn a_filter_by_tags_finds_every_event_and_passes_over_a_bounded_number_on_each_page() {
    let db = test_db!("a_filter_by_tags_finds_every_event_and_passes_over_a_bounded_number_on_each_page");
    let store = db.open().await;
    for thousand in 0..6 {
        store.append(append(tagged(thousand * 1_000..thousand * 1_000 + 1_000))).await.unwrap();
    }
    let expected: Vec<_> = (0..60).map(|hundred| format!("{}", hundred * 100)).collect();
    for (reverse, items) in [(false, 0), (true, 0), (false, 7)] {
        let filtered =
            Query { tags: tags(&[("k", "v")]), reverse, page: PageSize::new(items, 0), ..query("s") };
        let first = store.query(&filtered).await.unwrap();
        assert!(first.events.len() < 60 && first.next.is_some(), "a page is bounded");
        let mut found = names(&all(&store, filtered).await.unwrap().0);
        if reverse {
            found.reverse();
        }
        assert_eq!(found, expected);
    }
    for of in [Some("s"), None] {
        let mut tail = Tail { tags: tags(&[("k", "v")]), ..start(&store, of, Start::Beginning).await };
        let first = store.tail(&tail).await.unwrap();
        assert!(first.events.len() < 60 && first.more && first.position != tail.after, "a page is bounded");
        let found = read(&store, &mut tail).await.unwrap();
        assert_eq!(names(found.iter().map(|event| &event.event)), expected, "{of:?}");
    }
}

#[tokio::test]
async fn pages_are_bounded_by_bytes_and_always_have_an_event() {
    let db = test_db!("pages_are_bounded_by_bytes_and_always_have_an_event");
    let store = db.open().await;
    // One is larger than a page.
    for (time, bytes) in [(1, 100), (2, 900), (3, 5_000), (4, 10), (5, 10)] {
        let mut event = event("s", time, &format!("{time}"));
        event.event.payload = Bytes::from(vec![7; bytes]);
        store.append(append(vec![event])).await.unwrap();
    }
    let page = PageSize::new(0, 1_000);
    let mut paged = Query { page, ..query("s") };
    let mut pages = Vec::new();
    loop {
        let page = store.query(&paged).await.unwrap();
        pages.push(names(&page.events).concat());
        (paged.after, paged.snapshot) = (page.next, Some(page.snapshot));
        if paged.after.is_none() {
            break;
        }
    }
    assert_eq!(pages, ["1", "2", "3", "45"]);
    for of in [Some("s"), None] {
        let mut tail = Tail { page, ..start(&store, of, Start::Beginning).await };
        let mut pages = Vec::new();
        loop {
            let page = store.tail(&tail).await.unwrap();
            pages.push(names(page.events.iter().map(|event| &event.event)).concat());
            tail.after = page.position;
            if !page.more {
                break;
            }
        }
        assert_eq!(pages, ["1", "2", "3", "45"], "{of:?}");
    }
}

/// A payload longer than a page's bytes by its items is not read by the first statement of a page, which then needs another.
#[tokio::test]
async fn a_page_is_as_full_with_long_payloads_among_short_ones() {
    let db = test_db!("a_page_is_as_full_with_long_payloads_among_short_ones");
    let (store, size) = (db.open().await, PageSize::new(10, 1_000));
    let events: Vec<_> = (0..60)
        .map(|time| {
            let mut event = event("s", time, &format!("{time:02}"));
            event.event.payload = Bytes::from(vec![7; if time % 7 == 3 || time > 50 { 300 } else { 40 }]);
            event
        })
        .collect();
    store.append(append(events.clone())).await.unwrap();
    for reverse in [false, true] {
        let mut expected = vec![Vec::new()];
        let in_order: Vec<_> = if reverse { events.iter().rev().collect() } else { events.iter().collect() };
        let (mut bytes, mut last) = (0, &mut expected[0]);
        for SeriesEvent { event, .. } in in_order {
            let weight = event.weight(&series("s"));
            if !size.fits(last.len(), bytes, weight) {
                expected.push(Vec::new());
                bytes = 0;
                last = expected.last_mut().unwrap();
            }
            bytes += weight;
            last.push(event.clone());
        }
        let mut paged = Query { reverse, page: size, ..query("s") };
        let mut pages = Vec::new();
        loop {
            let page = store.query(&paged).await.unwrap();
            pages.push(page.events);
            (paged.after, paged.snapshot) = (page.next, Some(page.snapshot));
            if paged.after.is_none() {
                break;
            }
        }
        assert_eq!(pages, expected);
    }
}

#[tokio::test]
async fn a_query_answers_what_was_there_when_it_began_whatever_is_appended_meanwhile() {
    let db = test_db!("a_query_answers_what_was_there_when_it_began_whatever_is_appended_meanwhile");
    let (store, other) = (db.open().await, db.open().await);
    let even = (0..50).map(|n| event("s", n * 2, &format!("{n}")));
    store.append(append(even.collect())).await.unwrap();
    let mut paged = Query { page: PageSize::new(7, 0), ..query("s") };
    let mut found = 0;
    loop {
        let page = store.query(&paged).await.unwrap();
        found += page.events.len();
        assert!(page.events.iter().all(|event| event.time.as_micros() % 2 == 0));
        let odd = (0..50).map(|n| event("s", n * 2 + 1, &format!("{found}-{n}")));
        other.append(append(odd.collect())).await.unwrap();
        (paged.after, paged.snapshot) = (page.next, Some(page.snapshot));
        if paged.after.is_none() {
            break;
        }
    }
    assert_eq!(found, 50);
}

#[tokio::test]
async fn an_append_with_an_event_outside_its_window_fails_alone_unless_the_event_is_there() {
    let db = test_db!("an_append_with_an_event_outside_its_window_fails_alone_unless_the_event_is_there");
    let store = db.open().await;
    let window = Window { past: Some(Duration::from_micros(100)), future: None };
    let of = |time, id: &str| Append { window, ..append(vec![event("s", time, id), event("t", 950, id)]) };
    let (good, late) = futures::join!(store.append(of(950, "good")), store.append(of(1, "late")));
    assert_eq!(good.unwrap(), [false, false]);
    let refused = late.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.to_string().starts_with("events[0].event.time: is outside"), "{refused}");
    assert_eq!((ids(&store, "s").await, ids(&store, "t").await), (vec!["good".into()], vec!["good".into()]));
    store.append(append(vec![event("s", 1, "late")])).await.unwrap();
    assert_eq!(store.append(of(1, "late")).await.unwrap(), [true, false]);
    // Expired: it is not there any more.
    let expired = Append { expired: Some(at(1)), ..of(1, "late") };
    assert_eq!(store.append(expired).await.map_err(|error| error.code()), Err(Code::InvalidArgument));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_events_are_counted_and_deleted_in_steps() {
    let db = test_db!("many_events_are_counted_and_deleted_in_steps");
    let store = db.open().await;
    store.append(append(vec![event("s", 0, "first"), event("other", 0, "stays")])).await.unwrap();
    db.run(
        "INSERT INTO prism_ts_events SELECT s.id, n, 'x', s.partition, -n, '', '', 'four' \
         FROM prism_ts_series AS s, generate_series(1, 250000) AS n WHERE s.name = 's'",
    )
    .await;
    let range = TimeRange { start: 0, end: 300_000 };
    let histogram = Histogram {
        namespace: namespace(),
        series: series("s"),
        range,
        bucket: NonZeroU64::new(150_000).unwrap(),
        tags: tags(&[]),
        expired: Some(at(0)),
    };
    let buckets = store.histogram(&histogram).await.unwrap();
    let counts: Vec<_> =
        buckets.iter().map(|bucket| (bucket.start.as_micros(), bucket.count, bucket.payload_bytes)).collect();
    assert_eq!(counts, [(0, 149_999, 599_996), (150_000, 100_001, 400_004)]);
    let delete = |start, end| DeleteEvents {
        namespace: namespace(),
        series: series("s"),
        range: TimeRange { start, end },
        expired: None,
    };
    assert_eq!(store.delete_events(delete(10, 12_345)).await.unwrap(), 12_335);
    // Concurrent deletions count each event once.
    let (one, other) =
        futures::join!(store.delete_events(delete(0, 40_000)), store.delete_events(delete(0, 40_000)));
    assert_eq!(one.unwrap() + other.unwrap(), 40_000 - 12_335);
    assert_eq!(store.delete_events(delete(0, 40_000)).await.unwrap(), 0);
    assert_eq!(ids(&store, "other").await, ["stays"]);
    // Deleted, it is a new one.
    assert_eq!(store.append(append(vec![event("s", 0, "first")])).await.unwrap(), [false]);
}
