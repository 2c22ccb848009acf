//! Sends ended spans, and the metrics at an interval.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::transport::{SendError, Transport};
use crate::metrics::{ExportCounts, Metrics};

/// The name of the instrumentation.
pub(super) const SCOPE: &str = "prism";
/// Maximum spans of a request.
const BATCH: usize = 512;
/// Time for which spans are collected.
const LINGER: Duration = Duration::from_secs(1);
/// The pauses before spans are sent again that a collector did not take.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];

/// Sends to a collector.
pub(super) struct Exporter {
    pub(super) transport: Transport,
    pub(super) resource: Resource,
    pub(super) counts: Arc<ExportCounts>,
    /// Cancelled when the server has ended.
    pub(super) ended: CancellationToken,
}

impl Exporter {
    /// Sends spans, until the server has ended and all have been sent.
    pub(super) async fn spans(self: Arc<Self>, mut ended: mpsc::Receiver<SpanData>) {
        let mut outage = Outage::new("spans");
        while !self.ended.is_cancelled() {
            let mut batch = Vec::new();
            tokio::select! {
                () = self.ended.cancelled() => break,
                count = ended.recv_many(&mut batch, BATCH) => if count == 0 { break },
            }
            let collecting = async {
                while batch.len() < BATCH {
                    let room = BATCH - batch.len();
                    if ended.recv_many(&mut batch, room).await == 0 {
                        break;
                    }
                }
            };
            tokio::select! {
                () = self.ended.cancelled() => {}
                _ = timeout(LINGER, collecting) => {}
            }
            self.send(batch, &mut outage).await;
        }
        loop {
            let mut batch = Vec::new();
            while batch.len() < BATCH
                && let Ok(span) = ended.try_recv()
            {
                batch.push(span);
            }
            if batch.is_empty() {
                return;
            }
            self.send(batch, &mut outage).await;
        }
    }

    /// Sends spans; again after a pause if the collector may take them later and the server has not ended.
    async fn send(&self, batch: Vec<SpanData>, outage: &mut Outage) {
        let count = batch.len() as u64;
        let resource = ResourceAttributesWithSchema::from(&self.resource);
        let request =
            ExportTraceServiceRequest { resource_spans: group_spans_by_resource_and_scope(batch, &resource) };
        let mut pauses = PAUSES.iter();
        loop {
            match self.transport.spans(request.clone()).await {
                Ok(refused) => {
                    outage.ended();
                    self.counts.spans.fetch_add(count.saturating_sub(refused), Ordering::Relaxed);
                    self.counts.failed.fetch_add(refused, Ordering::Relaxed);
                    return;
                }
                Err(error) => {
                    outage.began(&error);
                    let pause = pauses.next().filter(|_| error.is_temporary && !self.ended.is_cancelled());
                    let Some(pause) = pause else { break };
                    tokio::select! {
                        () = self.ended.cancelled() => {}
                        () = sleep(*pause) => {}
                    }
                }
            }
        }
        self.counts.failed.fetch_add(count, Ordering::Relaxed);
    }

    /// Sends the metrics at this interval, and once more when the server has ended. An export that fails is not repeated:
    /// the next one has its numbers.
    pub(super) async fn metrics(self: Arc<Self>, metrics: Metrics, every: Duration) {
        let mut outage = Outage::new("metrics");
        let mut is_last = false;
        while !is_last {
            tokio::select! {
                () = self.ended.cancelled() => is_last = true,
                () = sleep(every) => {}
            }
            let of_page = metrics.clone();
            // It reads the size of files, so it may wait for a disk.
            let Ok(metrics) = tokio::task::spawn_blocking(move || of_page.otlp()).await else { return };
            match self.transport.metrics(self.request(metrics)).await {
                Ok(()) => {
                    outage.ended();
                    self.counts.metrics.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    outage.began(&error);
                    self.counts.metrics_failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    fn request(&self, metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
        let resource = ResourceAttributesWithSchema::from(&self.resource);
        let scope = InstrumentationScope {
            name: SCOPE.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let scope_metrics = ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() };
        ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(ProtoResource {
                    attributes: resource.attributes.0,
                    ..ProtoResource::default()
                }),
                scope_metrics: vec![scope_metrics],
                ..ResourceMetrics::default()
            }],
        }
    }
}

/// Whether a kind of export fails, for the log: its beginning and its end have a line.
struct Outage {
    of: &'static str,
    fails: bool,
}

impl Outage {
    fn new(of: &'static str) -> Self {
        Self { of, fails: false }
    }

    fn began(&mut self, error: &SendError) {
        if !std::mem::replace(&mut self.fails, true) {
            tracing::warn!(exported = self.of, %error, "the OTLP collector does not take what is exported");
        }
    }

    fn ended(&mut self) {
        if std::mem::replace(&mut self.fails, false) {
            tracing::info!(exported = self.of, "the OTLP collector takes what is exported again");
        }
    }
}
