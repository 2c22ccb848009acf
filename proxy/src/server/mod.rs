//! Serves backends over gRPC until shutdown.
//!
//! The only entry point is `run`, used by the command line and the tests. The layers of a call, outermost first: request
//! shape ([`prism_wire::http`]), call log, audit, status table ([`prism_wire::layer`]), panic handler, limits on calls without
//! a token, deadline, authentication, load shedding with admission to a slot ([`prism_wire::slots`]), limit on responses,
//! service. Each is a module here; `call` is the state of a call that they share. `incoming` accepts connections,
//! `connection` limits their number, `serve` serves each; responses made at the same time are sent together (`coalescing`).

mod answers;
mod audit;
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
mod limits;
mod methods;
mod observed;
mod panics;
mod reflection;
mod reload;
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

use futures::FutureExt;
use prism_contract::{keyvalue, timeseries};
use prism_proto::options::Schema;
use prism_proto::timeseries::v1::time_series_service_server::TimeSeriesServiceServer;
use prism_wire::clock::{Clock, SystemClock};
use prism_wire::http::RequestShapeLayer;
use prism_wire::layer::StatusesLayer;
use prism_wire::one_message::OneMessage;
use prism_wire::slots::Slots;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;
use tower::ServiceBuilder;
use tower::layer::layer_fn;

use crate::catalog::Catalog;
use crate::control::{Backend, Control, DefinitionsError};
use crate::metrics::Metrics;
use crate::telemetry::Traces;

pub use self::audit::AuditOptions;
pub use self::auth::{AuthError, AuthState};
use self::buffers::Buffers;
use self::call_log::Evidence;
use self::coalescing::WriteCoalescing;
use self::connection::Table;
use self::incoming::Acceptor;
pub use self::limits::{Limits, LoggedCalls};
pub use self::methods::IncompleteMethod;
pub(crate) use self::methods::names as method_names;
use self::observed::{Observed, Sweeps};
pub use self::reload::Reload;
use self::serve::{Age, Serving};
pub use self::services::{Services, Store};
pub use self::shutdown::Shutdown;
pub(crate) use self::sweeper::{Pass, Sweeper};
pub use self::tls::{TlsError, TlsPem};

/// Open streams allowed per slot. Those without a slot wait for their clients.
const OPEN_PER_SLOT: usize = 4;
/// Open streams allowed in any case.
const OPEN_AT_LEAST: usize = 4_096;

/// Server options.
#[derive(Clone)]
pub struct Options {
    /// The server version reported by Describe.
    pub version: String,
    /// The clock that timestamps requests.
    pub clock: Arc<dyn Clock>,
    /// The callers; by default every client may do everything.
    pub auth: AuthState,
    /// TLS; `None`: plain text.
    pub tls: Option<TlsPem>,
    /// Replaces `auth` and `tls` while the server runs.
    pub reload: Reload,
    /// What clients may use, and for how long.
    pub limits: Limits,
    /// Time between two checks of a backend, and the time limit of one.
    pub health_interval: Duration,
    /// Time between two sweeps.
    pub sweep_interval: Duration,
    /// Maximum time between two messages of a Tail (TAIL-4).
    pub heartbeat: Duration,
    /// The audit log, which is closed with the server; `None`: no audit.
    pub audit: Option<AuditOptions>,
    /// Which successful calls are logged.
    pub logged_calls: LoggedCalls,
    /// Where the server counts what it does.
    pub metrics: Metrics,
    /// Which calls are traced.
    pub traces: Traces,
}

impl Default for Options {
    fn default() -> Self {
        let config = crate::config::Config::default();
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            clock: Arc::new(SystemClock),
            auth: AuthState::default(),
            tls: None,
            reload: Reload::default(),
            limits: Limits::default(),
            health_interval: config.health.interval,
            sweep_interval: config.database.sweep_interval,
            heartbeat: timeseries::Edge::<Catalog>::HEARTBEAT,
            audit: None,
            logged_calls: LoggedCalls::default(),
            metrics: Metrics::default(),
            traces: Traces::default(),
        }
    }
}

/// Why the server failed to start or ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The certificate or the key is unusable.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// The definitions of namespaces cannot be read, or would serve encrypted items as they are stored.
    #[error(transparent)]
    Definitions(#[from] DefinitionsError),
    /// A descriptor set is invalid, which a bug in the build would have to cause.
    #[error("the descriptors for reflection cannot be read: {0}")]
    Reflection(#[from] prism_wire::reflection::SchemaError),
    /// The schema leaves options of a method open.
    #[error(transparent)]
    Method(#[from] IncompleteMethod),
}

/// The control plane, and whether its backend is required; `None`: the services have none.
fn control(services: &Services, health: &health::Health, options: &Options) -> Option<(Control, bool)> {
    let default = services.definitions?;
    let backend = |(index, store): (usize, &Store)| Backend {
        name: store.name.clone(),
        keyvalue: Arc::clone(&store.keyvalue),
        timeseries: store.timeseries.clone(),
        health: health.of_backend(index),
    };
    let backends = services.stores.iter().enumerate().map(backend).collect();
    let (catalog, clock) = (services.catalog.clone(), Arc::clone(&options.clock));
    let control = Control::new(catalog, backends, default, options.audit.is_some(), clock);
    Some((control, services.stores[default].required))
}

/// Serves `services` on `listener` until `shutdown` starts a drain. Calls in flight then have `drain_timeout` to finish, or
/// until `shutdown` aborts; the rest is cut. The backends are closed last.
pub async fn run(
    services: impl Into<Services>,
    listener: TcpListener,
    shutdown: Shutdown,
    options: Options,
) -> Result<(), RunError> {
    run_schema(Schema::prism(), services.into(), listener, shutdown, options).await
}

/// The service of TimeSeries, whose Tails end when `shutdown` begins to drain (TAIL-7).
fn timeseries_server(
    edge: timeseries::Edge<Catalog>,
    clock: impl Clock,
    shutdown: &Shutdown,
) -> OneMessage<TimeSeriesServiceServer<prism_wire::timeseries::Service<Catalog, impl Clock>>> {
    let shutdown = shutdown.clone();
    let drain = move || {
        let shutdown = shutdown.clone();
        async move { shutdown.draining().await }.boxed()
    };
    prism_wire::timeseries::Service::new(edge, clock).with_drain(drain).into_server()
}

/// [`run`], which serves the methods of `schema`.
async fn run_schema(
    schema: &Schema,
    services: Services,
    listener: TcpListener,
    shutdown: Shutdown,
    options: Options,
) -> Result<(), RunError> {
    methods::check(schema)?;
    options.reload.start(options.tls.as_ref().map(TlsPem::acceptor).transpose()?, options.auth.clone());
    let (health, health_service) = health::watch(&services.stores, options.health_interval).await;
    let mut sweepers = JoinSet::new();
    let mut sweeps = Vec::new();
    for (index, store) in services.stores.iter().cloned().enumerate() {
        let interval = store.sweep_interval.unwrap_or(options.sweep_interval);
        let (catalog, clock) = (services.catalog.clone(), Arc::clone(&options.clock));
        let counted = Arc::<Sweeps>::default();
        sweeps.push(Arc::clone(&counted));
        sweepers.spawn(Sweeper { store, index, catalog, clock }.run(interval, counted));
    }

    let control = control(&services, &health, &options);
    if let Some((control, required)) = &control {
        match control.refresh().await {
            Err(error @ DefinitionsError::Store(_)) if !required => {
                tracing::warn!(%error, "namespaces without a rule of their name are unavailable until it can be read");
            }
            started => started?,
        }
        sweepers.spawn(control.clone().follow());
    }
    let clock = Arc::clone(&options.clock);
    let keyvalue = keyvalue::Edge::new(services.catalog.clone(), options.version.as_str());
    let timeseries = timeseries::Edge::new(services.catalog.clone(), options.version.as_str())
        .with_heartbeat(options.heartbeat);
    let slots = Slots::new(options.limits.max_in_flight);
    let reflection = reflection::all()?;
    let evidence = Evidence {
        catalog: services.catalog.clone(),
        outcomes: health.outcomes(),
        metrics: options.metrics.clone(),
        logged: options.logged_calls,
        successes: Arc::default(),
        traces: options.traces,
    };
    let refused_streams = Arc::default();
    let clock = move || clock.now();
    let mut routes = Routes::new(prism_wire::keyvalue::Service::new(keyvalue, clock.clone()).into_server())
        .add_service(timeseries_server(timeseries, clock, &shutdown));
    if let Some((control, _)) = control {
        routes = routes.add_service(control.into_server(shutdown.clone()));
    }
    let routes = routes
        .add_service(OneMessage::new(health_service))
        .add_service(reflection.v1())
        .add_service(reflection.v1alpha())
        .prepare();
    let service = ServiceBuilder::new()
        .layer(RequestShapeLayer)
        .layer(call_log::layer(evidence))
        .layer(audit::layer(options.audit.clone()))
        .layer(StatusesLayer)
        .layer(layer_fn(panics::Panics))
        .layer(tokenless::layer())
        .layer(layer_fn(deadline::Deadline))
        .layer(auth::layer(options.reload.clone(), options.clock))
        .layer(shed::layer(&slots, &refused_streams))
        .layer(layer_fn(answers::Answers))
        .service(routes);

    let max_streams = options.limits.max_in_flight.saturating_mul(OPEN_PER_SLOT).max(OPEN_AT_LEAST);
    let buffers = Buffers::new(options.limits.max_buffered_bytes as usize);
    let per_peer =
        options.limits.max_connections_per_peer.unwrap_or(options.limits.max_connections.div_ceil(2));
    let tasks = TaskTracker::new();
    let table = Table::new(options.limits.max_connections, per_peer, max_streams, Arc::clone(&buffers));
    let observed = Observed {
        stores: services.stores.clone(),
        sweeps,
        health: health.of_all(&services.stores),
        catalog: services.catalog.clone(),
        table: Arc::clone(&table),
        buffers,
        slots: slots.clone(),
        refused_streams,
        shutdown: shutdown.clone(),
        namespaces: options.metrics.namespaces(),
    };
    options.metrics.set_server(options.version, Box::new(observed));
    let acceptor = Acceptor {
        listener,
        table,
        tls: options.reload,
        handshake_timeout: options.limits.handshake_timeout,
        shutdown: shutdown.clone(),
        tasks: tasks.clone(),
        metrics: options.metrics.clone(),
    };
    let serving = Serving {
        service,
        coalescing: WriteCoalescing::new(slots),
        metrics: options.metrics,
        shutdown: shutdown.clone(),
        age: Age { max: options.limits.max_connection_age, grace: options.limits.max_connection_age_grace },
    };
    let cut = shutdown.abort_after_drain(options.limits.drain_timeout);
    tokio::select! {
        () = shutdown.draining() => {}
        () = acceptor.accept(move |accepted| serving.clone().connection(accepted)) => {}
    }
    // Nothing is accepted from here on.
    drop(acceptor);
    tracing::info!("draining: no new connections; calls in flight may end");
    health.drain();
    tasks.close();
    tasks.wait().await;
    drop(cut);
    health.stop();
    sweepers.abort_all();
    services.close().await;
    if let Some(audit) = options.audit {
        audit.log.close().await;
    }
    tracing::info!("stopped");
    Ok(())
}
