//! Sends requests of OTLP to a collector, over gRPC or HTTP.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Uri};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

use crate::config::{Otlp, OtlpProtocol};
use crate::fetch::{FetchError, Roots, post};

/// Time limit of one request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum bytes of an answer.
const MAX_ANSWER: usize = 64 << 10;
/// Headers that a file must not set: those of the transport.
const RESERVED: [&str; 6] =
    ["content-type", "content-length", "host", "te", "connection", "transfer-encoding"];

/// The way to a collector. Clones share its connection.
#[derive(Clone)]
pub(super) struct Transport {
    headers: HeaderMap,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Grpc(Channel),
    Http { base: Uri, roots: Roots },
}

/// Why a request was not taken.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub(super) struct SendError {
    why: String,
    /// Whether it may be taken later.
    pub(super) is_temporary: bool,
}

impl SendError {
    fn new(why: impl Display, is_temporary: bool) -> Self {
        Self { why: why.to_string(), is_temporary }
    }
}

impl Transport {
    /// The way to the collector at `endpoint`. It connects when something is sent. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Which key of the configuration cannot be used, and why.
    pub(super) fn new(endpoint: &Uri, config: &Otlp) -> Result<Self, String> {
        let headers = config.headers_file.as_deref().map(headers).transpose()?.unwrap_or_default();
        let ca = config.ca.as_deref().map(|path| read("otlp.ca", path)).transpose()?;
        let kind = match config.protocol {
            OtlpProtocol::Grpc => Kind::Grpc(channel(endpoint, ca)?),
            OtlpProtocol::Http => {
                let roots = Roots::of(ca.as_deref()).map_err(|why| format!("otlp.ca: {why}"))?;
                Kind::Http { base: endpoint.clone(), roots }
            }
        };
        Ok(Self { headers, kind })
    }

    /// Sends spans; returns how many the collector refused.
    pub(super) async fn spans(&self, request: ExportTraceServiceRequest) -> Result<u64, SendError> {
        let answer = match &self.kind {
            Kind::Grpc(channel) => {
                let request = self.request(request);
                let answer = TraceServiceClient::new(channel.clone()).export(request).await;
                answer.map_err(|status| refused(&status))?.into_inner()
            }
            Kind::Http { base, roots } => {
                self.post::<ExportTraceServiceResponse>(base, "v1/traces", &request, roots).await?
            }
        };
        Ok(answer.partial_success.map_or(0, |partial| partial.rejected_spans.max(0).unsigned_abs()))
    }

    /// Sends metrics.
    pub(super) async fn metrics(&self, request: ExportMetricsServiceRequest) -> Result<(), SendError> {
        let answer = match &self.kind {
            Kind::Grpc(channel) => {
                let request = self.request(request);
                let answer = MetricsServiceClient::new(channel.clone()).export(request).await;
                answer.map_err(|status| refused(&status))?.into_inner()
            }
            Kind::Http { base, roots } => {
                self.post::<ExportMetricsServiceResponse>(base, "v1/metrics", &request, roots).await?
            }
        };
        match answer.partial_success.filter(|partial| partial.rejected_data_points > 0) {
            None => Ok(()),
            Some(partial) => Err(SendError::new(
                format!(
                    "the collector refused {} numbers: {}",
                    partial.rejected_data_points, partial.error_message
                ),
                false,
            )),
        }
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        *request.metadata_mut() = MetadataMap::from_headers(self.headers.clone());
        request
    }

    async fn post<A: Message + Default>(
        &self,
        base: &Uri,
        path: &str,
        message: &impl Message,
        roots: &Roots,
    ) -> Result<A, SendError> {
        let url = format!("{}/{path}", base.to_string().trim_end_matches('/'));
        let url: Uri = url.parse().map_err(|why| SendError::new(why, false))?;
        let mut headers = self.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let posting = post(&url, headers, message.encode_to_vec().into(), roots, MAX_ANSWER);
        let answer = tokio::time::timeout(TIMEOUT, posting)
            .await
            .map_err(|_| SendError::new("no answer within 10 s", true))?
            .map_err(|why| {
                let is_temporary = match &why {
                    FetchError::Status(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
                    _ => true,
                };
                SendError::new(why, is_temporary)
            })?;
        A::decode(answer)
            .map_err(|why| SendError::new(format!("the answer is not one of OTLP: {why}"), false))
    }
}

/// A status of a collector. Which are temporary is stated by OTLP.
fn refused(status: &Status) -> SendError {
    let is_temporary = matches!(
        status.code(),
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
            | Code::ResourceExhausted
    );
    SendError::new(
        format!("{}: {}", prism_wire::status::code_name(status.code()), status.message()),
        is_temporary,
    )
}

fn channel(endpoint: &Uri, ca: Option<Vec<u8>>) -> Result<Channel, String> {
    let channel = Endpoint::from(endpoint.clone()).connect_timeout(TIMEOUT).timeout(TIMEOUT);
    let channel = if endpoint.scheme_str() == Some("https") {
        let tls = match ca {
            Some(ca) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        channel.tls_config(tls).map_err(|why| format!("otlp.ca: {why}"))?
    } else {
        channel
    };
    Ok(channel.connect_lazy())
}

/// Reads a file. Its path is not in the message: it may be a misplaced secret.
fn read(key: &str, path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|why| format!("{key}: the file cannot be read: {why}"))
}

/// The headers in a file: a line `name: value` for each. No message has a value, which may be a secret.
fn headers(path: &Path) -> Result<HeaderMap, String> {
    const KEY: &str = "otlp.headers_file";
    let text = String::from_utf8(read(KEY, path)?).map_err(|_| format!("{KEY}: the file is not UTF-8"))?;
    let mut headers = HeaderMap::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        if line.starts_with('#') {
            continue;
        }
        let header = line.split_once(':').and_then(|(name, value)| {
            let name: HeaderName = name.trim().parse().ok()?;
            let mut value = HeaderValue::from_str(value.trim()).ok()?;
            value.set_sensitive(true);
            let is_allowed = !RESERVED.contains(&name.as_str()) && !name.as_str().starts_with("grpc-");
            is_allowed.then_some((name, value))
        });
        let (name, value) = header.ok_or_else(|| {
            format!(
                "{KEY}: line {number} is not a header; write name: value, and no header of the transport, such as content-type"
            )
        })?;
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn file(content: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, content).unwrap();
        file
    }

    #[test]
    fn a_file_of_headers_has_one_in_each_line() {
        let file = file("# of the collector\nauthorization: Bearer a:b\n\nX-Scope: one\nx-scope: two\n");
        let headers = headers(file.path()).unwrap();
        assert_eq!(headers["authorization"], "Bearer a:b");
        assert_eq!(headers.get_all("x-scope").iter().collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(headers.len(), 3);
    }

    #[rstest]
    #[case("a: b\nsecret\n", 2)]
    #[case("a secret: b\n", 1)]
    #[case("a: sec\u{7f}ret\n", 1)]
    #[case("Content-Type: secret\n", 1)]
    #[case("grpc-timeout: secret\n", 1)]
    fn a_wrong_line_is_refused_by_its_number_alone(#[case] content: &str, #[case] number: usize) {
        let refused = headers(file(content).path()).unwrap_err();
        assert!(
            refused.starts_with(&format!("otlp.headers_file: line {number} is not a header;")),
            "{refused}"
        );
        assert!(!refused.contains("secret"), "{refused}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_refused_by_its_key() {
        let refused = headers(Path::new("/nowhere/secret")).unwrap_err();
        assert!(refused.starts_with("otlp.headers_file: the file cannot be read: "), "{refused}");
        assert!(!refused.contains("secret"), "{refused}");
    }
}
