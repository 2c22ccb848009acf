//! The command-line options that name a server to call, and the files of its TLS.

use std::path::{Path, PathBuf};

use clap::Args;
use prism_wire::channel::Options;

/// The server to call.
#[derive(Debug, Clone, Args)]
pub(crate) struct TargetArgs {
    /// The server: http://host:port, or https://host:port for TLS
    #[arg(
        long,
        value_name = "URL",
        env = "PRISM_ENDPOINT",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8980"
    )]
    pub(crate) endpoint: String,

    /// The certificate authority to trust, as PEM; without it, those this machine trusts
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,

    /// This client's certificate, as PEM, for a server that requires one
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The key of this client's certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// The name expected in the server's certificate, if it is not the endpoint's host
    #[arg(long, value_name = "NAME")]
    tls_domain: Option<String>,
}

impl TargetArgs {
    /// The options of a connection, with the content of the files. Errors name the file that cannot be read.
    pub(crate) fn options(&self) -> Result<Options, String> {
        let identity = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Some((read(certificate)?, read(key)?)),
            (None, _) | (_, None) => None,
        };
        Ok(Options {
            ca: self.tls_ca.as_deref().map(read).transpose()?,
            identity,
            server_name: self.tls_domain.clone(),
            ..Options::new(&self.endpoint)
        })
    }
}

/// The content of a file, or an error that names it.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}
