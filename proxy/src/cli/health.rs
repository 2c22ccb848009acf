//! `prism health`: checks by `grpc.health.v1` whether a server is serving, for example as a container's health check.

use std::io::Write;
use std::time::Duration;

use clap::builder::StyledStr;
use prism_cli::examples;
use prism_wire::channel::{CallError, ConnectError, Connection, Fault, Options};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::exit::ExitError;
use crate::target::TargetArgs;

/// The arguments of `prism health`. There is no token: the health service requires none.
#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub struct HealthArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// The service to check; without it, the whole server.
    #[arg(long, default_value = "", hide_default_value = true)]
    service: String,
    /// The timeout for connecting, and again for the response, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    timeout: u64,
}

fn help() -> StyledStr {
    examples(&[
        ("The server on this machine", "prism health"),
        ("Wait for a server that is starting", "until prism health --timeout 1; do sleep 1; done"),
    ])
}

pub(super) async fn run(args: &HealthArgs) -> Result<(), ExitError> {
    let failed = |why: String, fault: Option<Fault>| {
        let hint = fault.map(|fault| format!("\n  {}", fault.hint())).unwrap_or_default();
        ExitError::failed(format!("{}: {why}{hint}", args.target.endpoint))
    };
    let timeout = Duration::from_secs(args.timeout);
    let options = args.target.options().map_err(ExitError::usage)?;
    let options = Options { connect_timeout: timeout, timeout: Some(timeout), ..options };
    let connection = Connection::open(&options).await.map_err(|error| match error {
        ConnectError::Unreachable(_) | ConnectError::TimedOut(_) => failed(error.to_string(), error.fault()),
        ConnectError::Endpoint(_) | ConnectError::Token | ConnectError::NotTls | ConnectError::Tls(_) => {
            ExitError::usage(error.to_string())
        }
    })?;
    let request = connection.request(HealthCheckRequest { service: args.service.clone() });
    let mut client = HealthClient::new(connection.channel());
    let response = tokio::time::timeout(timeout, client.check(request)).await.unwrap_or_else(|_| {
        Err(tonic::Status::deadline_exceeded(format!("no response within {} s", args.timeout)))
    });
    let refused = |status: tonic::Status| {
        let error = CallError::from(status);
        let message = error.status().map_or_else(|| error.to_string(), |status| status.message.clone());
        let fault = Fault::read(&message);
        failed(message, fault)
    };
    let status = connection.observe(response).map_err(refused)?.into_inner().status();
    if status != ServingStatus::Serving {
        return Err(ExitError::failed(format!("{}: {}", args.target.endpoint, status.as_str_name())));
    }
    // A closed standard output is not an error: the exit code carries the result.
    let _ = writeln!(std::io::stdout(), "{}", status.as_str_name());
    Ok(())
}
