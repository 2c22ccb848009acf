//! `prism serve`: loads the configuration, opens the backend and a listener, and runs the server until a signal.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::builder::StyledStr;
use prism_cli::examples;
use prism_wire::clock::SystemClock;
use tokio::net::TcpListener;

use super::reload::{Reloader, Running};
use super::{open_files, warnings};
use crate::admin::Admin;
use crate::audit::Audit;
use crate::backend::{self, Kinds, Locations};
use crate::config::{AdminListen, AuthMode, Config, Flags, OPEN_BEYOND_LOOPBACK, Tls};
use crate::exit::ExitError;
use crate::logging;
use crate::metrics::Metrics;
use crate::server::{AuditOptions, AuthState, Options, Services, Shutdown, TlsPem, run as run_server};
use crate::sources::{CONFIG_VARIABLE, configuration};
use crate::telemetry::Telemetry;

/// The arguments of `prism serve`. Precedence, highest first: flags, the environment, the file.
#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub struct ServeArgs {
    /// The configuration file; without it, the environment and the defaults.
    #[arg(long, env = CONFIG_VARIABLE, hide_env_values = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address to listen on, such as 127.0.0.1:8980.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// The file of the SQLite database to serve.
    #[arg(long, value_name = "PATH")]
    database: Option<String>,
}

impl ServeArgs {
    /// The effective configuration, or all its problems.
    pub(super) fn configuration(&self) -> Result<Config, String> {
        let flags = Flags { listen: self.listen.clone(), database: self.database.clone() };
        configuration(self.config.clone(), flags)
    }
}

fn help() -> StyledStr {
    examples(&[(
        "A SQLite file, on the default address",
        "prism serve --listen 127.0.0.1:8980 --database prism.db",
    )])
}

pub(super) async fn run(args: ServeArgs) -> Result<(), ExitError> {
    let running = Arc::new(Running::new());
    on_hangup(Arc::clone(&running));
    let config = args.configuration().map_err(ExitError::usage)?;
    let telemetry = Telemetry::new(&config.otlp).map_err(ExitError::usage)?;
    let log_guard = logging::start(config.logging, telemetry.as_ref())
        .map_err(|why| ExitError::failed(format!("the log cannot start: {why}")))?;
    let (open_files, raised) = open_files::raise();
    let mut options = options(&config)?;
    options.metrics.set_dropped_log_lines(log_guard.dropped());
    let exporting = telemetry.map(|telemetry| {
        options.traces = telemetry.traces();
        telemetry.start(&options.metrics)
    });
    // Before the backends are opened, so that it reports that they are not.
    let admin = admin(&config.admin.listen, &options.metrics).await?;
    let listener = TcpListener::bind(&config.server.listen)
        .await
        .map_err(|why| ExitError::failed(cannot_listen(&config.server.listen, &why)))?;
    let address = listener.local_addr().map_err(|why| ExitError::failed(why.to_string()))?;
    // A host name is resolved only by now, so whether it is beyond loopback is known only here.
    let open = config.auth.is_open() && config.auth.mode != Some(AuthMode::Insecure);
    if open && !address.ip().to_canonical().is_loopback() {
        return Err(ExitError::usage(format!("{address}: {OPEN_BEYOND_LOOPBACK}")));
    }
    let services = backend::open_all(&config)
        .await
        .map_err(|why| ExitError::failed(backend::cannot_open(&config, &why)))?;
    // After the backends, whose failure to open may be repeated: each attempt would add a line.
    let audit = audit(&config, &services)?;
    let log = audit.as_ref().map(|audit| audit.log.clone());
    let options = Options { audit, ..options };
    let is_loopback = address.ip().to_canonical().is_loopback();
    let (tls, reload) = (options.tls.clone(), options.reload.clone());
    let reloader = Reloader::new(args, config.clone(), tls, services.clone(), reload, log, is_loopback);
    let _ = running.set(reloader);
    if options.tls.is_some() {
        tokio::spawn(async move {
            if let Some(reloader) = running.get() {
                reloader.renew_certificates().await;
            }
        });
    }
    // From here on a signal drains; before, it just terminates the process.
    let shutdown = Shutdown::new();
    tokio::spawn(on_signals(shutdown.clone()));
    tracing::info!(
        %address,
        admin = admin.map(tracing::field::display),
        tls = options.tls.is_some(),
        backend = Kinds(&config).to_string(),
        database = %Locations(&config),
        tokens = config.auth.tokens.len(),
        issuers = count(config.auth.jwt.len()),
        grants = count(config.auth.grants.len()),
        open_files,
        version = options.version,
        "prism is listening"
    );
    warnings::log_exposure(&config, address, admin);
    warnings::log_open_file_limit(&config, open_files, raised);
    let served = run_server(services, listener, shutdown, options).await;
    if let Some(exporting) = exporting {
        exporting.close().await;
    }
    served.map_err(|why| ExitError::failed(why.to_string()))
}

/// Starts the admin endpoint; returns its address, `None` without it.
async fn admin(listen: &AdminListen, metrics: &Metrics) -> Result<Option<SocketAddr>, ExitError> {
    let Some(address) = listen.address() else { return Ok(None) };
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(why) if *listen == AdminListen::Default => {
            tracing::warn!(
                default = address,
                %why,
                "there are no metrics: the default address of the admin endpoint cannot be used; set admin.listen to another, \
                 or to off"
            );
            return Ok(None);
        }
        Err(why) => {
            return Err(ExitError::failed(format!("admin.listen: cannot listen on {address}: {why}")));
        }
    };
    let address = listener.local_addr().map_err(|why| ExitError::failed(why.to_string()))?;
    tokio::spawn(Admin::new(metrics.clone()).serve(listener));
    Ok(Some(address))
}

/// A count for the log, left out if it is 0.
fn count(count: usize) -> Option<usize> {
    (count > 0).then_some(count)
}

fn options(config: &Config) -> Result<Options, ExitError> {
    Ok(Options {
        clock: Arc::new(SystemClock),
        auth: AuthState::new(&config.auth).map_err(|why| ExitError::usage(why.to_string()))?,
        tls: tls_pem(&config.server.tls)?,
        limits: config.server.limits.clone(),
        health_interval: config.health.interval,
        sweep_interval: config.database.sweep_interval,
        logged_calls: config.logging.calls,
        metrics: Metrics::new(config.admin.namespaces),
        ..Options::default()
    })
}

/// The audit of the namespaces that are to be audited, if a file is configured.
fn audit(config: &Config, services: &Services) -> Result<Option<AuditOptions>, ExitError> {
    let Some(path) = &config.audit.file else { return Ok(None) };
    let log = Audit::open(path, &config.audit)
        .map_err(|why| ExitError::failed(format!("audit.file: {}: {why}", path.display())))?;
    let catalog = services.catalog.clone();
    Ok(Some(AuditOptions { log, audits: Arc::new(move |namespace| catalog.audits(namespace)) }))
}

/// The certificate, the key and the client CA; `None`: no TLS.
pub(super) fn tls_pem(tls: &Tls) -> Result<Option<TlsPem>, ExitError> {
    let (Some(cert), Some(key)) = (&tls.cert, &tls.key) else { return Ok(None) };
    Ok(Some(TlsPem {
        cert: read("server.tls.cert", cert)?,
        key: read("server.tls.key", key)?,
        client_ca: tls.client_ca.as_deref().map(|ca| read("server.tls.client_ca", ca)).transpose()?,
    }))
}

/// Reads a file. Its path is not in the message: it may be a misplaced private key.
fn read(key: &str, path: &Path) -> Result<Vec<u8>, ExitError> {
    std::fs::read(path).map_err(|why| {
        ExitError::usage(format!("{key}: the file cannot be read: {why}; write the path of a PEM file"))
    })
}

fn cannot_listen(listen: &str, why: &std::io::Error) -> String {
    match why.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!(
                "cannot listen on {listen}: another program listens there; choose another address with --listen"
            )
        }
        _ => format!("cannot listen on {listen}: {why}"),
    }
}

/// The first signal drains, the second aborts the calls in flight.
async fn on_signals(shutdown: Shutdown) {
    let Ok(mut signals) = Signals::new() else {
        tracing::error!("signal handlers cannot be installed; SIGTERM and Ctrl-C end the server at once");
        return;
    };
    signals.next().await;
    shutdown.drain();
    signals.next().await;
    shutdown.abort();
}

/// Loads the configuration again on SIGHUP; before the server runs, the signal is ignored. A terminal sends it when it is
/// closed, which does not end the server.
#[cfg(unix)]
fn on_hangup(running: Arc<Running>) {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut hangup) = signal(SignalKind::hangup()) else { return };
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            if let Some(reloader) = running.get() {
                reloader.hangup().await;
            } else {
                tracing::info!("SIGHUP: the server does not run yet; the signal is ignored");
            }
        }
    });
}

#[cfg(not(unix))]
fn on_hangup(_: Arc<Running>) {}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "waiting for signals can fail on Unix")]
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
