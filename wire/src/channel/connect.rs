//! Connection options: endpoint, credentials, TLS and timeouts.

use std::fmt;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{self, Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use super::diagnosis::Diagnosis;
use super::fault::{Fault, reasons};
use super::socket;

/// Idle time before a keep-alive ping, and the timeout of the ping.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Added to the connect timeout for the server's first bytes, so that a call with a deadline of the connect timeout ends by
/// its deadline.
const FIRST_BYTES_MARGIN: Duration = Duration::from_millis(500);

/// Connection options. Certificates and keys are PEM.
#[derive(Clone)]
pub struct Options {
    /// `http://host:port`, or `https://host:port` for TLS; `http` if there is no scheme. No path and no user.
    pub endpoint: String,
    /// Sent as a bearer token with each call.
    pub token: Option<String>,
    /// The trusted certificate authorities; `None`: those of this machine.
    pub ca: Option<Vec<u8>>,
    /// The client's certificate and key, for a server that requires one.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// The name expected in the server's certificate; `None`: the endpoint's host.
    pub server_name: Option<String>,
    /// Time limit for connecting, from name resolution to the end of the TLS handshake, for each connection attempt. A
    /// server without TLS has the same time plus half a second for its first bytes.
    pub connect_timeout: Duration,
    /// The timeout of each call, for a Scan of each stream; `None`: the server's.
    pub timeout: Option<Duration>,
}

/// Why a connection was not made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The endpoint is not an address. Only its scheme is shown: it may contain a password.
    #[error(
        "{0} is not the address of a server; write http://host:port or https://host:port, and nothing else"
    )]
    Endpoint(String),
    /// The token cannot be sent in a header.
    #[error("the token holds a character that cannot be sent; only printable ASCII is allowed")]
    Token,
    /// Certificates were given for a connection without TLS.
    #[error("certificates need TLS; write the endpoint as https://host:port")]
    NotTls,
    /// The certificates are unusable.
    #[error("the certificates cannot be used: {}", reasons(.0))]
    Tls(#[source] transport::Error),
    /// The server did not respond, or its certificate is not trusted.
    #[error("the server cannot be reached: {}", explained(.0))]
    Unreachable(#[source] transport::Error),
    /// Connecting took too long.
    #[error("the server cannot be reached: no connection within {0:?}")]
    TimedOut(Duration),
}

impl ConnectError {
    /// The diagnosed fault between client and server, if known.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Unreachable(error) => Fault::read(&reasons(error)),
            Self::Endpoint(_) | Self::Token | Self::NotTls | Self::Tls(_) | Self::TimedOut(_) => None,
        }
    }
}

/// An error with its causes and the diagnosed fault.
fn explained(error: &transport::Error) -> String {
    let line = reasons(error);
    match Fault::read(&line).map(|fault| fault.to_string()) {
        Some(fault) if !line.contains(&fault) => format!("{fault} ({line})"),
        Some(_) | None => line,
    }
}

impl Options {
    /// Default options for `endpoint`: no credentials, five seconds to connect.
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

    /// Connects within `connect_timeout`. The second part explains failures of calls whose connection broke.
    pub(super) async fn channel(&self) -> Result<(Channel, Diagnosis), ConnectError> {
        let endpoint = self.endpoint()?;
        let plaintext = endpoint.uri().scheme_str() != Some("https");
        let diagnosis = Diagnosis::new(!plaintext && self.identity.is_none());
        let first_bytes_timeout = self.connect_timeout + FIRST_BYTES_MARGIN;
        let connector =
            socket::connector(plaintext, self.connect_timeout, first_bytes_timeout, diagnosis.clone());
        // The endpoint limits each connection of the channel, including later ones; this also limits what precedes them.
        match tokio::time::timeout(self.connect_timeout, endpoint.connect_with_connector(connector)).await {
            Ok(Ok(channel)) => Ok((channel, diagnosis)),
            Ok(Err(error)) if reasons(&error).contains("deadline has elapsed") => {
                Err(ConnectError::TimedOut(self.connect_timeout))
            }
            Ok(Err(error)) => Err(ConnectError::Unreachable(error)),
            Err(_) => Err(ConnectError::TimedOut(self.connect_timeout)),
        }
    }

    /// An invalid endpoint as it may appear in a message: of `http://user:password@host` only the scheme.
    fn shown(&self) -> String {
        match self.endpoint.split_once("://") {
            Some((scheme, _)) if scheme.len() <= 10 && scheme.bytes().all(|c| c.is_ascii_alphabetic()) => {
                format!("'{scheme}://…'")
            }
            Some(_) | None => "the endpoint".to_owned(),
        }
    }

    /// The endpoint for tonic, ready to connect.
    pub fn endpoint(&self) -> Result<Endpoint, ConnectError> {
        /// Lets a scan's messages flow without a window update for each 64 KiB.
        const WINDOW: u32 = 1 << 20;
        let not_an_address = || ConnectError::Endpoint(self.shown());
        let address = match self.endpoint.split_once("://") {
            Some(("http" | "https", _)) => self.endpoint.clone(),
            Some(_) => return Err(not_an_address()),
            None => format!("http://{}", self.endpoint),
        };
        let endpoint = Endpoint::from_shared(address).map_err(|_| not_an_address())?;
        let uri = endpoint.uri();
        let is_address = uri.authority().is_some_and(|authority| {
            // `user:password` without a host parses with a non-numeric port.
            authority.as_str() == authority.host() || authority.port_u16().is_some()
        }) && !self.endpoint.contains('@')
            && matches!(uri.path(), "" | "/")
            && uri.query().is_none();
        if !is_address {
            return Err(not_an_address());
        }
        let tls = endpoint.uri().scheme_str() == Some("https");
        let endpoint = endpoint
            .connect_timeout(self.connect_timeout)
            // Detects a connection that vanished silently, even while a stream waits for its next message.
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
        tls = tls.timeout(self.connect_timeout);
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
    /// Shows whether a secret is set, never its value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("endpoint", if self.endpoint().is_ok() { &self.endpoint } else { &"***" })
            .field("token", &self.token.as_ref().map(|_| "***"))
            .field("ca", &self.ca.as_ref().map(Vec::len))
            .field("identity", &self.identity.as_ref().map(|_| "***"))
            .field("server_name", &self.server_name)
            .field("connect_timeout", &self.connect_timeout)
            .field("timeout", &self.timeout)
            .finish()
    }
}
