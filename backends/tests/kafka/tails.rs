//! Tails: what wakes them, and what they cost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prism_contract::timeseries::TimeSeriesBackend;
use prism_testkit::{Backend, skips};

use super::broker::{append, end, event, now, open, read, store, tail};

/// Tails that wait at once.
const TAILS: usize = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_at_another_gateway_wakes_a_tail_within_a_second() {
    if skips(Backend::Kafka, "an_append_at_another_gateway_wakes_a_tail_within_a_second") {
        return;
    }
    let (store, options) = store().await;
    let other = open(&options).await;
    store.append(append(vec![event(now(), "one", "1")])).await.unwrap();
    let after = end(&other).await;
    let waiting = tokio::spawn(async move {
        let (events, _) = read(&other, tail(after), 1).await;
        (events, Instant::now())
    });
    store.append(append(vec![event(now(), "two", "2")])).await.unwrap();
    let acknowledged = Instant::now();
    let (events, came) = waiting.await.unwrap();
    assert_eq!(events[0].event.payload, "2");
    let delay = came.saturating_duration_since(acknowledged);
    assert!(delay < Duration::from_secs(1), "{delay:?}");
}

/// Threads of this process.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_tails_take_no_threads_and_all_are_woken() {
    if skips(Backend::Kafka, "idle_tails_take_no_threads_and_all_are_woken") {
        return;
    }
    let (store, _) = store().await;
    let store = Arc::new(store);
    store.append(append(vec![event(now(), "one", "1")])).await.unwrap();
    let after = end(&store).await;
    // The consumers are there.
    store.tail(&tail(after.clone())).await.unwrap();
    let before = threads();
    let waiting: Vec<_> = (0..TAILS)
        .map(|_| {
            let (store, tail) = (Arc::clone(&store), tail(after.clone()));
            tokio::spawn(async move { store.appended(&tail).await })
        })
        .collect();
    // All of them wait once the last one does: they were spawned in order, and none has ended.
    tokio::time::timeout(Duration::from_millis(600), std::future::pending::<()>()).await.unwrap_err();
    assert_eq!(waiting.iter().filter(|task| task.is_finished()).count(), 0);
    let grown = threads().saturating_sub(before);
    assert!(grown <= 20, "{grown} more threads for {TAILS} Tails");
    store.append(append(vec![event(now(), "two", "2")])).await.unwrap();
    for task in waiting {
        task.await.unwrap();
    }
}
