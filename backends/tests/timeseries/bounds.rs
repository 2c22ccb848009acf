//! Pages within their limits, and reads that pass over many events.

use prism_contract::PageSize;
use prism_contract::timeseries::{
    Append, DeleteEvents, Event, Query, SeriesEvent, Tail, TimeRange, TimeSeriesBackend,
};

use crate::common::{TestDb, namespace};
use crate::events::{append, beginning, event, follow, keys, query, read, series, tags, tail};

/// Appends events, a thousand at a time.
async fn fill(store: &impl TimeSeriesBackend, events: Vec<SeriesEvent>) {
    for events in events.chunks(1_000) {
        store.append(append(events.to_vec())).await.unwrap();
    }
}

#[tokio::test]
async fn a_filter_that_few_events_match_reads_in_bounded_pages() {
    let db = TestDb::new();
    let store = db.open().await;
    let tagged = |number: i64| {
        let mut event = event("a", number, "i", "x");
        let rare = if number % 5_000 == 4_999 { "yes" } else { "no" };
        event.event.tags = tags(&[("rare", rare), ("other", "yes")]);
        event
    };
    fill(&store, (0..25_000).map(tagged).collect()).await;
    let rare = tags(&[("rare", "yes")]);
    let expected: Vec<_> = (0..5).map(|number| tagged(number * 5_000 + 4_999).event).collect();
    let of = |reverse| Query { tags: rare.clone(), reverse, ..query("a") };
    let (found, pages) = read(&store, of(false)).await.unwrap();
    assert_eq!((&found, pages), (&expected, 3));
    let (mut found, pages) = read(&store, of(true)).await.unwrap();
    found.reverse();
    assert_eq!((&found, pages), (&expected, 3));
    for name in [Some("a"), None] {
        let tail = Tail { tags: rare.clone(), ..tail(name, beginning(&store).await) };
        let (found, _, pages) = follow(&store, tail).await.unwrap();
        let found: Vec<_> = found.into_iter().map(|event| event.event).collect();
        assert_eq!((&found, pages), (&expected, 3));
    }
    let absent = Query { tags: tags(&[("rare", "ye")]), ..query("a") };
    assert_eq!(read(&store, absent).await.unwrap(), (vec![], 3));
}

#[tokio::test]
async fn a_page_ends_within_its_limits_in_both_directions() {
    let db = TestDb::new();
    let store = db.open().await;
    let events: Vec<_> =
        (0..300).map(|number| event("a", number / 7, &format!("{number:03}"), "x")).collect();
    fill(&store, events.clone()).await;
    let expected: Vec<_> = events.into_iter().map(|event| event.event).collect();
    let weight = expected[0].weight(&series("a"));
    for (page, pages) in [
        (PageSize::new(1, 0), 300),
        (PageSize::new(7, 0), 43),
        (PageSize::new(0, 10 * u32::try_from(weight).unwrap()), 30),
    ] {
        for reverse in [false, true] {
            let (mut found, read) = read(&store, Query { page, reverse, ..query("a") }).await.unwrap();
            if reverse {
                found.reverse();
            }
            assert_eq!((&found, read), (&expected, pages), "{page:?}");
        }
        let (found, _, read) =
            follow(&store, Tail { page, ..tail(Some("a"), beginning(&store).await) }).await.unwrap();
        let found: Vec<_> = found.into_iter().map(|event| event.event).collect();
        assert_eq!((&found, read), (&expected, pages), "{page:?}");
    }
}

#[tokio::test]
async fn large_payloads_come_back_and_can_be_left_out() {
    let db = TestDb::new();
    let store = db.open().await;
    let sizes = [10, 16 << 10, (16 << 10) + 1, 1 << 20, 900_000, 3, 700_000];
    let payload = |number: usize| vec![b'a' + u8::try_from(number).unwrap(); sizes[number]];
    let events: Vec<_> = (0..sizes.len())
        .map(|number| event("a", i64::try_from(number).unwrap(), "i", payload(number)))
        .collect();
    for event in &events {
        store.append(append(vec![event.clone()])).await.unwrap();
    }
    let expected: Vec<_> = events.iter().map(|event| event.event.clone()).collect();
    let (found, pages) = read(&store, query("a")).await.unwrap();
    assert!(found == expected && pages == 2, "{pages} pages");
    let (found, _, pages) = follow(&store, tail(None, beginning(&store).await)).await.unwrap();
    assert!(found == events && pages == 2, "{pages} pages");
    let without = Query { without_payload: true, ..query("a") };
    let (found, pages) = read(&store, without).await.unwrap();
    let empty: Vec<_> = expected.iter().map(|event| event.shown(true)).collect();
    assert_eq!((found, pages), (empty, 1));
}

#[tokio::test]
async fn a_query_sees_the_events_of_its_beginning_and_no_later_ones() {
    let db = TestDb::new();
    let store = db.open().await;
    fill(&store, (0..10).map(|number| event("a", number * 10, "i", "x")).collect()).await;
    let first = Query { page: PageSize::new(4, 0), ..query("a") };
    let page = store.query(&first).await.unwrap();
    fill(
        &store,
        (0..3_000).map(|number| event("a", 45 + number % 7, &format!("{number}"), "late")).collect(),
    )
    .await;
    let rest = Query { after: page.next, snapshot: Some(page.snapshot.clone()), ..first };
    let (rest, _) = read(&store, rest).await.unwrap();
    let times: Vec<_> = page.events.iter().chain(&rest).map(|event| event.time.as_micros()).collect();
    assert_eq!(times, (0..10).map(|number| number * 10).collect::<Vec<_>>());
    let (late, _, _) = follow(&store, tail(Some("a"), page.snapshot)).await.unwrap();
    assert_eq!(late.len(), 3_000);
}

#[tokio::test]
async fn a_delete_of_many_events_takes_those_in_its_range_only() {
    let db = TestDb::new();
    let store = db.open().await;
    let all = (0..3_500).map(|number| event("a", number / 2, &format!("{number:04}"), "x"));
    fill(&store, all.chain([event("b", 5, "i", "x")]).collect()).await;
    let range = TimeRange { start: 100, end: 1_600 };
    let delete = DeleteEvents { namespace: namespace(), series: series("a"), range, expired: None };
    assert_eq!(store.delete_events(delete.clone()).await.unwrap(), 3_000);
    assert_eq!(store.delete_events(delete.clone()).await.unwrap(), 0);
    let (left, _) = read(&store, query("a")).await.unwrap();
    assert_eq!(left.len(), 500);
    assert!(left.iter().all(|event| !range.contains(event.time)));
    assert_eq!(read(&store, query("b")).await.unwrap().0.len(), 1);
    let unknown = DeleteEvents { series: series("c"), ..delete };
    assert_eq!(store.delete_events(unknown).await.unwrap(), 0);
    // A deleted event that is appended again is a new one, after all others.
    let again = event("a", 100, "0200", "again");
    assert_eq!(store.append(append(vec![again.clone()])).await.unwrap(), [false]);
    let (log, _, _) = follow(&store, tail(Some("a"), beginning(&store).await)).await.unwrap();
    assert_eq!((log.len(), log.last()), (501, Some(&again)));
}

#[tokio::test]
async fn ids_and_series_are_compared_byte_by_byte() {
    let db = TestDb::new();
    let store = db.open().await;
    let names = ["a", "A", "ab", "é", "a\u{1}"];
    let mut events: Vec<_> = names.map(|name| event(name, 1, "i", name.as_bytes().to_vec())).into();
    events.extend(["i\0", "I", "\0", "ii"].map(|id| event("a", 1, id, "x")));
    store.append(Append { ..append(events) }).await.unwrap();
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    assert_eq!(crate::events::names(&store, None).await, sorted);
    let (found, _) = read(&store, query("a")).await.unwrap();
    let ids: Vec<_> = found.iter().map(|event: &Event| event.id.as_bytes()).collect();
    assert_eq!(ids, [&b"\0"[..], b"I", b"i", b"i\0", b"ii"]);
    assert_eq!(keys(&found).len(), 5);
}
