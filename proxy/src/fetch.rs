//! Fetches a small document over HTTP/1.1: no redirects, no proxies, a bounded size and a bounded time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::poll_fn;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{InvalidDnsNameError, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// Time limit for a document.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Why a document was not fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("no answer within 5 s")]
    Timeout,
    #[error("the URL has no host")]
    NoHost,
    #[error("the host is not a name: {0}")]
    Host(#[from] InvalidDnsNameError),
    #[error("the connection failed: {0}")]
    Connect(#[from] io::Error),
    #[error("TLS cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    #[error("HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("the request is invalid: {0}")]
    Request(#[from] http::Error),
    #[error("the answer is {0}; only 200 is accepted, redirects are not followed")]
    Status(StatusCode),
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// The document at a URL, of at most `max` bytes. The machine's certificate authorities are trusted.
pub(crate) async fn fetch(url: &Uri, max: usize) -> Result<Bytes, FetchError> {
    let roots = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    };
    timeout(TIMEOUT, fetch_trusting(url, max, roots)).await.unwrap_or(Err(FetchError::Timeout))
}

async fn fetch_trusting(
    url: &Uri,
    max: usize,
    roots: impl FnOnce() -> RootCertStore,
) -> Result<Bytes, FetchError> {
    let authority = url.authority().ok_or(FetchError::NoHost)?;
    let host = authority.host().trim_matches(['[', ']']);
    let is_tls = url.scheme_str() == Some("https");
    let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let stream = TcpStream::connect((host, port)).await?;
    if !is_tls {
        return get(stream, url, max).await;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots())
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned())?;
    get(TlsConnector::from(Arc::new(config)).connect(name, stream).await?, url, max).await
}

async fn get(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    url: &Uri,
    max: usize,
) -> Result<Bytes, FetchError> {
    let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(url.path_and_query().map_or("/", |path| path.as_str()))
        .header(HOST, url.authority().map_or("", |authority| authority.as_str()))
        .header(ACCEPT, "application/jwk-set+json, application/json, application/openmetrics-text")
        .header(USER_AGENT, concat!("prism/", env!("CARGO_PKG_VERSION")))
        .body(String::new())?;
    let document = async {
        let response = requests.send_request(request).await?;
        match response.status() {
            StatusCode::OK => read(response.into_body(), max).await,
            other => Err(FetchError::Status(other)),
        }
    };
    // The connection is driven until the document has arrived, and closed then.
    tokio::pin!(document, connection);
    tokio::select! {
        biased;
        document = &mut document => document,
        ended = &mut connection => match ended {
            Err(error) => Err(error.into()),
            // All has been read from it.
            Ok(()) => document.await,
        },
    }
}

async fn read(mut body: Incoming, max: usize) -> Result<Bytes, FetchError> {
    let mut document = Vec::new();
    while let Some(frame) = poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame?.into_data() else { continue };
        if document.len() + data.len() > max {
            return Err(FetchError::TooLarge(max));
        }
        document.extend_from_slice(&data);
    }
    Ok(document.into())
}

#[cfg(test)]
mod tests;
