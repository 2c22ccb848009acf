//! A collector of OpenTelemetry in the process of a test, over gRPC or HTTP.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// How a collector answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Takes,
    /// It takes nothing, and asks to be called again.
    Unavailable,
    /// It does not answer.
    Hangs,
}

/// The requests that a collector has taken.
#[derive(Clone)]
pub(super) struct Collector {
    mode: Mode,
    pub(super) spans: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    pub(super) metrics: Arc<Mutex<Vec<ExportMetricsServiceRequest>>>,
    pub(super) headers: Arc<Mutex<BTreeSet<String>>>,
}

impl Collector {
    pub(super) fn new(mode: Mode) -> Self {
        Self { mode, spans: Arc::default(), metrics: Arc::default(), headers: Arc::default() }
    }

    async fn answer<T>(&self, taken: &Mutex<Vec<T>>, request: T, scope: Option<&str>) -> Result<(), Status> {
        match self.mode {
            Mode::Takes => {
                self.headers.lock().unwrap().insert(scope.unwrap_or_default().to_owned());
                taken.lock().unwrap().push(request);
                Ok(())
            }
            Mode::Unavailable => Err(Status::unavailable("not now")),
            Mode::Hangs => std::future::pending().await,
        }
    }

    async fn http(
        self,
        request: hyper::Request<Incoming>,
    ) -> Result<hyper::Response<Full<Bytes>>, std::convert::Infallible> {
        assert_eq!(request.headers()["content-type"], "application/x-protobuf");
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let scope = parts.headers.get("x-scope").map(|scope| scope.to_str().unwrap());
        let answered = match parts.uri.path() {
            "/base/v1/traces" => self.answer(&self.spans, Message::decode(body).unwrap(), scope).await,
            "/base/v1/metrics" => self.answer(&self.metrics, Message::decode(body).unwrap(), scope).await,
            path => panic!("posted to {path}"),
        };
        let status = if answered.is_ok() { 200 } else { 503 };
        Ok(hyper::Response::builder().status(status).body(Full::default()).unwrap())
    }

    /// Serves; returns the URL for the configuration.
    pub(super) async fn serve(&self, protocol: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let collector = self.clone();
        if protocol == "http" {
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let collector = collector.clone();
                    let service = service_fn(move |request| collector.clone().http(request));
                    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
                }
            });
            return format!("http://{address}/base/");
        }
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(collector.clone()))
            .add_service(MetricsServiceServer::new(collector))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        format!("http://{address}")
    }

    pub(super) fn all_spans(&self) -> Vec<Span> {
        let requests = self.spans.lock().unwrap();
        let scopes =
            requests.iter().flat_map(|request| &request.resource_spans).flat_map(|of| &of.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }
}

fn scope<T>(request: &Request<T>) -> Option<String> {
    request.metadata().get("x-scope").map(|scope| scope.to_str().unwrap().to_owned())
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scope = scope(&request);
        self.answer(&self.spans, request.into_inner(), scope.as_deref()).await?;
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let scope = scope(&request);
        self.answer(&self.metrics, request.into_inner(), scope.as_deref()).await?;
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
