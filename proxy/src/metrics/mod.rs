//! The metrics of a gateway: what it counts as it works, and a page of them in the text format of OpenMetrics.
//!
//! Counting takes no lock: each number is an atomic that a call adds to, and the page is made from them when it is asked for.
//! The number of series has a bound that does not depend on clients: methods and statuses are those of the schema, and
//! namespaces are the busiest only.

mod calls;
mod namespaces;
mod otlp;
mod page;
mod process;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use opentelemetry_proto::tonic::metrics::v1::Metric;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

pub(crate) use self::calls::{Calls, EndedCall};
use self::otlp::OtlpPage;
pub(crate) use self::page::Page;

/// The number of namespaces with series under their names, unless it is configured.
pub const DEFAULT_NAMESPACES: usize = 20;
/// The most that can be configured.
pub const MAX_NAMESPACES: usize = 1_000;

/// The metrics of a gateway. Clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    namespaces: usize,
    calls: Calls,
    connections: Connections,
    server: OnceLock<Box<dyn Source>>,
    log: OnceLock<Arc<AtomicU64>>,
    version: OnceLock<String>,
    exported: OnceLock<Arc<ExportCounts>>,
    started: SystemTime,
}

/// A part of a gateway whose state is read when a page is made.
pub(crate) trait Source: Send + Sync {
    /// Adds its metrics.
    fn write(&self, page: &mut Page<'_>) -> fmt::Result;

    /// Whether calls can be served, and if not, why.
    fn readiness(&self) -> Result<(), String>;
}

/// What became of spans and metrics that are exported over OTLP.
#[derive(Debug, Default)]
pub(crate) struct ExportCounts {
    /// Spans that the collector has taken.
    pub(crate) spans: AtomicU64,
    /// Spans that found the queue full.
    pub(crate) overflowed: AtomicU64,
    /// Spans that the collector refused, or that could not be sent.
    pub(crate) failed: AtomicU64,
    /// Exports of the metrics.
    pub(crate) metrics: AtomicU64,
    /// Exports of the metrics that failed.
    pub(crate) metrics_failed: AtomicU64,
}

impl ExportCounts {
    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        page.counter(
            "prism_otlp_spans",
            "Spans that the OTLP collector has taken",
            [([], count(&self.spans))],
        )?;
        page.counter(
            "prism_otlp_spans_dropped",
            "Spans that were not sent: the queue was full, or the OTLP collector did not take them",
            [
                ([("reason", "queue_full")], count(&self.overflowed)),
                ([("reason", "failed")], count(&self.failed)),
            ],
        )?;
        page.counter(
            "prism_otlp_metric_exports",
            "Exports of the metrics over OTLP",
            [
                ([("result", "taken")], count(&self.metrics)),
                ([("result", "failed")], count(&self.metrics_failed)),
            ],
        )
    }
}

/// What is counted of connections.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    pub(crate) accepted: AtomicU64,
    pub(crate) received_bytes: AtomicU64,
    pub(crate) sent_bytes: AtomicU64,
    failed: [AtomicU64; HandshakeFailure::ALL.len()],
}

/// Why a connection ended before its first request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandshakeFailure {
    /// The client closed it.
    Closed,
    /// The client does not speak HTTP/2.
    NotHttp2,
    /// TLS or the network failed.
    Failed,
    /// Too many connections were in their handshake.
    Evicted,
    /// It took too long, or no connection became free.
    TimedOut,
}

impl HandshakeFailure {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Closed, "closed"),
        (Self::NotHttp2, "not_http2"),
        (Self::Failed, "failed"),
        (Self::Evicted, "evicted"),
        (Self::TimedOut, "timed_out"),
    ];
}

impl Connections {
    /// Counts a failed handshake.
    pub(crate) fn failed(&self, why: HandshakeFailure) {
        self.failed[why as usize].fetch_add(1, Ordering::Relaxed);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new(DEFAULT_NAMESPACES)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Metrics with series for at most so many namespaces, the busiest; the others are counted together.
    pub fn new(namespaces: usize) -> Self {
        let namespaces = namespaces.min(MAX_NAMESPACES);
        Self(Arc::new(Inner {
            namespaces,
            calls: Calls::new(crate::server::method_names(), namespaces),
            connections: Connections::default(),
            server: OnceLock::new(),
            log: OnceLock::new(),
            version: OnceLock::new(),
            exported: OnceLock::new(),
            started: SystemTime::now(),
        }))
    }

    /// Where dropped log lines are counted.
    pub fn set_dropped_log_lines(&self, dropped: Arc<AtomicU64>) {
        let _ = self.0.log.set(dropped);
    }

    /// Where exports over OTLP are counted.
    pub(crate) fn set_exported(&self, counts: Arc<ExportCounts>) {
        let _ = self.0.exported.set(counts);
    }

    /// The server whose state is on the page, once it runs.
    pub(crate) fn set_server(&self, version: String, server: Box<dyn Source>) {
        let _ = self.0.version.set(version);
        let _ = self.0.server.set(server);
    }

    /// Maximum namespaces with series.
    pub(crate) fn namespaces(&self) -> usize {
        self.0.namespaces
    }

    /// The calls.
    pub(crate) fn calls(&self) -> &Calls {
        &self.0.calls
    }

    /// The connections.
    pub(crate) fn connections(&self) -> &Connections {
        &self.0.connections
    }

    /// The page, in the text format of OpenMetrics 1.0. Reads the size of files, so it may wait for a disk.
    pub fn page(&self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(PageCollector(self.clone())));
        let mut page = String::new();
        // A string takes everything.
        let _ = encode(&mut page, &registry);
        page
    }

    /// The same for OTLP.
    pub(crate) fn otlp(&self) -> Vec<Metric> {
        let mut page = OtlpPage::since(self.0.started);
        // A vector takes everything.
        let _ = self.write(&mut Page::otlp(&mut page));
        page.into_metrics()
    }

    /// Whether calls can be served, and if not, why.
    ///
    /// # Errors
    /// Why not, for an operator.
    pub fn readiness(&self) -> Result<(), String> {
        match self.0.server.get() {
            Some(server) => server.readiness(),
            None => Err("the backends are being opened".to_owned()),
        }
    }

    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let Inner { calls, connections, server, log, version, exported, .. } = &*self.0;
        if let Some(version) = version.get() {
            page.gauge(
                "prism_build_info",
                "Version of the gateway",
                [([("version", version.as_str())], 1_u64)],
            )?;
        }
        process::write(page)?;
        calls.write(page)?;
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        page.counter(
            "prism_connections_accepted",
            "Connections that were accepted, before their handshake",
            [([], count(&connections.accepted))],
        )?;
        let failed = HandshakeFailure::ALL
            .map(|(why, name)| ([("reason", name)], count(&connections.failed[why as usize])));
        page.counter("prism_handshakes_failed", "Connections that ended before their first request", failed)?;
        page.counter(
            "prism_received_bytes",
            "Bytes that clients sent on their connections, without TLS",
            [([], count(&connections.received_bytes))],
        )?;
        page.counter(
            "prism_sent_bytes",
            "Bytes sent to clients on their connections, without TLS",
            [([], count(&connections.sent_bytes))],
        )?;
        if let Some(log) = log.get() {
            page.counter(
                "prism_log_lines_dropped",
                "Log lines that standard error did not take in time",
                [([], count(log))],
            )?;
        }
        if let Some(exported) = exported.get() {
            exported.write(page)?;
        }
        server.get().map_or(Ok(()), |server| server.write(page))
    }
}

/// Writes the page for the encoder.
#[derive(Debug)]
struct PageCollector(Metrics);

impl Collector for PageCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.write(&mut Page::text(encoder))
    }
}
