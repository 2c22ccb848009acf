//! A client of HTTP/1.1 for small documents: no redirects, no proxies, a bounded size and a bounded time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::poll_fn;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// The program, for the servers.
const AGENT: &str = concat!("prism/", env!("CARGO_PKG_VERSION"));
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

/// The certificate authorities that are trusted.
#[derive(Clone)]
pub(crate) enum Roots {
    /// Those of the machine.
    Machine,
    /// These.
    These(Arc<RootCertStore>),
}

impl Roots {
    /// Those in this file in PEM; `None`: those of the machine.
    ///
    /// # Errors
    /// If the file has none.
    pub(crate) fn of(pem: Option<&[u8]>) -> Result<Self, String> {
        let Some(pem) = pem else { return Ok(Self::Machine) };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|why| format!("the file is not PEM: {why}"))?;
            roots.add(certificate).map_err(|why| format!("a certificate cannot be used: {why}"))?;
        }
        if roots.is_empty() {
            return Err("the file has no certificate in PEM".to_owned());
        }
        Ok(Self::These(Arc::new(roots)))
    }

    fn store(&self) -> Arc<RootCertStore> {
        match self {
            Self::Machine => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                Arc::new(roots)
            }
            Self::These(roots) => Arc::clone(roots),
        }
    }
}

/// The document at a URL, of at most `max` bytes. The machine's certificate authorities are trusted.
pub(crate) async fn fetch(url: &Uri, max: usize) -> Result<Bytes, FetchError> {
    timeout(TIMEOUT, get(url, &Roots::Machine, max)).await.unwrap_or(Err(FetchError::Timeout))
}

async fn get(url: &Uri, roots: &Roots, max: usize) -> Result<Bytes, FetchError> {
    let accepted = "application/jwk-set+json, application/json, application/openmetrics-text";
    send(Request::get(path(url)).header(ACCEPT, accepted).body(Full::default())?, url, roots, max).await
}

/// Posts `body` to a URL; the answer is of at most `max` bytes. The caller limits the time.
pub(crate) async fn post(
    url: &Uri,
    headers: HeaderMap,
    body: Bytes,
    roots: &Roots,
    max: usize,
) -> Result<Bytes, FetchError> {
    let mut request = Request::post(path(url)).body(Full::new(body))?;
    *request.headers_mut() = headers;
    send(request, url, roots, max).await
}

fn path(url: &Uri) -> &str {
    url.path_and_query().map_or("/", |path| path.as_str())
}

async fn send(
    request: Request<Full<Bytes>>,
    url: &Uri,
    roots: &Roots,
    max: usize,
) -> Result<Bytes, FetchError> {
    let authority = url.authority().ok_or(FetchError::NoHost)?;
    let host = authority.host().trim_matches(['[', ']']);
    let is_tls = url.scheme_str() == Some("https");
    let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let stream = TcpStream::connect((host, port)).await?;
    if !is_tls {
        return exchange(stream, request, authority.as_str(), max).await;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots.store())
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned())?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    exchange(stream, request, authority.as_str(), max).await
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    mut request: Request<Full<Bytes>>,
    host: &str,
    max: usize,
) -> Result<Bytes, FetchError> {
    let (mut requests, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let of_transport = [
        (HOST, HeaderValue::from_str(host).map_err(http::Error::from)?),
        (USER_AGENT, HeaderValue::from_static(AGENT)),
    ];
    // The host comes first, as HTTP recommends.
    let others = std::mem::take(request.headers_mut());
    request.headers_mut().extend(of_transport);
    request.headers_mut().extend(others);
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
