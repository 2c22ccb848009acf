//! `prism serve`: gathers a configuration, a backend and a listener, and runs the server until a signal.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use prism_wire::clock::SystemClock;
use tokio::net::TcpListener;

use super::Failure;
use crate::backend::{self, Location};
use crate::config::{Config, Flags, Tls};
use crate::logging;
use crate::server::{Options, Shutdown, TlsPem, run as run_server};
use crate::sources::{CONFIG_VARIABLE, configuration};

/// What `prism serve` can be told. A flag wins over the environment, the environment over the file.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    /// The configuration file; without one, the environment and the defaults.
    #[arg(long, env = CONFIG_VARIABLE, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address to listen on, such as 127.0.0.1:8980.
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// The file of the SQLite database to serve.
    #[arg(long, value_name = "PATH")]
    database: Option<String>,
}

pub(super) async fn run(args: ServeArgs) -> Result<(), Failure> {
    let config = configuration(args.config, Flags { listen: args.listen, database: args.database })
        .map_err(Failure::Usage)?;
    let _rest = logging::start(config.logging)
        .map_err(|why| Failure::Failed(format!("the log cannot start: {why}")))?;
    let options = options(&config)?;
    let listener = TcpListener::bind(&config.server.listen)
        .await
        .map_err(|why| Failure::Failed(cannot_listen(&config.server.listen, &why)))?;
    let address = listener.local_addr().map_err(|why| Failure::Failed(why.to_string()))?;
    let backend = backend::open(&config.database).await.map_err(|why| Failure::Failed(why.to_string()))?;
    // From here on a signal drains; before, it just ends the process.
    let shutdown = Shutdown::new();
    tokio::spawn(on_signals(shutdown.clone()));
    tracing::info!(
        %address,
        tls = options.tls.is_some(),
        backend = config.database.kind.name(),
        database = %Location(&config.database),
        tokens = options.tokens.len(),
        version = options.version,
        "prism is listening"
    );
    if options.tokens.is_empty() && !address.ip().is_loopback() {
        tracing::warn!(%address, "no auth.tokens are configured: whoever reaches this address may read and write everything");
    }
    run_server(backend, listener, shutdown, options).await.map_err(|why| Failure::Failed(why.to_string()))
}

fn options(config: &Config) -> Result<Options, Failure> {
    Ok(Options {
        clock: Arc::new(SystemClock),
        tokens: config.auth.tokens.clone(),
        tls: tls(&config.server.tls)?,
        max_in_flight: config.server.max_in_flight,
        max_connections: config.server.max_connections,
        drain_timeout: config.server.drain_timeout,
        health_interval: config.health.interval,
        sweep_interval: config.database.sweep_interval,
        ..Options::default()
    })
}

fn tls(tls: &Tls) -> Result<Option<TlsPem>, Failure> {
    let (Some(cert), Some(key)) = (&tls.cert, &tls.key) else { return Ok(None) };
    Ok(Some(TlsPem {
        cert: read("server.tls.cert", cert)?,
        key: read("server.tls.key", key)?,
        client_ca: tls.client_ca.as_deref().map(|ca| read("server.tls.client_ca", ca)).transpose()?,
    }))
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|why| Failure::Usage(format!("{key}: the file '{}' cannot be read: {why}", path.display())))
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

/// The first signal drains, the second cuts what is still in flight.
async fn on_signals(shutdown: Shutdown) {
    let Ok(mut signals) = Signals::new() else {
        tracing::error!("signals cannot be waited for; SIGTERM and Ctrl-C end the server at once");
        return;
    };
    signals.next().await;
    shutdown.drain();
    signals.next().await;
    shutdown.abort();
}

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
