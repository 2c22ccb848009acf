//! Tails that are cut at random and resumed at another gateway, while many write.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::join_all;
use prism_contract::timeseries::request::{TailFrom, TailRequest};
use prism_testkit::{Backend, LazySchema, skips};
use prism_wire::timeseries::{Client, Resume};
use tokio::sync::Barrier;

use super::writers::{self, END, Record, SERIES, Span, WRITERS, series, series_of};
use super::{Dice, NAMESPACE, Number, connect, start};

/// One of each series but the last, and one of the whole namespace.
const TAILS: usize = 8;

/// A Tail's series; `None`: all.
fn of(tail: usize) -> Option<usize> {
    (tail + 1 < TAILS).then_some(tail)
}

/// What a Tail has brought.
struct Read {
    events: Vec<(String, Number)>,
    cuts: usize,
    /// Cuts while events were being written, after which another gateway went on.
    moved: usize,
}

/// The course of a run.
struct Course {
    appends: usize,
    events: usize,
    /// Maximum messages between two cuts.
    messages: usize,
    time: Duration,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_tails_bring_every_event_once_and_in_order_through_three_gateways() {
    if skips(Backend::Postgres, "cut_tails_bring_every_event_once_and_in_order_through_three_gateways") {
        return;
    }
    follow(&Course { appends: 30, events: 6, messages: 8, time: Duration::from_mins(1) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the same with a million events, for some minutes"]
async fn cut_tails_bring_every_event_of_a_million() {
    follow(&Course { appends: 1_250, events: 50, messages: 60, time: Duration::from_mins(30) }).await;
}

#[expect(clippy::print_stdout, reason = "figures of a run by hand; a test harness keeps them otherwise")]
async fn follow(course: &Course) {
    let (schema, folder) = (LazySchema::new(), tempfile::tempdir().unwrap());
    let url = schema.url().await.unwrap().to_owned();
    let starting = (0..3).map(|number| {
        let (url, folder) = (url.clone(), folder.path().join(number.to_string()));
        tokio::task::spawn_blocking(move || {
            std::fs::create_dir(&folder).unwrap();
            start(&folder, |command| command.env("DATABASE_URL", url))
        })
    });
    let gateways: Vec<_> = join_all(starting).await.into_iter().map(Result::unwrap).collect();
    let clients = join_all(gateways.iter().map(connect)).await;

    let (record, writing) = (Arc::new(Record::default()), Arc::new(AtomicBool::new(true)));
    let ready = Arc::new(Barrier::new(TAILS + 1));
    let began = Instant::now();
    let tails: Vec<_> = (0..TAILS)
        .map(|tail| {
            let (clients, ready, writing) = (clients.clone(), Arc::clone(&ready), Arc::clone(&writing));
            let messages = course.messages;
            tokio::spawn(async move { read(&clients, tail, messages, &ready, &writing).await })
        })
        .collect();
    let written = async {
        ready.wait().await;
        writers::write(&clients, &record, course.appends, course.events).await;
        let wrote = began.elapsed();
        writing.store(false, Ordering::SeqCst);
        writers::end(&clients[0]).await;
        (join_all(tails).await, wrote)
    };
    let (reads, wrote) = tokio::time::timeout(course.time, written).await.expect("never: all events");

    let spans = record.spans.lock().unwrap();
    let (mut events, mut cuts) = (0, 0);
    for (tail, read) in reads.into_iter().enumerate() {
        let read = read.unwrap();
        assert!(read.moved >= 5, "tail {tail} was cut and moved {} times only while events came", read.moved);
        is_whole_and_in_order(&read.events, tail, course, &spans);
        events += read.events.len();
        cuts += read.cuts;
    }
    let appends = WRITERS * course.appends;
    let overlapped = record.overlapped.load(Ordering::Relaxed);
    assert!(overlapped > appends / 2, "{overlapped} of {appends} Appends overlapped another one");
    let repeated = record.repeated.load(Ordering::Relaxed);
    assert!(repeated > appends / 20, "{repeated} Appends were repeated");
    println!(
        "{} events by {WRITERS} writers in {:.1} s, {overlapped} of {appends} Appends overlapped, {repeated} were repeated; \
         {TAILS} tails brought {events} events in {:.1} s, with {cuts} cuts",
        appends * course.events,
        wrote.as_secs_f64(),
        began.elapsed().as_secs_f64(),
    );
}

/// Reads a Tail up to the last event of its series, cut after each few messages.
async fn read(
    clients: &[Client],
    tail: usize,
    messages: usize,
    ready: &Barrier,
    writing: &AtomicBool,
) -> Read {
    let mut dice = Dice(1_000 + tail as u64);
    let mut read = Read { events: Vec::new(), cuts: 0, moved: 0 };
    let mut from = if tail.is_multiple_of(2) { TailFrom::Beginning } else { TailFrom::Now };
    let (mut gateway, mut is_first) = (dice.below(clients.len()), true);
    let mut ends = if of(tail).is_some() { 1 } else { SERIES };
    loop {
        let request = TailRequest {
            namespace: NAMESPACE.to_owned(),
            series: of(tail).map(series).unwrap_or_default(),
            from,
            ..TailRequest::default()
        };
        let mut stream = clients[gateway].tail(request, Resume::Never);
        let first = stream.next().await.unwrap().unwrap();
        assert_eq!(first.events, [], "the first message has no events (TAIL-1)");
        let mut token = first.token;
        if std::mem::take(&mut is_first) {
            ready.wait().await;
        }
        for _ in 0..dice.below(messages) {
            let message = stream.next().await.unwrap().unwrap();
            token = message.token;
            for event in message.events {
                let number = Number::of(&event.event, 0);
                ends -= usize::from(number.writer == END);
                read.events.push((event.series.as_str().to_owned(), number));
            }
            if ends == 0 {
                return read;
            }
        }
        // What the server has sent since is lost with the connection's stream.
        drop(stream);
        let next = dice.below(clients.len());
        read.cuts += 1;
        read.moved +=
            usize::from(next != gateway && !read.events.is_empty() && writing.load(Ordering::SeqCst));
        (gateway, from) = (next, TailFrom::Token(token));
    }
}

/// TAIL-1, TAIL-2, TAIL-3, APP-3 and APP-11.
fn is_whole_and_in_order(
    events: &[(String, Number)],
    tail: usize,
    course: &Course,
    spans: &HashMap<(usize, usize), Span>,
) {
    let distinct: HashSet<_> = events.iter().collect();
    assert_eq!(distinct.len(), events.len(), "tail {tail} repeats events");
    let mut expected = HashSet::new();
    for (writer, append) in
        (0..WRITERS).flat_map(|writer| (0..course.appends).map(move |append| (writer, append)))
    {
        for at in 0..course.events {
            let of_event = series_of(writer, at);
            if of(tail).is_none_or(|only| only == of_event) {
                expected.insert((series(of_event), Number { writer, append, at }));
            }
        }
    }
    let missing = expected.iter().filter(|event| !distinct.contains(event)).count();
    assert_eq!(missing, 0, "tail {tail} lost events of {}", expected.len());
    let mut by_series: HashMap<&str, Vec<Number>> = HashMap::new();
    for (series, number) in events {
        by_series.entry(series).or_default().push(*number);
    }
    for (series, numbers) in by_series {
        let (last, before) = numbers.split_last().unwrap();
        assert_eq!(last.writer, END, "tail {tail}, {series}: {last:?} came after an event appended later");
        let (mut latest, mut of_append) = (0, HashMap::new());
        for number in before {
            let span = spans[&(number.writer, number.append)];
            assert!(
                span.ended > latest,
                "tail {tail}, {series}: {number:?} was acknowledged before one that came first began"
            );
            latest = latest.max(span.began);
            let previous = of_append.insert((number.writer, number.append), number.at);
            assert!(
                previous < Some(number.at),
                "tail {tail}, {series}: {number:?} came after {previous:?} of its Append"
            );
        }
    }
}
