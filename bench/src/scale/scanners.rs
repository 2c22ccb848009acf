//! Clients that open a stream over everything and read one message a second: what is sent to them has to wait somewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use prism_proto::keyvalue::v1::ScanRequest;
use tokio::task::JoinSet;

use crate::client::{Grpc, NAMESPACE};
use crate::failure::Failure;

/// Slow readers. They end with the value.
pub(super) struct Scanners {
    tasks: JoinSet<()>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    messages: AtomicU64,
}

impl Scanners {
    /// Opens so many, each on a connection of its own, and waits until each has its first message.
    pub(super) async fn open(endpoint: &str, number: usize) -> Result<Self, Failure> {
        let counts = Arc::new(Counts::default());
        let mut tasks = JoinSet::new();
        for _ in 0..number {
            let mut client = Grpc::connect(endpoint, true).await?;
            let request = ScanRequest { namespace: NAMESPACE.to_owned(), ..ScanRequest::default() };
            let stream = client.inner().scan(request.clone()).await;
            let mut stream = stream.map_err(|status| Failure::of("a slow scan", &status))?.into_inner();
            let first = stream.message().await.map_err(|status| Failure::of("a slow scan", &status))?;
            if first.is_none_or(|message| message.entries.is_empty()) {
                return Err(Failure::Failed("a slow scan: the first message is empty".to_owned()));
            }
            counts.open.fetch_add(1, Ordering::Relaxed);
            let counts = Arc::clone(&counts);
            tasks.spawn(async move {
                loop {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    match stream.message().await {
                        Ok(Some(_)) => {
                            counts.messages.fetch_add(1, Ordering::Relaxed);
                        }
                        // A stream ends by its deadline or at its end, and is opened again.
                        Ok(None) | Err(_) => match client.inner().scan(request.clone()).await {
                            Ok(again) => stream = again.into_inner(),
                            Err(_) => break,
                        },
                    }
                }
                counts.open.fetch_sub(1, Ordering::Relaxed);
            });
        }
        Ok(Self { tasks, counts })
    }

    /// How many are reading.
    pub(super) fn open_now(&self) -> usize {
        self.counts.open.load(Ordering::Relaxed)
    }

    /// Ends them; the messages that all have read after their first.
    pub(super) fn close(mut self) -> u64 {
        self.tasks.abort_all();
        self.counts.messages.load(Ordering::Relaxed)
    }
}
