//! Appends that are committed together, and those that are cancelled.

use std::time::Duration;

use futures::future::join_all;
use futures::{join, pin_mut, poll};
use prism_contract::keyvalue::{KeyValueBackend, Predicate};
use prism_contract::timeseries::{Append, TimeSeriesBackend, Window};
use prism_contract::{Code, Lifecycle, Namespace};
use sqlx::Executor;

use crate::common::{TestDb, at, get, namespace, put};
use crate::events::{append, append_in, beginning, event, follow, query, read, tail};

#[tokio::test]
async fn of_appends_of_one_identity_that_are_committed_together_the_first_counts() {
    let db = TestDb::new();
    let store = db.open().await;
    let mut other_client = db.other_client().await;
    other_client.execute("BEGIN IMMEDIATE").await.unwrap();
    let appends = (0..40).map(|number| {
        store.append(append(vec![
            event("shared", 1, "same", format!("{number}")),
            event("own", number, "id", format!("{number}")),
        ]))
    });
    // They wait for the lock, so that most are one group.
    let (answers, ()) = join!(join_all(appends), async {
        tokio::task::yield_now().await;
        other_client.execute("ROLLBACK").await.unwrap();
    });
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let firsts: Vec<_> = answers.iter().enumerate().filter(|(_, answer)| !answer[0]).collect();
    let [(first, _)] = firsts[..] else { panic!("{firsts:?} were first") };
    assert!(answers.iter().all(|answer| !answer[1]));
    let (events, _) = read(&store, query("shared")).await.unwrap();
    assert_eq!(events.iter().map(|event| event.payload.clone()).collect::<Vec<_>>(), [first.to_string()]);
    assert_eq!(read(&store, query("own")).await.unwrap().0.len(), 40);
}

#[tokio::test]
async fn an_append_that_is_refused_writes_nothing_and_those_beside_it_are_written() {
    let db = TestDb::new();
    let store = db.open().await;
    let window = Window { past: Some(Duration::from_micros(100)), future: Some(Duration::from_micros(100)) };
    let windowed = |events| Append { window, ..append(events) };
    let (early, refused, late) = join!(
        store.append(windowed(vec![event("a", 1_000, "1", "x")])),
        store.append(windowed(vec![
            event("a", 1_001, "2", "x"),
            event("b", 1_101, "3", "x"),
            event("a", 899, "4", "x")
        ])),
        store.append(windowed(vec![event("a", 1_100, "5", "x"), event("a", 900, "6", "x")])),
    );
    assert_eq!((early.unwrap(), late.unwrap()), (vec![false], vec![false, false]));
    let refused = refused.unwrap_err();
    let prism_contract::Error::InvalidArgument(violations) = &refused else { panic!("{refused}") };
    let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["events[1].event.time", "events[2].event.time"]);
    let times: Vec<_> =
        read(&store, query("a")).await.unwrap().0.iter().map(|event| event.time.as_micros()).collect();
    assert_eq!(times, [900, 1_000, 1_100]);
    assert!(read(&store, query("b")).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn an_event_that_is_there_is_a_duplicate_outside_the_window_too() {
    let db = TestDb::new();
    let store = db.open().await;
    store.append(append(vec![event("a", 5, "1", "first")])).await.unwrap();
    let window = Window { past: Some(Duration::ZERO), future: Some(Duration::ZERO) };
    let again =
        Append { window, ..append(vec![event("a", 1_000, "2", "new"), event("a", 5, "1", "second")]) };
    // The Append before it in the same group.
    let beside = append(vec![event("a", 6, "3", "first")]);
    let after = Append { window, ..append(vec![event("a", 6, "3", "second")]) };
    let (again, beside, after) = join!(store.append(again), store.append(beside), store.append(after));
    assert_eq!(
        (again.unwrap(), beside.unwrap(), after.unwrap()),
        (vec![false, true], vec![false], vec![true])
    );
    let (events, _) = read(&store, query("a")).await.unwrap();
    let payloads: Vec<_> = events.iter().map(|event| event.payload.as_ref()).collect();
    assert_eq!(payloads, [&b"first"[..], b"first", b"new"]);
}

#[tokio::test]
async fn events_of_an_append_come_in_request_order_and_those_of_many_rows_too() {
    let db = TestDb::new();
    let store = db.open().await;
    let order = |number: i64| (number * 577) % 1_000;
    let events: Vec<_> = (0..1_000)
        .map(|number| event(["a", "b"][usize::from(number % 3 == 0)], order(number), "i", "x"))
        .collect();
    store.append(append(events.clone())).await.unwrap();
    let (all, _, _) = follow(&store, tail(None, beginning(&store).await)).await.unwrap();
    assert_eq!(all, events);
    let (of_one, _, _) = follow(&store, tail(Some("a"), beginning(&store).await)).await.unwrap();
    let expected: Vec<_> = events.into_iter().filter(|event| event.series.as_str() == "a").collect();
    assert_eq!(of_one, expected);
}

#[tokio::test]
async fn writes_of_both_abstractions_are_committed_together() {
    let db = TestDb::new();
    let store = db.open().await;
    let mut other_client = db.other_client().await;
    other_client.execute("BEGIN IMMEDIATE").await.unwrap();
    let (put_done, appended, other, ()) = join!(
        store.put(put("k", "v")),
        store.append(append(vec![event("a", 1, "1", "x")])),
        store.append(append_in(Namespace::new("other").unwrap(), vec![event("a", 1, "1", "y")])),
        async {
            tokio::task::yield_now().await;
            other_client.execute("ROLLBACK").await.unwrap();
        }
    );
    assert_eq!((put_done.unwrap().len(), appended.unwrap(), other.unwrap()), (1, vec![false], vec![false]));
    assert_eq!(store.get(&get(Predicate::All)).await.unwrap().items.len(), 1);
    assert_eq!(read(&store, query("a")).await.unwrap().0[0].payload, "x");
}

#[tokio::test]
async fn an_append_that_no_caller_waits_for_is_not_written() {
    let db = TestDb::new();
    let store = db.open().await;
    let mut other_client = db.other_client().await;
    other_client.execute("BEGIN IMMEDIATE").await.unwrap();
    {
        let cancelled = store.append(append(vec![event("a", 1, "1", "x")]));
        pin_mut!(cancelled);
        assert!(poll!(&mut cancelled).is_pending());
    }
    let kept = store.append(append(vec![event("a", 2, "2", "x")]));
    let (kept, ()) = join!(kept, async {
        tokio::task::yield_now().await;
        other_client.execute("ROLLBACK").await.unwrap();
    });
    kept.unwrap();
    let (events, _) = read(&store, query("a")).await.unwrap();
    assert_eq!(events.iter().map(|event| event.time).collect::<Vec<_>>(), [at(2)]);
}

#[tokio::test]
async fn a_locked_database_is_unavailable_and_nothing_is_written() {
    let db = TestDb::new();
    let mut options = db.options();
    options.busy_timeout = Duration::from_millis(20);
    let store = prism_backends::Sqlite::open(options).await.unwrap();
    let mut other_client = db.other_client().await;
    other_client.execute("BEGIN IMMEDIATE").await.unwrap();
    let refused = store.append(append(vec![event("a", 1, "1", "x")])).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    other_client.execute("ROLLBACK").await.unwrap();
    assert!(read(&store, query("a")).await.unwrap().0.is_empty());
    store.append(append(vec![event("a", 1, "1", "x")])).await.unwrap();
    store.close().await;
    let closed = store.append(append_in(namespace(), vec![event("a", 2, "1", "x")])).await.unwrap_err();
    assert_eq!(closed.code(), Code::Unavailable);
}
