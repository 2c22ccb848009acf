//! `prism check-config`: prints the configuration in effect, or everything that is wrong with it; or explains every key.

use std::io::Write;
use std::path::PathBuf;

use super::Failure;
use crate::config::{Config, Flags};
use crate::sources::{CONFIG_VARIABLE, configuration};

/// What `prism check-config` can be told.
#[derive(Debug, clap::Args)]
pub struct CheckConfigArgs {
    /// The file to check; without one, the environment and the defaults.
    #[arg(long, env = CONFIG_VARIABLE, hide_env_values = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check nothing; print every key instead, with what it does and its default, as a file to start from, or as
    /// the page of the documentation.
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "yaml")]
    explain: Option<Form>,
}

/// The form of an explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// A configuration file with comments.
    Yaml,
    /// A reference that also says what is allowed.
    Markdown,
}

pub(super) fn run(args: &CheckConfigArgs) -> Result<(), Failure> {
    let text = match args.explain {
        Some(Form::Yaml) => Config::example(),
        Some(Form::Markdown) => Config::reference(),
        None => configuration(args.config.clone(), Flags::default()).map_err(Failure::Usage)?.to_yaml(),
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|why| Failure::Failed(format!("standard output cannot be written: {why}")))
}
