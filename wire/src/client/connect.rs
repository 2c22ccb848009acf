//! Where a server is, and how a client makes itself known to it.

use std::fmt;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{self, Certificate, ClientTlsConfig, Endpoint, Identity};

/// How long a connection may say nothing before it is asked whether it is there, and how long its answer may take.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How to connect. Certificates and keys are PEM.
#[derive(Clone)]
pub struct Options {
    /// `http://host:port`, or `https://host:port` for TLS; without a scheme, `http`.
    pub endpoint: String,
    /// Sent as a bearer token with each call.
    pub token: Option<String>,
    /// Whom to trust with the server's certificate; `None`: the certificate authorities of this machine.
    pub ca: Option<Vec<u8>>,
    /// The client's own certificate and its key, for a server that asks for one.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// The name that the server's certificate must bear; `None`: the endpoint's host.
    pub server_name: Option<String>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// The deadline of each call, which for a Scan is that of one stream; `None`: the server's own.
    pub timeout: Option<Duration>,
}

/// Why a connection was not made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The endpoint is not an address.
    #[error("'{0}' is not an address of a server; write http://host:port or https://host:port")]
    Endpoint(String),
    /// The token cannot be sent.
    #[error("the token holds a character that cannot be sent; only printable ASCII is allowed")]
    Token,
    /// Certificates were given for a connection without TLS.
    #[error("certificates need TLS; write the endpoint as https://host:port")]
    NotTls,
    /// The certificates are not usable.
    #[error("the certificates cannot be used: {}", reasons(.0))]
    Tls(#[source] transport::Error),
    /// The server did not answer, or is not one that the certificates vouch for.
    #[error("the server cannot be reached: {}", reasons(.0))]
    Unreachable(#[source] transport::Error),
}

/// An error and what lies behind it, in one line.
fn reasons(error: &transport::Error) -> String {
    let mut line = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        line = format!("{line}: {error}");
        source = error.source();
    }
    line
}

impl Options {
    /// Plain options for `endpoint`: no credentials, five seconds to connect.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Self {
            endpoint: endpoint.into(),
            token: None,
            ca: None,
            identity: None,
            server_name: None,
            connect_timeout: Duration::from_secs(5),
            timeout: None,
        }
    }

    /// The endpoint as tonic takes it, ready to connect.
    pub fn endpoint(&self) -> Result<Endpoint, ConnectError> {
        /// Lets a scan's messages flow without waiting for the reader's word on each 64 KiB.
        const WINDOW: u32 = 1 << 20;
        let not_an_address = || ConnectError::Endpoint(self.endpoint.clone());
        let address = match self.endpoint.split_once("://") {
            Some(("http" | "https", _)) => self.endpoint.clone(),
            Some(_) => return Err(not_an_address()),
            None => format!("http://{}", self.endpoint),
        };
        let endpoint = Endpoint::from_shared(address).map_err(|_| not_an_address())?;
        if endpoint.uri().authority().is_none() {
            return Err(not_an_address());
        }
        let tls = endpoint.uri().scheme_str() == Some("https");
        let endpoint = endpoint
            .connect_timeout(self.connect_timeout)
            // A connection that has silently gone is noticed, also under a stream that waits for its next message.
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(2 * WINDOW);
        if tls {
            return endpoint.tls_config(self.tls()).map_err(ConnectError::Tls);
        }
        if self.ca.is_some() || self.identity.is_some() || self.server_name.is_some() {
            return Err(ConnectError::NotTls);
        }
        Ok(endpoint)
    }

    fn tls(&self) -> ClientTlsConfig {
        let mut tls = match &self.ca {
            Some(ca) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        if let Some((certificate, key)) = &self.identity {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        if let Some(name) = &self.server_name {
            tls = tls.domain_name(name);
        }
        tls
    }

    pub(super) fn bearer(&self) -> Result<Option<MetadataValue<Ascii>>, ConnectError> {
        let Some(token) = &self.token else { return Ok(None) };
        let mut bearer: MetadataValue<Ascii> =
            format!("Bearer {token}").parse().map_err(|_| ConnectError::Token)?;
        bearer.set_sensitive(true);
        Ok(Some(bearer))
    }
}

impl fmt::Debug for Options {
    /// Says whether there is a secret, and never what it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("endpoint", &self.endpoint)
            .field("token", &self.token.as_ref().map(|_| "***"))
            .field("ca", &self.ca.as_ref().map(Vec::len))
            .field("identity", &self.identity.as_ref().map(|_| "***"))
            .field("server_name", &self.server_name)
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .finish()
    }
}
