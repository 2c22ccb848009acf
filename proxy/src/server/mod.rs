//! Serves a backend over gRPC until told to stop.
//!
//! `run` is all there is to it: the command line and the tests call the same one. A call passes, from outside to inside:
//! the log, the table of statuses ([`prism_wire::layer`]), a net under panics, its deadline, its credentials, the bound on
//! calls in flight, and then the service. Each is a module of that name here. What is answered together is sent together
//! (`gather`).

mod auth;
mod call_log;
mod deadline;
mod gather;
mod health;
mod incoming;
mod methods;
mod panics;
mod reflection;
mod shed;
mod shutdown;
mod sweeper;

use std::sync::Arc;
use std::time::Duration;

use prism_contract::keyvalue::{Edge, KeyValueBackend};
use prism_wire::clock::{Clock, SystemClock};
use prism_wire::layer::StatusesLayer;
use prism_wire::server::Service;
use tokio::net::TcpListener;
use tonic::transport::{self, Certificate, Identity, ServerTlsConfig};
use tower::ServiceBuilder;

use self::gather::Gather;
use self::shed::InFlight;
pub use self::shutdown::Shutdown;
use crate::config::Token;

/// How to serve.
#[derive(Clone)]
pub struct Options {
    /// What Describe answers as the server's version.
    pub version: String,
    /// Tells the time of each request.
    pub clock: Arc<dyn Clock>,
    /// Who may call; empty: everybody may do everything.
    pub tokens: Vec<Token>,
    /// TLS, where it is spoken.
    pub tls: Option<TlsPem>,
    /// Most calls in flight; one more is answered RESOURCE_EXHAUSTED.
    pub max_in_flight: usize,
    /// Most connections; one more waits to be accepted.
    pub max_connections: usize,
    /// How long calls and streams in flight may take to end once the shutdown began.
    pub drain_timeout: Duration,
    /// How long to wait between two checks of the backend, and the longest that one may take.
    pub health_interval: Duration,
    /// How long to wait between two sweeps.
    pub sweep_interval: Duration,
}

/// What TLS needs, as PEM.
#[derive(Clone)]
pub struct TlsPem {
    /// The server's certificate, followed by those that vouch for it.
    pub cert: Vec<u8>,
    /// Its private key.
    pub key: Vec<u8>,
    /// Certificate authorities that each client must have a certificate of; `None`: clients need none.
    pub client_ca: Option<Vec<u8>>,
}

impl Default for Options {
    fn default() -> Self {
        let config = crate::config::Config::default();
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            clock: Arc::new(SystemClock),
            tokens: Vec::new(),
            tls: None,
            max_in_flight: config.server.max_in_flight,
            max_connections: config.server.max_connections,
            drain_timeout: config.server.drain_timeout,
            health_interval: config.health.interval,
            sweep_interval: config.database.sweep_interval,
        }
    }
}

/// Why serving ended or did not begin.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The certificate or the key is not usable.
    #[error("the TLS certificate, key or client CA cannot be used: {0:?}")]
    Tls(#[source] transport::Error),
    /// The transport failed.
    #[error("serving failed: {0:?}")]
    Transport(#[source] transport::Error),
    /// A descriptor is damaged, which a build cannot be.
    #[error("the descriptors for reflection cannot be read: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Calls that one connection may have open at once; more wait at the client.
const STREAMS_PER_CONNECTION: u32 = 1_000;
/// What a client may send of one request before it is told to go on. Larger than HTTP/2's 64 KiB, so that a Put of a
/// few values does not wait for a round trip.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// A connection whose client has silently gone is noticed after these two.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves `backend` on `listener` until `shutdown` says to stop. Calls in flight are then given `drain_timeout` to end,
/// or as long as until `shutdown` says to abort; what is left is cut. The backend is closed last.
pub async fn run(
    backend: Arc<dyn KeyValueBackend>,
    listener: TcpListener,
    shutdown: Shutdown,
    options: Options,
) -> Result<(), RunError> {
    let mut server = transport::Server::builder()
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keepalive_interval(Some(PING_INTERVAL))
        .http2_keepalive_timeout(Some(PING_TIMEOUT));
    if let Some(tls) = &options.tls {
        server = server.tls_config(tls.config()).map_err(RunError::Tls)?;
    }
    let (health, health_service) = health::watch(Arc::clone(&backend), options.health_interval).await;
    let sweeper = sweeper::start(Arc::clone(&backend), Arc::clone(&options.clock), options.sweep_interval);

    let clock = Arc::clone(&options.clock);
    let edge = Edge::new(Arc::clone(&backend), options.version.as_str());
    let service = Service::new(edge, move || clock.now()).into_server();
    let calls = InFlight::at_most(options.max_in_flight);
    let layers = ServiceBuilder::new()
        .layer(call_log::CallLogLayer::new(health.suspicion()))
        .layer(StatusesLayer)
        .layer(panics::PanicsLayer)
        .layer(deadline::DeadlineLayer)
        .layer(auth::AuthLayer::new(options.tokens))
        .layer(shed::ShedLayer::new(&calls))
        .into_inner();
    let router = server
        .layer(layers)
        .add_service(service)
        .add_service(health_service)
        .add_service(reflection::v1()?)
        .add_service(reflection::v1alpha()?);

    let gather = move || Gather::new(calls.clone());
    let incoming = incoming::accept(listener, options.max_connections, shutdown.abort_token(), gather);
    let draining = {
        let (shutdown, health) = (shutdown.clone(), health.clone());
        async move {
            shutdown.draining().await;
            tracing::info!("draining: no new connections; calls in flight may end");
            health.drain().await;
        }
    };
    let cut = shutdown.abort_after_drain(options.drain_timeout);
    let outcome = router.serve_with_incoming_shutdown(incoming, draining).await;
    drop(cut);
    health.stop();
    sweeper.abort();
    backend.close().await;
    tracing::info!("stopped");
    outcome.map_err(RunError::Transport)
}

impl TlsPem {
    fn config(&self) -> ServerTlsConfig {
        let config = ServerTlsConfig::new().identity(Identity::from_pem(&self.cert, &self.key));
        match &self.client_ca {
            Some(ca) => config.client_ca_root(Certificate::from_pem(ca)),
            None => config,
        }
    }
}
