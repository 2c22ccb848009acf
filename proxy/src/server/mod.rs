//! Serves backends over gRPC until told to stop.
//!
//! `run` is all there is to it: the command line and the tests call the same one. A call passes, from outside to inside:
//! what gRPC is ([`prism_wire::http`]), the log, the table of statuses ([`prism_wire::layer`]), a net under panics, the bounds on
//! calls that need no token, its deadline, its credentials, the bound on open calls and its right to a slot
//! ([`prism_wire::slots`]), the bound on answers, and then the service. Each is a module of that name here; `call` is what they share of one call. `incoming`
//! accepts connections, `connection` knows how many there are, `serve` serves each; what is answered together is sent together
//! (`coalescing`).

mod answers;
mod auth;
mod buffers;
mod call;
mod call_log;
mod coalescing;
mod connection;
mod deadline;
mod health;
mod incoming;
mod io;
mod methods;
mod panics;
mod reflection;
mod serve;
mod services;
mod shed;
mod shutdown;
mod stream;
mod sweeper;
mod tls;
mod tokenless;

use std::sync::Arc;
use std::time::Duration;

use prism_contract::Lifecycle;
use prism_contract::keyvalue::Edge;
use prism_wire::clock::{Clock, SystemClock};
use prism_wire::http::RequestShapeLayer;
use prism_wire::keyvalue::Service;
use prism_wire::layer::StatusesLayer;
use prism_wire::one_message::OneMessage;
use prism_wire::slots::Slots;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use tonic::service::RoutesBuilder;
use tower::ServiceBuilder;
use tower::layer::layer_fn;

use self::buffers::Buffers;
use self::coalescing::WriteCoalescing;
use self::connection::Table;
use self::incoming::Acceptor;
use self::serve::{Age, Serving};
pub use self::services::Services;
pub use self::shutdown::Shutdown;
pub use self::tls::{TlsError, TlsPem};
use crate::config::Token;

/// Streams that may be open for each call that may be in work. Those that are not in work wait for their clients.
const OPEN_PER_SLOT: usize = 4;
/// Streams that may be open in any case.
const OPEN_AT_LEAST: usize = 4_096;

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
    /// Most calls in work, of which a namespace and a caller have their share; one more is answered RESOURCE_EXHAUSTED.
    pub max_in_flight: usize,
    /// Most connections. One more waits for `handshake_timeout`; one that is idle gives way to it.
    pub max_connections: usize,
    /// Most connections from one address; `None`: half of `max_connections`.
    pub max_connections_per_peer: Option<usize>,
    /// How long a new connection may take until it speaks HTTP/2, TLS included.
    pub handshake_timeout: Duration,
    /// When a client is asked to make a new connection; `None`: never.
    pub max_connection_age: Option<Duration>,
    /// How long calls on such a connection have to end.
    pub max_connection_age_grace: Duration,
    /// Most bytes of requests that are not complete and of answers that are not taken, for all connections. A connection that
    /// holds a sixteenth waits before it makes more, and is refused at a quarter.
    pub max_buffered_bytes: usize,
    /// How long calls and streams in flight may take to end once the shutdown began.
    pub drain_timeout: Duration,
    /// How long to wait between two checks of the backend, and the longest that one may take.
    pub health_interval: Duration,
    /// How long to wait between two sweeps.
    pub sweep_interval: Duration,
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
            max_connections_per_peer: config.server.max_connections_per_peer,
            handshake_timeout: config.server.handshake_timeout,
            max_connection_age: config.server.max_connection_age,
            max_connection_age_grace: config.server.max_connection_age_grace,
            max_buffered_bytes: config.server.max_buffered_bytes as usize,
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
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// A descriptor is damaged, which a build cannot be.
    #[error("the descriptors for reflection cannot be read: {0}")]
    Reflection(#[from] prism_wire::reflection::Damaged),
}

/// Serves `services` on `listener` until `shutdown` says to stop. Calls in flight are then given `drain_timeout` to end,
/// or as long as until `shutdown` says to abort; what is left is cut. The backends are closed last.
pub async fn run(
    services: impl Into<Services>,
    listener: TcpListener,
    shutdown: Shutdown,
    options: Options,
) -> Result<(), RunError> {
    let tls = options.tls.as_ref().map(TlsPem::acceptor).transpose()?;
    let services = services.into();
    let store: Arc<dyn Lifecycle> = Arc::new(services.clone());
    let (health, health_service) = health::watch(Arc::clone(&store), options.health_interval).await;
    let sweeper = sweeper::start(Arc::clone(&store), Arc::clone(&options.clock), options.sweep_interval);

    let clock = Arc::clone(&options.clock);
    let keyvalue = services.keyvalue.map(|backend| {
        Service::new(Edge::new(backend, options.version.as_str()), move || clock.now()).into_server()
    });
    let slots = Slots::new(options.max_in_flight);
    let reflection = reflection::all()?;
    let mut routes = RoutesBuilder::default();
    if let Some(keyvalue) = keyvalue {
        routes.add_service(keyvalue);
    }
    let routes = routes
        .routes()
        .add_service(OneMessage::new(health_service))
        .add_service(reflection.v1())
        .add_service(reflection.v1alpha())
        .prepare();
    let service = ServiceBuilder::new()
        .layer(RequestShapeLayer)
        .layer(call_log::layer(health.outcomes()))
        .layer(StatusesLayer)
        .layer(layer_fn(panics::Panics))
        .layer(tokenless::layer())
        .layer(layer_fn(deadline::Deadline))
        .layer(auth::layer(options.tokens))
        .layer(shed::layer(&slots))
        .layer(layer_fn(answers::Answers))
        .service(routes);

    let most_streams = options.max_in_flight.saturating_mul(OPEN_PER_SLOT).max(OPEN_AT_LEAST);
    let buffers = Buffers::new(options.max_buffered_bytes);
    let per_peer = options.max_connections_per_peer.unwrap_or(options.max_connections.div_ceil(2));
    let tasks = TaskTracker::new();
    let acceptor = Acceptor {
        listener,
        table: Table::new(options.max_connections, per_peer, most_streams, buffers),
        tls,
        handshake_timeout: options.handshake_timeout,
        shutdown: shutdown.clone(),
        tasks: tasks.clone(),
    };
    let serving = Serving {
        service,
        coalescing: WriteCoalescing::new(slots),
        shutdown: shutdown.clone(),
        age: Age { most: options.max_connection_age, grace: options.max_connection_age_grace },
    };
    let cut = shutdown.abort_after_drain(options.drain_timeout);
    tokio::select! {
        () = shutdown.draining() => {}
        () = acceptor.accept(move |begun| serving.clone().connection(begun)) => {}
    }
    // Nothing is accepted from here on.
    drop(acceptor);
    tracing::info!("draining: no new connections; calls in flight may end");
    health.drain();
    tasks.close();
    tasks.wait().await;
    drop(cut);
    health.stop();
    sweeper.abort();
    store.close().await;
    tracing::info!("stopped");
    Ok(())
}
