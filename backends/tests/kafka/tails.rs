//! Tails: what wakes them, and what they cost.

use std::time::{Duration, Instant};

use prism_contract::timeseries::TimeSeriesBackend;
use prism_testkit::{Backend, skips};

use super::broker::{append, end, event, now, open, read, store, tail};

/// Tails that wait at once.
#[cfg(target_os = "linux")]
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
#[cfg(target_os = "linux")]
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("the threads of this process").count()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_tails_take_no_threads_and_all_are_woken() {
    if skips(Backend::Kafka, "idle_tails_take_no_threads_and_all_are_woken") {
        return;
    }
    let (store, _) = store().await;
    store.append(append(vec![event(now(), "one", "1")])).await.unwrap();
    let after = end(&store).await;
    // The consumers are there.
    store.tail(&tail(after.clone())).await.unwrap();
    let before = threads();
    let tail = tail(after);
    let mut waiting: Vec<_> = (0..TAILS).map(|_| store.appended(&tail)).collect();
    for wait in &mut waiting {
        // Polled once, each of them waits.
        assert!(futures::poll!(wait).is_pending());
    }
    let grown = threads().saturating_sub(before);
    assert!(grown <= 20, "{grown} more threads for {TAILS} Tails");
    store.append(append(vec![event(now(), "two", "2")])).await.unwrap();
    futures::future::join_all(waiting).await;
}
