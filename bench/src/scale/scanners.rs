//! Slow scanners: clients that scan everything but read one message per second, so the responses must be buffered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use prism_proto::keyvalue::v1::{ScanRequest, Selection};
use serde::Serialize;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::client::{Grpc, NAMESPACE};
use crate::failure::Failure;

/// Wait limit for the first messages. The total demand exceeds a small machine, so some scans are shed and retried.
const FIRST_MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// Slow readers, stopped on drop.
pub(super) struct Scanners {
    tasks: JoinSet<()>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    reading: AtomicUsize,
    messages: AtomicU64,
    failed: AtomicU64,
    /// Notified of each reader's first message.
    first: Notify,
}

/// Statistics of the slow readers.
#[derive(Debug, Clone, Serialize)]
pub struct ScannerStats {
    /// Readers with a first message before the measurement.
    pub reading: usize,
    /// Messages read in total.
    pub messages: u64,
    /// Streams that were shed or ended by their deadline, and were reopened.
    pub failed: u64,
}

impl Scanners {
    /// Starts `number` readers with `items` per message, each on a dedicated connection; waits for each reader's first
    /// message, at most half a minute.
    pub(super) async fn open(endpoint: &str, number: usize, items: u32) -> Result<Self, Failure> {
        let counts = Arc::new(Counts::default());
        let mut tasks = JoinSet::new();
        for _ in 0..number {
            let client = Grpc::connect(endpoint, true).await?;
            tasks.spawn(read(client, items, Arc::clone(&counts)));
        }
        let all = async {
            while counts.reading.load(Ordering::Acquire) < number {
                counts.first.notified().await;
            }
        };
        // The report shows the number of readers at that time.
        let _ = tokio::time::timeout(FIRST_MESSAGE_TIMEOUT, all).await;
        Ok(Self { tasks, counts })
    }

    /// The current statistics.
    pub(super) fn stats(&self) -> ScannerStats {
        ScannerStats {
            reading: self.counts.reading.load(Ordering::Relaxed),
            messages: self.counts.messages.load(Ordering::Relaxed),
            failed: self.counts.failed.load(Ordering::Relaxed),
        }
    }

    /// Stops all readers.
    pub(super) async fn close(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Reads one message per second, forever; reopens ended streams.
async fn read(mut client: Grpc, items: u32, counts: Arc<Counts>) {
    let mut first = true;
    loop {
        let selection = Some(Selection { item_limit: items, ..Selection::default() });
        let request = ScanRequest { namespace: NAMESPACE.to_owned(), selection, ..ScanRequest::default() };
        let Ok(stream) = client.inner().scan(request).await else {
            counts.failed.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        let mut stream = stream.into_inner();
        let ended = loop {
            match stream.message().await {
                Ok(Some(_)) => {
                    counts.messages.fetch_add(1, Ordering::Relaxed);
                    if std::mem::take(&mut first) {
                        counts.reading.fetch_add(1, Ordering::Release);
                        counts.first.notify_one();
                    }
                }
                ended => break ended,
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        };
        if ended.is_err() {
            counts.failed.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
