//! `prism check-config`: prints the effective configuration, or all its problems; or explains every key.

use std::io::Write;
use std::path::PathBuf;

use clap::builder::StyledStr;
use prism_cli::examples;

use crate::config::{Config, Flags};
use crate::exit::ExitError;
use crate::sources::{CONFIG_VARIABLE, configuration};

/// The arguments of `prism check-config`.
#[derive(Debug, clap::Args)]
#[command(after_help = help())]
pub struct CheckConfigArgs {
    /// The file to check; without it, the environment and the defaults.
    #[arg(long, env = CONFIG_VARIABLE, hide_env_values = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check nothing; print every key with its meaning and its default instead, as a configuration file to start from, or
    /// as the reference page of the documentation.
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "yaml")]
    explain: Option<Format>,
}

/// The format of an explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A configuration file with comments.
    Yaml,
    /// A reference that also lists the allowed values.
    Markdown,
}

fn help() -> StyledStr {
    examples(&[
        ("A file to start from, with every key", "prism check-config --explain > prism.yaml"),
        ("What holds with that file and this environment", "prism check-config --config prism.yaml"),
    ])
}

pub(super) fn run(args: &CheckConfigArgs) -> Result<(), ExitError> {
    let text = match args.explain {
        Some(Format::Yaml) => Config::example(),
        Some(Format::Markdown) => Config::reference(),
        None => configuration(args.config.clone(), Flags::default()).map_err(ExitError::usage)?.to_yaml(),
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|why| ExitError::failed(format!("standard output cannot be written: {why}")))
}
