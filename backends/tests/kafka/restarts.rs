//! Restarts of the broker under Appends.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use prism_backends::{Kafka, kafka};
use prism_contract::timeseries::TimeSeriesBackend;
use prism_testkit::{Backend, skips};

use super::broker::{append, event, ids, now, open, pages, query};

const RESTARTS: usize = 10;
/// Time between two looks at what the broker has saved.
const POLL: Duration = Duration::from_millis(20);
/// Maximum time until the broker has saved an event.
const SAVED: Duration = Duration::from_secs(30);
/// Maximum time until an event is acknowledged, over a restart of the broker.
const ACKNOWLEDGED: Duration = Duration::from_mins(1);

/// An event that the broker has acknowledged and saved may not be missing. A broker that acknowledges before it saves loses what
/// it had not saved, so that nothing is claimed of that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_saved_is_lost_when_the_broker_restarts() {
    if skips(Backend::Kafka, "nothing_saved_is_lost_when_the_broker_restarts") {
        return;
    }
    let broker = prism_testkit::Kafka::launch().await.expect("a broker");
    let options =
        kafka::Options { compression: kafka::Compression::None, ..kafka::Options::new(broker.address()) };
    let store = Arc::new(open(&options).await);
    let (acknowledged, is_done) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(AtomicBool::new(false)));
    let writer = tokio::spawn(write(Arc::clone(&store), Arc::clone(&acknowledged), Arc::clone(&is_done)));
    let mut saved = BTreeSet::new();
    for restart in 0..RESTARTS {
        // One is saved at least, whatever the broker does with the others.
        let id = format!("between-{restart:02}");
        repeat(&store, &id).await;
        let deadline = Instant::now() + SAVED;
        while broker.saved(std::slice::from_ref(&id)).expect("the broker's files") != [true] {
            assert!(Instant::now() < deadline, "the broker has not saved {id} within {SAVED:?}");
            tokio::time::sleep(POLL).await;
        }
        // Of the events since the last restart.
        let mut texts = std::mem::take(&mut *acknowledged.lock().expect("a lock"));
        texts.push(id);
        let is_saved = broker.saved(&texts).expect("the broker's files");
        saved.extend(texts.into_iter().zip(is_saved).filter(|(_, is_saved)| *is_saved).map(|(text, _)| text));
        broker.stop().await.expect("a stopped broker");
        broker.start().await.expect("a broker");
    }
    is_done.store(true, Ordering::Release);
    writer.await.unwrap();
    repeat(&store, "last").await;
    // What another gateway reads.
    let (events, _) = pages(&open(&options).await, query()).await;
    let found: BTreeSet<_> = ids(&events).into_iter().collect();
    let lost: Vec<_> = saved.difference(&found).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), saved.len());
    assert!(saved.len() > RESTARTS && found.contains("last"), "{} were saved", saved.len());
    assert_eq!(found.len(), events.len(), "an identity comes once");
}

/// Appends an event until that is acknowledged.
async fn repeat(store: &Kafka, id: &str) {
    let (time, deadline) = (now(), Instant::now() + ACKNOWLEDGED);
    while let Err(error) = store.append(append(vec![event(time, id, "payload")])).await {
        assert_eq!(error.reason(), "BACKEND_UNAVAILABLE", "{error:?}");
        assert!(Instant::now() < deadline, "{id} was not acknowledged within {ACKNOWLEDGED:?}: {error:?}");
    }
}

/// Appends until `is_done` is set.
async fn write(store: Arc<Kafka>, acknowledged: Arc<Mutex<Vec<String>>>, is_done: Arc<AtomicBool>) {
    // The broker writes all that it has at each save.
    let mut pace = tokio::time::interval(POLL);
    for number in 0.. {
        pace.tick().await;
        if is_done.load(Ordering::Acquire) {
            return;
        }
        let id = format!("n{number:06}");
        repeat(&store, &id).await;
        acknowledged.lock().expect("a lock").push(id);
    }
}
