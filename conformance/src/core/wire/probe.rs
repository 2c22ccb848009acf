//! Diagnosis of servers that cannot be tested, with a helpful message.

use std::fmt;
use std::net::Ipv6Addr;
use std::time::Duration;

use prism_wire::channel::{ConnectError, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::transport::Uri;

use super::Remote;
use crate::core::{Failure, StatusCode, failure_text, span};

/// Timeout of the response to a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// The reason why a server cannot be tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreachable {
    /// Invalid address or credentials: the caller's mistake.
    Usage(String),
    /// No suitable server at the address.
    Unavailable(String),
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(why) | Self::Unavailable(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Unreachable {}

/// The result of probing an address.
enum Found {
    Nothing(String),
    Http(String),
    Tls,
    Other,
}

/// Explains a failed connection.
pub(super) async fn connect_error(options: &Options, error: &ConnectError) -> Unreachable {
    match error {
        ConnectError::Endpoint(_) => Unreachable::Usage(match with_brackets(&options.endpoint) {
            Some(url) => format!("{error}. An IPv6 address goes in brackets: {url}"),
            None => error.to_string(),
        }),
        ConnectError::Token | ConnectError::NotTls | ConnectError::Tls(_) => {
            Unreachable::Usage(error.to_string())
        }
        ConnectError::Unreachable(_) | ConnectError::TimedOut(_) => {
            Unreachable::Unavailable(explain(options, &error.to_string()).await)
        }
    }
}

/// Explains a failed Describe.
pub(super) async fn describe_error<A: Remote>(options: &Options, failure: &Failure) -> Unreachable {
    let address = &options.endpoint;
    if let Some(why) = refusal::<A>(failure) {
        return Unreachable::Unavailable(format!("{address} {why}"));
    }
    Unreachable::Unavailable(if is_unanswered::<A>(failure) {
        explain(options, &failure_text(failure)).await
    } else {
        format!("{address} {}", unexpected::<A>(failure))
    })
}

/// The full path of Describe.
pub(super) fn describe_path<A: Remote>() -> String {
    format!("/{}/Describe", A::SERVICE)
}

/// Explains an answer to Describe that another attempt would get, too; `None`: any other answer. The sentence begins after the
/// server's address.
pub(super) fn refusal<A: Remote>(failure: &Failure) -> Option<String> {
    let path = describe_path::<A>();
    match failure.code {
        StatusCode::Unimplemented => Some(format!(
            "speaks gRPC but answers UNIMPLEMENTED to {path}, so it is not a {} server of Prism, or it does not declare its \
             capabilities (CAP-1). Implement that method, or give the address of a server that does.",
            A::CONTRACT.name
        )),
        StatusCode::Unauthenticated => Some(format!(
            "answers UNAUTHENTICATED to {path}. Give a token with --token-file FILE or PRISM_TOKEN."
        )),
        StatusCode::PermissionDenied => Some(format!(
            "answers PERMISSION_DENIED to {path}. The suite needs a token that may read and write in every namespace that \
             starts with {}.",
            A::NAMESPACES
                .iter()
                .map(|start| format!("'{start}conformance-'"))
                .collect::<Vec<_>>()
                .join(" or ")
        )),
        StatusCode::Ok
        | StatusCode::Cancelled
        | StatusCode::Unknown
        | StatusCode::InvalidArgument
        | StatusCode::DeadlineExceeded
        | StatusCode::NotFound
        | StatusCode::AlreadyExists
        | StatusCode::ResourceExhausted
        | StatusCode::FailedPrecondition
        | StatusCode::Aborted
        | StatusCode::OutOfRange
        | StatusCode::Internal
        | StatusCode::Unavailable
        | StatusCode::DataLoss => None,
    }
}

/// Explains any other failure of Describe.
pub(super) fn unexpected<A: Remote>(failure: &Failure) -> String {
    let path = describe_path::<A>();
    if is_unanswered::<A>(failure) {
        return format!("does not answer: {}", failure_text(failure));
    }
    let failure = failure_text(failure);
    format!("answers {failure} to {path}; wanted is OK with the server's capabilities and limits (CAP-1).")
}

/// Whether a failure of Describe is the client's: its message begins with the path.
fn is_unanswered<A: Remote>(failure: &Failure) -> bool {
    failure.message.starts_with(&describe_path::<A>()) && failure.code != StatusCode::Unimplemented
}

/// Probes the address and explains the result; `otherwise` is the error of the gRPC client.
async fn explain(options: &Options, otherwise: &str) -> String {
    let Options { endpoint, connect_timeout, .. } = options;
    let Some((host, port, tls)) = target(endpoint) else { return otherwise.to_owned() };
    let found = probe(&host, port, *connect_timeout).await;
    // In URL form, so that it can be pasted.
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    match found {
        Found::Nothing(why) => format!(
            "Nothing listens on {host}:{port} ({why}). Start the server, or let the suite start it with --spawn 'COMMAND'."
        ),
        Found::Http(line) if tls => format!(
            "{host}:{port} speaks plain HTTP ('{line}') and not TLS. Write http://{host}:{port} for a server without TLS."
        ),
        Found::Http(line) => format!(
            "{host}:{port} is a plain HTTP/1 server (it answered '{line}') and not a gRPC server, which speaks HTTP/2. \
             Is it the right port?"
        ),
        Found::Tls if !tls => format!(
            "{host}:{port} requires TLS. Write https://{host}:{port}, and --tls-ca FILE unless this machine trusts its \
             certificate."
        ),
        Found::Tls | Found::Other if tls => format!(
            "The TLS connection to {host}:{port} failed: {otherwise}. Check --tls-ca and --tls-domain, and whether the \
             server speaks TLS at all."
        ),
        Found::Tls | Found::Other => format!(
            "Something listens on {host}:{port}, but it does not answer as a gRPC server does: {otherwise}."
        ),
    }
}

/// The intended URL of an IPv6 address without brackets; `None`: not an IPv6 address.
fn with_brackets(endpoint: &str) -> Option<String> {
    let (scheme, rest) = endpoint.split_once("://").unwrap_or(("http", endpoint));
    let rest = rest.trim_end_matches('/');
    // The last group of `::1:8980` is the port, which is required.
    let (host, port) = rest.rsplit_once(':')?;
    let (host, port): (Ipv6Addr, u16) = (host.parse().ok()?, port.parse().ok()?);
    Some(format!("{scheme}://[{host}]:{port}"))
}

/// Host, port, and whether TLS is requested.
fn target(endpoint: &str) -> Option<(String, u16, bool)> {
    let with_scheme =
        if endpoint.contains("://") { endpoint.to_owned() } else { format!("http://{endpoint}") };
    let uri: Uri = with_scheme.parse().ok()?;
    let tls = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    Some((uri.host()?.trim_matches(['[', ']']).to_owned(), port, tls))
}

/// Sends an HTTP/1 request: an HTTP server answers with HTTP, a TLS server with an alert.
async fn probe(host: &str, port: u16, connect_timeout: Duration) -> Found {
    let mut stream = match timeout(connect_timeout, TcpStream::connect((host, port))).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Found::Nothing(error.to_string()),
        Err(_) => return Found::Nothing(format!("no answer within {}", span(connect_timeout))),
    };
    let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    if stream.write_all(request.as_bytes()).await.is_err() {
        return Found::Other;
    }
    let mut answer = [0; 512];
    let read = timeout(PROBE_TIMEOUT, stream.read(&mut answer)).await;
    let answer = &answer[..read.map_or(0, |read| read.unwrap_or(0))];
    match answer {
        [0x15 | 0x16, 0x03, ..] => Found::Tls,
        _ if answer.starts_with(b"HTTP/") => {
            let line = answer.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
            let line = String::from_utf8_lossy(line).into_owned();
            // Some TLS servers answer in plain HTTP that they require TLS.
            let requires_tls = String::from_utf8_lossy(answer).contains("HTTPS server");
            if requires_tls { Found::Tls } else { Found::Http(line) }
        }
        _ => Found::Other,
    }
}
