//! `prism health`: checks by `grpc.health.v1` whether a server is serving, for example as a container's health check.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use prism_wire::channel::{CallError, ConnectError, Connection, Fault, Options};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::Failure;

/// The arguments of `prism health`. There is no token: the health service requires none.
#[derive(Debug, clap::Args)]
pub struct HealthArgs {
    /// The server: http://host:port, or https://host:port for TLS.
    #[arg(
        long,
        value_name = "URL",
        env = "PRISM_ENDPOINT",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8980"
    )]
    endpoint: String,
    /// The certificate authority to trust, as PEM; without it, those this machine trusts.
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// This client's certificate, as PEM, for a server that requires one.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of this client's certificate, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// The name expected in the server's certificate, if it is not the endpoint's host.
    #[arg(long, value_name = "NAME")]
    tls_domain: Option<String>,
    /// The service to check; without it, the whole server.
    #[arg(long, default_value = "", hide_default_value = true)]
    service: String,
    /// The timeout for connecting, and again for the response, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    timeout: u64,
}

pub(super) async fn run(args: &HealthArgs) -> Result<(), Failure> {
    let failed = |why: String, fault: Option<Fault>| {
        let hint = fault.map(|fault| format!("\n  {}", fault.hint())).unwrap_or_default();
        Failure::Failed(format!("{}: {why}{hint}", args.endpoint))
    };
    let options = args.options()?;
    let connection = Connection::open(&options).await.map_err(|error| match error {
        ConnectError::Unreachable(_) | ConnectError::TimedOut(_) => failed(error.to_string(), error.fault()),
        ConnectError::Endpoint(_) | ConnectError::Token | ConnectError::NotTls | ConnectError::Tls(_) => {
            Failure::Usage(error.to_string())
        }
    })?;
    let request = connection.request(HealthCheckRequest { service: args.service.clone() });
    let mut client = HealthClient::new(connection.channel());
    let response = tokio::time::timeout(args.timeout(), client.check(request)).await.unwrap_or_else(|_| {
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
        return Err(Failure::Failed(format!("{}: {}", args.endpoint, status.as_str_name())));
    }
    // A closed standard output is not an error: the exit code carries the result.
    let _ = writeln!(std::io::stdout(), "{}", status.as_str_name());
    Ok(())
}

impl HealthArgs {
    fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    fn options(&self) -> Result<Options, Failure> {
        let identity = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Some((read(certificate)?, read(key)?)),
            (None, _) | (_, None) => None,
        };
        Ok(Options {
            ca: self.tls_ca.as_deref().map(read).transpose()?,
            identity,
            server_name: self.tls_domain.clone(),
            connect_timeout: self.timeout(),
            timeout: Some(self.timeout()),
            ..Options::new(&self.endpoint)
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|why| Failure::Usage(format!("the file '{}' cannot be read: {why}", path.display())))
}
