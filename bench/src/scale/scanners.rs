//! Clients that open a stream over everything and read one message a second: what is sent to them has to wait somewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use prism_proto::keyvalue::v1::{ScanRequest, Selection};
use serde::Serialize;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::client::{Grpc, NAMESPACE};
use crate::failure::Failure;

/// How long it may take until all have a first message. Together they ask for more than a small machine gives, and then
/// some are shed and try again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Slow readers. They end with the value.
pub(super) struct Scanners {
    tasks: JoinSet<()>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    reading: AtomicUsize,
    messages: AtomicU64,
    failed: AtomicU64,
    /// Told of each reader's first message.
    first: Notify,
}

/// What the slow readers saw.
#[derive(Debug, Clone, Serialize)]
pub struct Seen {
    /// How many had a first message before the measurement.
    pub reading: usize,
    /// Messages that all of them have read.
    pub messages: u64,
    /// Streams that were shed, or ended by their deadline, and were opened again.
    pub failed: u64,
}

impl Scanners {
    /// Opens so many that ask for messages of so many items, each on a connection of its own, and waits until each has its
    /// first message, or half a minute.
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
        // How many are reading by then is told.
        let _ = tokio::time::timeout(PATIENCE, all).await;
        Ok(Self { tasks, counts })
    }

    /// How many are reading, and what they have seen so far.
    pub(super) fn seen(&self) -> Seen {
        Seen {
            reading: self.counts.reading.load(Ordering::Relaxed),
            messages: self.counts.messages.load(Ordering::Relaxed),
            failed: self.counts.failed.load(Ordering::Relaxed),
        }
    }

    /// Ends them.
    pub(super) async fn close(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Reads one message a second, for ever; a stream that is over is opened again.
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
