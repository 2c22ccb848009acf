//! `prism check-config`: prints the configuration in effect, or everything that is wrong with it.

use std::io::Write;
use std::path::PathBuf;

use super::Failure;
use super::sources::configuration;
use crate::config::Flags;

/// What `prism check-config` can be told.
#[derive(Debug, clap::Args)]
pub struct CheckConfigArgs {
    /// The file to check; without one, the environment and the defaults.
    #[arg(long, env = "PRISM_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(args: &CheckConfigArgs) -> Result<(), Failure> {
    let config = configuration(args.config.clone(), Flags::default())?;
    std::io::stdout()
        .write_all(config.to_yaml().as_bytes())
        .map_err(|why| Failure::Failed(format!("standard output cannot be written: {why}")))
}
