//! The queue of ended spans, which drops what does not fit: no call waits for a collector.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::mpsc;

use crate::metrics::ExportCounts;

/// Maximum ended spans that wait to be sent.
pub(super) const QUEUE: usize = 4_096;

/// Queues ended spans.
#[derive(Debug)]
pub(super) struct Queue {
    spans: mpsc::Sender<SpanData>,
    counts: Arc<ExportCounts>,
}

impl Queue {
    /// A queue, and its receiver.
    pub(super) fn new(counts: Arc<ExportCounts>) -> (Self, mpsc::Receiver<SpanData>) {
        let (spans, ended) = mpsc::channel(QUEUE);
        (Self { spans, counts }, ended)
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.spans.try_send(span).is_err() {
            self.counts.overflowed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
