//! Traces of calls, and their export and that of the metrics to a collector of OpenTelemetry, over OTLP.
//!
//! A traced call has a span (`Traces`), and the store that executes it makes spans below it (`prism_backends::trace`). All are
//! spans of the crate `tracing`; a layer of its subscriber turns them into those of OpenTelemetry, of which the ended ones are
//! queued and sent by a task.

mod context;
mod export;
mod queue;
mod sampler;
mod transport;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use opentelemetry::trace::{SpanContext, TraceContextExt, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler as SdkSampler, SdkTracer, SdkTracerProvider, SpanData};
use prism_backends::trace::TARGET;
use prism_contract::Namespace;
use prism_wire::status::code_name;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tracing::{Span, Subscriber, info_span};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::registry::LookupSpan;

pub(crate) use self::context::CallerTrace;
use self::export::{Exporter, SCOPE};
use self::queue::Queue;
use self::sampler::Sampler;
use self::transport::Transport;
use crate::config::Otlp;
use crate::metrics::{ExportCounts, Metrics};

/// Time for the last spans and metrics once the server has ended.
const LAST: Duration = Duration::from_secs(2);

/// Which calls of a server are traced; by default none. Clones share the decisions.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Sampler>>);

impl std::fmt::Debug for Traces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Traces").field(&self.0.is_some()).finish()
    }
}

/// The traced part of a call.
#[derive(Debug)]
pub(crate) struct CallSpan {
    /// Disabled unless the call is traced.
    pub(crate) span: Span,
    /// The trace of the caller, if it sent one.
    caller: Option<CallerTrace>,
    /// `None`: the call is not traced.
    context: Option<SpanContext>,
}

impl Traces {
    /// Begins a call of `method`; `None`: not a method of a Prism service.
    pub(crate) fn begin(&self, method: Option<&str>, headers: &HeaderMap, peer: Option<IpAddr>) -> CallSpan {
        let caller = CallerTrace::of(headers);
        let mut begun = CallSpan { span: Span::none(), caller, context: None };
        let (Some(sampler), Some(method)) = (&self.0, method) else { return begun };
        let parent = begun.caller.as_ref().and_then(|caller| caller.span(headers));
        let is_traced = match &parent {
            Some(parent) => parent.is_sampled() && sampler.admits(peer),
            None => sampler.samples(),
        };
        if is_traced {
            let span = info_span!(
                target: TARGET,
                parent: None,
                "call",
                otel.name = method,
                otel.kind = "server",
                rpc.system.name = "grpc",
                rpc.method = method,
                client.address = peer.map(tracing::field::display),
                prism.namespace = tracing::field::Empty,
                rpc.response.status_code = tracing::field::Empty,
                "error.type" = tracing::field::Empty,
                otel.status_code = tracing::field::Empty,
            );
            if let Some(parent) = parent {
                // It fails only if there is no layer that exports spans, as in a program with its own logging.
                let _ = span.set_parent(Context::new().with_remote_span_context(parent));
            }
            begun.context = Some(span.context().span().span_context().clone()).filter(SpanContext::is_valid);
            begun.span = span;
        }
        begun
    }
}

impl CallSpan {
    /// The id of the trace: of the call, or of the caller if the call is not traced.
    pub(crate) fn trace_id(&self) -> Option<String> {
        match &self.context {
            Some(context) => Some(context.trace_id().to_string()),
            None => self.caller.as_ref().and_then(CallerTrace::id).map(str::to_owned),
        }
    }

    /// Ends the call. The span is open until its clones are dropped too: a store may still execute a part of the call.
    pub(crate) fn end(&self, code: Code, namespace: Option<&Namespace>) {
        if self.span.is_disabled() {
            return;
        }
        let name = code_name(code);
        self.span.record("prism.namespace", namespace.map(Namespace::as_str));
        self.span.record("rpc.response.status_code", name);
        // By the conventions of OpenTelemetry, other codes are no errors of a server.
        let is_error = matches!(
            code,
            Code::Unknown
                | Code::DeadlineExceeded
                | Code::Unimplemented
                | Code::Internal
                | Code::Unavailable
                | Code::DataLoss
        );
        if is_error {
            self.span.record("error.type", name);
            self.span.record("otel.status_code", "ERROR");
        }
    }

    /// The header of the response that names the trace and the span, if the call is traced.
    pub(crate) fn response_header(&self) -> Option<HeaderValue> {
        let context = self.context.as_ref()?;
        HeaderValue::try_from(format!("00-{}-{}-01", context.trace_id(), context.span_id())).ok()
    }

    /// The id of the call's span, if it is traced.
    pub(crate) fn span_id(&self) -> Option<String> {
        self.context.as_ref().map(|context| context.span_id().to_string())
    }
}

/// The export to a collector.
pub struct Telemetry {
    provider: SdkTracerProvider,
    traces: Traces,
    ended_spans: mpsc::Receiver<SpanData>,
    exporter: Arc<Exporter>,
    config: Otlp,
}

/// The export while a server runs.
pub struct Exporting {
    ended: CancellationToken,
    tasks: JoinSet<()>,
}

impl Telemetry {
    /// The export that is configured; `None`: there is none. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Which key cannot be used, and why.
    pub fn new(config: &Otlp) -> Result<Option<Self>, String> {
        let Some(endpoint) = &config.endpoint else { return Ok(None) };
        let transport = Transport::new(endpoint, config)?;
        // OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME are read too, and come first.
        let detected = Resource::builder().build();
        let is_named = detected
            .get(&"service.name".into())
            .is_some_and(|name| !name.as_str().starts_with("unknown_service"));
        let mut resource = Resource::builder()
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", uuid::Uuid::now_v7().to_string()));
        if !is_named {
            resource = resource.with_service_name("prism");
        }
        let resource = resource.build();
        let counts = Arc::<ExportCounts>::default();
        let (queue, ended_spans) = Queue::new(Arc::clone(&counts));
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.clone())
            // A span is made only for what is traced.
            .with_sampler(SdkSampler::AlwaysOn)
            .with_span_processor(queue)
            .build();
        let ended = CancellationToken::new();
        Ok(Some(Self {
            provider,
            traces: Traces(Some(Arc::new(Sampler::new(config.sample, config.max_traces)))),
            ended_spans,
            exporter: Arc::new(Exporter { transport, resource, counts, ended }),
            config: config.clone(),
        }))
    }

    /// The layer that exports spans.
    pub(crate) fn layer<S: Subscriber + for<'s> LookupSpan<'s>>(&self) -> OpenTelemetryLayer<S, SdkTracer> {
        let tracer = self.provider.tracer(SCOPE);
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
    }

    /// Which calls are traced.
    pub fn traces(&self) -> Traces {
        self.traces.clone()
    }

    /// Exports spans, and the metrics if that is configured.
    pub fn start(self, metrics: &Metrics) -> Exporting {
        metrics.set_exported(Arc::clone(&self.exporter.counts));
        let ended = self.exporter.ended.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&self.exporter).spans(self.ended_spans));
        if let Some(every) = self.config.metrics_interval {
            tasks.spawn(self.exporter.metrics(metrics.clone(), every));
        }
        Exporting { ended, tasks }
    }
}

impl Exporting {
    /// Sends what is left, for at most two seconds.
    pub async fn close(self) {
        self.ended.cancel();
        // The tasks that are left are aborted.
        let _ = timeout(LAST, self.tasks.join_all()).await;
    }
}
