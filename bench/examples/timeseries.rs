//! The speed of TimeSeries on SQLite: `timeseries [EVENTS] [SERIES]`. Appends of a hundred events of 100 bytes, 64 at a time,
//! to 10,000 series; then the time of Queries of the last thousand events of a series.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use prism_backends::{Sqlite, sqlite};
use prism_contract::timeseries::{
    Append, Event, EventId, Query, Series, SeriesEvent, Tags, TimeRange, TimeSeriesBackend, Window,
};
use prism_contract::{Lifecycle, Namespace, PageSize, Timestamp};

/// Number of concurrent Appends.
const CONCURRENCY: usize = 64;
/// Events of an Append, all of one series.
const BATCH: usize = 100;
const PAYLOAD: usize = 100;
/// Events of a Query.
const LAST: u64 = 1_000;
const QUERIES: usize = 1_000;
/// Parts of the load that are reported.
const PARTS: usize = 5;

#[expect(clippy::print_stdout, reason = "prints its measurements")]
fn main() {
    let argument =
        |at, default| std::env::args().nth(at).map_or(default, |given| given.parse().expect("a number"));
    let (events, series) = (argument(1, 1_000_000), argument(2, 10_000));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let options = sqlite::Options::new(folder.path().join("prism.db"));
        let store = Arc::new(Sqlite::open(options).await.expect("the file opens"));
        println!("appends of {BATCH} events of {PAYLOAD} bytes, {CONCURRENCY} at a time:");
        let appends = events / BATCH;
        for part in 0..PARTS {
            let range = part * appends / PARTS..(part + 1) * appends / PARTS;
            let (last, began) = (range.end * BATCH, Instant::now());
            let count = range.len() * BATCH;
            load(&store, range, series).await;
            let rate = count as u128 * 1_000_000 / began.elapsed().as_micros().max(1);
            println!("  up to {last:>9}: {rate:>8} events/s");
        }
        let mut times = Vec::with_capacity(QUERIES);
        let mut found = 0;
        for number in 0..QUERIES {
            let began = Instant::now();
            let page = store.query(&last_of(number * 7_919 % series)).await.expect("a page");
            times.push(began.elapsed());
            found += page.events.len();
        }
        times.sort();
        let at = |of: usize| micros(times[(QUERIES - 1) * of / 100]);
        let each = found / QUERIES;
        println!("queries of the last {LAST} events of one of {series} series, which have {each}:");
        println!("  p50 {} us, p99 {} us", at(50), at(99));
        store.close().await;
    });
}

fn micros(time: Duration) -> u128 {
    time.as_micros()
}

/// Sends the Appends with these numbers.
async fn load(store: &Arc<Sqlite>, range: Range<usize>, series: usize) {
    // The series are scattered, each as often as the others.
    let next = Arc::new(AtomicUsize::new(range.start));
    let end = range.end;
    let callers = (0..CONCURRENCY).map(|_| {
        let (store, next) = (Arc::clone(store), Arc::clone(&next));
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    return;
                }
                store.append(append(number, number * 7_919 % series)).await.expect("an Append");
            }
        })
    });
    for caller in join_all(callers).await {
        caller.expect("a caller");
    }
}

fn namespace() -> Namespace {
    Namespace::new("bench").expect("a namespace")
}

fn series(number: usize) -> Series {
    Series::new(format!("sensor/{number:05}")).expect("a series")
}

fn append(number: usize, of: usize) -> Append {
    let series = series(of);
    let event = |at: usize| {
        let id = EventId::new((number * BATCH + at).to_be_bytes().repeat(2)).expect("an id");
        let micros = i64::try_from(1_700_000_000_000_000 + number * BATCH + at).expect("a time");
        let time = Timestamp::from_micros(micros).expect("a time");
        let (payload, content_type) = (vec![b'x'; PAYLOAD].into(), String::new());
        SeriesEvent {
            series: series.clone(),
            event: Event { time, id, payload, content_type, tags: Tags::default() },
        }
    };
    Append {
        namespace: namespace(),
        events: (0..BATCH).map(event).collect(),
        now: Timestamp::from_micros(1_700_000_000_000_000).expect("a time"),
        window: Window::default(),
        expired: None,
        partitions: 8,
    }
}

fn last_of(number: usize) -> Query {
    Query {
        namespace: namespace(),
        series: series(number),
        range: TimeRange::ALL,
        tags: Tags::default(),
        reverse: true,
        page: PageSize::default().at_most(LAST),
        without_payload: false,
        snapshot: None,
        after: None,
        expired: None,
    }
}
