//! Many Tails that wait.

use std::sync::Arc;
use std::time::Duration;

use prism_contract::timeseries::{Tail, TimeSeriesBackend};
use tokio::time::timeout;

use crate::common::TestDb;
use crate::events::{append, beginning, event, now, tail};

const TAILS: usize = 1_000;

#[tokio::test]
async fn an_append_wakes_the_tail_of_its_series_and_few_of_a_thousand_others() {
    let db = TestDb::new();
    let store = Arc::new(db.open().await);
    let position = beginning(&*store).await;
    let waiting: Vec<_> = (0..TAILS)
        .map(|number| {
            let (store, tail) = (Arc::clone(&store), tail(Some(&format!("s{number}")), position.clone()));
            tokio::spawn(async move { store.appended(&tail).await })
        })
        .collect();
    // Each is polled once, and queues its look at the log; this read is served after them.
    tokio::task::yield_now().await;
    for _ in 0..4 {
        now(&*store).await;
    }
    store.append(append(vec![event("s7", 1, "i", "x")])).await.unwrap();
    let mut waiting: Vec<_> = waiting.into_iter().map(Some).collect();
    let woken = waiting[7].take().unwrap();
    timeout(Duration::from_secs(30), woken).await.expect("the Tail was not woken").unwrap();
    let others = waiting.iter().flatten().filter(|tail| tail.is_finished()).count();
    assert!(others < 30, "{others} others were woken");
    for (number, waiting) in waiting.into_iter().enumerate() {
        let Some(waiting) = waiting else { continue };
        let id = format!("{number}");
        store.append(append(vec![event(&format!("s{number}"), 1, &id, "x")])).await.unwrap();
        timeout(Duration::from_secs(30), waiting).await.expect("a Tail was not woken").unwrap();
    }
    let all = Tail { ..tail(None, position) };
    assert_eq!(store.tail(&all).await.unwrap().events.len(), TAILS);
}
