//! The connection options, and the connection made from them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use prism_wire::channel::Connection;
use prism_wire::keyvalue::Client;
use prism_wire::timeseries;

use super::failure::Failure;
use super::time;
use crate::target::{TargetArgs, read};

/// Default call timeout: longer than the server's own deadline, so that it only applies to a server that does not respond.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The server's address and the client's credentials.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub(super) struct ConnectArgs {
    #[command(flatten)]
    target: TargetArgs,

    /// A file that holds the bearer token to send; the variable PRISM_TOKEN may hold the token itself
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// The bearer token; hidden, since other users of the machine can read a command line
    #[arg(long = "bearer-token", env = "PRISM_TOKEN", hide = true, hide_env_values = true)]
    bearer_token: Option<String>,

    /// The trace that the calls are part of, by W3C Trace Context; a program that is traced sets the variables
    #[arg(long, env = "TRACEPARENT", default_value = "", hide = true)]
    traceparent: String,

    /// What tracing systems add to it
    #[arg(long, env = "TRACESTATE", default_value = "", hide = true)]
    tracestate: String,

    /// The timeout of one call, such as 500ms or 1m [default: 10s; for a scan: the server's own deadline]
    #[arg(long, value_name = "SPAN", value_parser = time::parse_duration)]
    timeout: Option<Duration>,

    /// Print JSON for programs, including errors
    #[arg(long)]
    pub(super) json: bool,
}

impl ConnectArgs {
    /// The server's address.
    pub(super) fn endpoint(&self) -> &str {
        &self.target.endpoint
    }

    /// Connects for unary calls.
    pub(super) async fn connect(&self) -> Result<Client, Failure> {
        self.connect_with(Some(self.timeout.unwrap_or(CALL_TIMEOUT))).await
    }

    /// Connects for scans: streams have no default timeout here, since the server bounds them.
    pub(super) async fn connect_to_scan(&self) -> Result<Client, Failure> {
        self.connect_with(self.timeout).await
    }

    /// Connects for unary calls of TimeSeries.
    pub(super) async fn timeseries(&self) -> Result<timeseries::Client, Failure> {
        self.open().await.map(timeseries::Client::new)
    }

    /// Connects for streams of TimeSeries, and for calls as long as the server allows.
    pub(super) async fn timeseries_stream(&self) -> Result<timeseries::Client, Failure> {
        self.open_stream().await.map(timeseries::Client::new)
    }

    /// A connection for unary calls of a generated client.
    pub(super) async fn open(&self) -> Result<Connection, Failure> {
        self.open_with(Some(self.timeout.unwrap_or(CALL_TIMEOUT))).await
    }

    /// A connection for streams of a generated client.
    pub(super) async fn open_stream(&self) -> Result<Connection, Failure> {
        self.open_with(self.timeout).await
    }

    async fn connect_with(&self, timeout: Option<Duration>) -> Result<Client, Failure> {
        self.open_with(timeout).await.map(Client::new)
    }

    async fn open_with(&self, timeout: Option<Duration>) -> Result<Connection, Failure> {
        let mut options = self.target.options().map_err(Failure::usage)?;
        options.token = self.token()?;
        options.timeout = timeout;
        if let Some(timeout) = self.timeout {
            options.connect_timeout = timeout;
        }
        let opened = Connection::open(&options).await;
        let connection = opened.map_err(|error| Failure::connect(&self.target.endpoint, &error))?;
        Ok(connection.with_trace(&self.traceparent, &self.tracestate))
    }

    /// The token: the file named on the command line takes precedence over the environment.
    fn token(&self) -> Result<Option<String>, Failure> {
        let Some(path) = &self.token_file else { return Ok(self.bearer_token.clone()) };
        let text = String::from_utf8(read(path).map_err(Failure::usage)?).map_err(|_| {
            Failure::usage(format!("{} does not hold a token: it is not text", path.display()))
        })?;
        Ok(Some(text.trim().to_owned()))
    }
}
